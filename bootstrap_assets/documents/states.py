"""The state of each document: a row that says how far it is, who works on it, and why it failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bootstrap_assets.corpus.records import document_id
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.documents.steps import Step
from bootstrap_assets.errors import ConfigurationError

statement = statements_of(__name__)

SOURCE = "documents"
"""The source of tenants' documents and of their records."""


@dataclass(frozen=True, slots=True)
class DocumentState:
    """How far a document is. `stages`: of each that is done, when (`at`) and in how many `seconds`."""

    document_id: UUID
    tenant: str
    name: str
    stage: str
    stages: dict[str, dict[str, Any]]
    size: int
    pages: int | None
    passages: int | None
    embedded: int
    connections: int | None
    attempts: int
    error_class: str | None
    reason: str | None
    is_stale: bool
    origin: str
    version: bytes
    heartbeat_at: datetime | None
    created_at: datetime
    is_cancelled: bool

    @property
    def has_ended(self) -> bool:
        """Whether it can be searched, or failed: nothing that a user waits for is still to come."""
        return self.stage in ("embedded", "connecting", "complete", "failed")


def source_id(tenant: str, name: str) -> str:
    """What a document is called among all tenants' documents."""
    return f"{tenant}/{name}"


def id_of(tenant: str, name: str) -> UUID:
    """The stable id of a tenant's document."""
    return document_id(SOURCE, source_id(tenant, name))


def put(
    connection: Connection, tenant: str, name: str, content: bytes, *, version: bytes, origin: str, signature: str
) -> bool:
    """Take a document's bytes in; False where they are those that it has. Other bytes begin at `pending` again."""
    parameters = {
        "document": id_of(tenant, name),
        "tenant": tenant,
        "name": name,
        "version": version,
        "bytes": len(content),
        "origin": origin,
        "signature": signature,
    }
    if connection.execute(statement("put_document"), parameters).fetchone() is None:
        connection.execute(statement("sign_document"), parameters)
        return False
    connection.execute(statement("put_file"), {"document": parameters["document"], "content": content})
    return True


def listing(
    connection: Connection, *, tenant: str | None = None, documents: Sequence[UUID] | None = None
) -> list[DocumentState]:
    """Documents of a tenant, or of all, by tenant and name."""
    parameters = {"tenant": tenant, "documents": list(documents) if documents is not None else None}
    return [DocumentState(*row) for row in connection.execute(statement("list_documents"), parameters)]


def get(connection: Connection, reference: str, *, tenant: str | None = None) -> DocumentState:
    """The document with this id, or with this name where only one tenant has it; ConfigurationError else."""
    parameters = {"reference": reference, "tenant": tenant}
    ids = [row[0] for row in connection.execute(statement("resolve_document"), parameters)]
    if len(ids) != 1:
        problem = "there is no document" if not ids else "more than one tenant has a document"
        raise ConfigurationError(f"{problem} {reference!r}{' of the tenant ' + tenant if tenant else ''}")
    return listing(connection, documents=ids)[0]


def retry(connection: Connection, *, tenant: str, documents: Sequence[UUID] | None = None) -> int:
    """Let failed and cancelled documents begin again after their last completed stage; returns how many.

    Passages that the provider refused are sent once more.
    """
    parameters = {"tenant": tenant, "documents": list(documents) if documents is not None else None}
    connection.execute(statement("retry_passages"), parameters | {"source": SOURCE})
    return connection.execute(statement("retry_documents"), parameters).rowcount


def extract_again(connection: Connection, document: UUID) -> None:
    """Let a document be extracted once more, by the extractor of this version; its passages stay until then."""
    connection.execute(statement("extract_again"), {"document": document})


def cancel(connection: Connection, document: UUID) -> None:
    """Ask the work on a document to end at its next safe point."""
    connection.execute(statement("cancel_document"), {"document": document})


def forget(connection: Connection, document: UUID) -> None:
    """Delete a document's row, its bytes and what was extracted. Its records are the corpus' to delete."""
    connection.execute(statement("forget_document"), {"document": document})


def connect_again(connection: Connection, tenant: str) -> int:
    """Let complete documents of a tenant be connected once more; returns how many."""
    return connection.execute(statement("connect_again"), {"tenant": tenant}).rowcount


def count_by_stage(connection: Connection, tenant: str) -> dict[str, int]:
    """Documents of a tenant by stage."""
    return dict(connection.execute(statement("count_by_stage"), {"tenant": tenant}).fetchall())


def failures_in(connection: Connection, tenant: str, step: Step) -> dict[str, str]:
    """Documents of a tenant that failed in a step, with the reason, by name."""
    parameters = {"tenant": tenant, "doing": step.doing}
    return dict(connection.execute(statement("failures_in"), parameters).fetchall())


def waiting_version(connection: Connection, tenant: str, stages: Sequence[str]) -> str | None:
    """A digest of a tenant's documents that are in these stages; None where there are none."""
    parameters = {"tenant": tenant, "stages": list(stages)}
    row = connection.execute(statement("waiting_version"), parameters).fetchone()
    return row[0] if row else None
