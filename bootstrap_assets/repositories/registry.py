"""The repositories that are kept indexed, and what was asked to be done about them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.repositories.addresses import Access, address_of
from bootstrap_assets.repositories.languages import VERSION
from bootstrap_assets.repositories.store import Repository

statement = statements_of(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")

COUNTS = ("files", "symbols", "references", "dependencies")
"""What a job counts."""

HOURS = 24
"""Hours that the failure rate is of."""


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """A repository, the commit that its index is of, and how its last job goes or went.

    `seconds` of each stage that ended. Counts are those of the index: None until the job that it came by ended
    well.
    """

    name: str
    address: str
    ref: str
    tenant: str | None
    commit: str
    status: str
    stage: str
    seconds: Mapping[str, float]
    files: int | None
    symbols: int | None
    references: int | None
    dependencies: int | None
    findings: int | None
    attempts: int
    correlation_id: str
    error_class: str | None
    reason: str
    indexed_at: datetime | None
    job: int | None


@dataclass(frozen=True, slots=True)
class Queue:
    """Jobs that wait and that are worked on; of those that ended in the last HOURS, all and the failed."""

    waiting: int = 0
    processing: int = 0
    ended: int = 0
    failed: int = 0

    @property
    def failure_rate(self) -> float:
        """The share that failed, 0 to 1."""
        return self.failed / self.ended if self.ended else 0.0


@dataclass(frozen=True, slots=True)
class WaitingRun:
    """A job that a run is to be made for."""

    repository: str
    job: int
    attempts: int
    revision: str
    correlation_id: str


def add(
    connection: Connection, name: str, address: str, *, ref: str = "", tenant: str | None = None, access: Access
) -> bool:
    """Keep a repository indexed; one of that name gets the new address and ref. Returns whether it is new.

    ConfigurationError for no possible name, an unknown tenant, and a name that is another's; AddressError for an
    address that is never asked.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot be a repository's name: up to 100 letters, digits, '_', '.' and '-', "
            "a letter or digit first"
        )
    _require_tenant(connection, tenant)
    address_of(address, access)
    parameters = {"name": name, "address": address, "ref": ref, "tenant": tenant}
    row = connection.execute(statement("add_repository"), parameters).fetchone()
    if row is None:
        raise ConfigurationError(f"there is a repository {name!r} that belongs to somebody else")
    return bool(row[0])


def _require_tenant(connection: Connection, tenant: str | None) -> None:
    if tenant and connection.execute(statement("has_owner"), {"tenant": tenant}).fetchone() is None:
        raise ConfigurationError(f"there is no tenant {tenant!r}: `bootstrap tenants add {tenant}` makes one")


def repositories(connection: Connection, names: Sequence[str] | None = None) -> list[Repository]:
    """Those of these names, or all."""
    return [Repository(*row) for row in connection.execute(statement("repositories"), {"names": _list(names)})]


def get(connection: Connection, name: str) -> Repository:
    """The repository of a name; ConfigurationError where there is none."""
    for repository in repositories(connection, [name]):
        return repository
    raise ConfigurationError(
        f"there is no repository {name!r}: `bootstrap repositories add {name} ADDRESS` adds it"
    )


def states(connection: Connection, names: Sequence[str] | None = None) -> list[RepositoryState]:
    """How far these repositories are, or all."""
    return [RepositoryState(*row) for row in connection.execute(statement("states"), {"names": _list(names)})]


def state(connection: Connection, name: str) -> RepositoryState:
    """How far a repository is; ConfigurationError where there is none."""
    get(connection, name)
    return states(connection, [name])[0]


def enqueue(connection: Connection, name: str, revision: str = "", correlation_id: str = "") -> tuple[int, str]:
    """Ask for a commit (empty: that of the ref) to be indexed; returns the job's number and correlation id.

    Asked for while it is under way it is the same job. What was asked for before and has not begun is cancelled.
    """
    get(connection, name)
    parameters = {
        "repository": name,
        "revision": revision,
        "correlation": correlation_id or uuid4().hex[:12],
    }
    connection.execute(statement("supersede_jobs"), parameters)
    row = connection.execute(statement("put_job"), parameters).fetchone()
    assert row is not None
    return int(row[0]), str(row[1])


def is_new(connection: Connection, name: str, commit: str) -> bool:
    """Whether a commit is neither indexed nor asked for yet."""
    parameters = {"repository": name, "commit": commit, "version": VERSION}
    row = connection.execute(statement("is_new_commit"), parameters).fetchone()
    return bool(row and row[0])


def is_cancelled(connection: Connection, name: str, correlation_id: str) -> bool:
    """Whether the job of a correlation id was cancelled: a run that was made for it comes too late."""
    parameters = {"repository": name, "correlation": correlation_id}
    return connection.execute(statement("is_cancelled"), parameters).fetchone() is not None


def retry(connection: Connection, names: Sequence[str] | None = None) -> list[str]:
    """Let the last jobs that failed or were cancelled begin again; returns the repositories."""
    rows = connection.execute(statement("retry_jobs"), {"names": _list(names)})
    return sorted(row[0] for row in rows)


def cancel(connection: Connection, name: str) -> int:
    """Stop the jobs of a repository at their next safe point; returns how many there were."""
    get(connection, name)
    return connection.execute(statement("cancel_jobs"), {"repository": name}).rowcount


def forget(connection: Connection, name: str) -> None:
    """Delete a repository with its jobs; its index and its records went before."""
    connection.execute(statement("drop_repository"), {"name": name})


def of_tenant(connection: Connection, tenant: str) -> list[str]:
    """Names of a tenant's repositories."""
    return [row[0] for row in connection.execute(statement("repositories_of_tenant"), {"tenant": tenant})]


def queue(connection: Connection) -> Queue:
    """How many jobs wait, and how those of the last HOURS ended."""
    row = connection.execute(statement("queue"), {"hours": HOURS}).fetchone()
    return Queue(*(row or ()))


def waiting_runs(connection: Connection) -> list[WaitingRun]:
    """What a run is to be made for: the first open job of each repository that may be tried now."""
    return [WaitingRun(*row) for row in connection.execute(statement("waiting_runs"))]


def _list(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else list(names)
