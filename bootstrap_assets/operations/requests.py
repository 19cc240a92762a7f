"""Requests from other programs: asked for once while under way, cancelled, resumed, waited for."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import psycopg

from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.operations.events import IngestCancelled, IngestCompleted, IngestRequested, IngestResume
from bootstrap_assets.operations.outbox import emit
from bootstrap_assets.texts.content import clean_text

statement = statements_of(__name__)

UNDER_WAY = ("requested", "running")


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asked for: sources (none: all), or where `tenant` is set that tenant's documents.

    `attempt` counts how often it was resumed, from 1.
    """

    id: int
    key: str
    sources: list[str]
    tenant: str | None
    force_refresh: bool
    priority: int
    requested_by: str
    status: str
    attempt: int
    cancelled: bool
    run_id: str | None
    message: str | None
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def under_way(self) -> bool:
        """Whether it has not ended yet."""
        return self.status in UNDER_WAY


def ask(connection: Connection, event: IngestRequested, *, key: str | None = None) -> tuple[int, bool]:
    """Enter a request; returns its id, and whether it is a new one.

    Whoever asks with the same key (by default: for the same sources in the same way) while one is under way gets
    that one; if it has not begun, it takes the higher of the two priorities.
    """
    event = event.model_copy(update={"sources": sorted(set(event.sources))})
    parameters = event.model_dump() | {"key": key or _key(event)}
    while True:
        row = connection.execute(statement("add_request"), parameters).fetchone()
        if row:
            emit(connection, event)
            return int(row[0]), True
        row = connection.execute(statement("under_way"), parameters).fetchone()
        if row:  # else it ended in this very moment
            connection.execute(statement("hasten_request"), {"id": row[0], "priority": event.priority})
            return int(row[0]), False


def _key(event: IngestRequested) -> str:
    parts = json.dumps([event.sources, event.force_refresh] + ([event.tenant] if event.tenant else []))
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def listing(
    connection: Connection, *, number: int | None = None, statuses: Sequence[str] | None = None
) -> list[Request]:
    """Requests, the most urgent first."""
    parameters = {"id": number, "statuses": list(statuses) if statuses else None}
    return [Request(*row) for row in connection.execute(statement("requests"), parameters)]


def get(connection: Connection, number: int) -> Request:
    """One request; ConfigurationError where there is none."""
    rows = listing(connection, number=number)
    if not rows:
        raise ConfigurationError(f"there is no request {number}")
    return rows[0]


def cancel(connection: Connection, number: int) -> bool:
    """Ask a request to end; False where it has ended or was asked already."""
    get(connection, number)
    row = connection.execute(statement("cancel_request"), {"id": number}).fetchone()
    if row is None:
        return False
    emit(connection, IngestCancelled(request=number))
    if row[0] == "cancelled":  # nothing had begun
        emit(connection, IngestCompleted(request=number, status="cancelled", totals={}, duration_ms=0))
    return True


def resume(connection: Connection, number: int) -> bool:
    """Ask for a request again that failed or was cancelled; False where it did not.

    ConfigurationError where somebody else has asked for the same since, which is still under way.
    """
    get(connection, number)
    try:
        with connection.transaction():
            row = connection.execute(statement("resume_request"), {"id": number}).fetchone()
    except psycopg.errors.UniqueViolation:
        raise ConfigurationError(f"what request {number} asks for is under way as another request") from None
    if row is None:
        return False
    emit(connection, IngestResume(request=number))
    return True


def start(connection: Connection, number: int, run_id: str) -> None:
    """Record that a run works on a request."""
    connection.execute(statement("start_request"), {"id": number, "run": run_id})


def end(connection: Connection, number: int, status: str, message: str | None = None) -> bool:
    """End a request, with the event that reports it; False where it had ended already.

    `completed` becomes `completed_with_failures` where one of its sources has dead letters, or a document of its
    tenant failed.
    """
    request = get(connection, number)
    totals, has_failures = _totals(connection, request)
    if status == "completed" and has_failures:
        status = "completed_with_failures"
    row = connection.execute(
        statement("end_request"), {"id": number, "status": status, "message": message and clean_text(message)}
    ).fetchone()
    if row is None:
        return False
    emit(connection, IngestCompleted(request=number, status=status, totals=totals, duration_ms=row[1]))
    return True


def _totals(connection: Connection, request: Request) -> tuple[dict[str, int], bool]:
    """The totals of a request's end, and whether something of what it asked for has failed."""
    parameters = {
        **{"sources": request.sources, "tenant": request.tenant},
        "since": request.started_at or request.requested_at,
    }
    if request.tenant is None:
        rows = [connection.execute(statement(name), parameters) for name in ("source_totals", "embedded_since")]
        counts = [value for row in rows for value in row.fetchone() or ()]
    else:
        counts = list(connection.execute(statement("tenant_totals"), parameters).fetchone() or ())
    records, with_vectors, errors, has_failures, embedded = counts
    totals = {"records": records, "embedded_records": embedded, "records_with_vectors": with_vectors}
    return totals | {"errors": errors}, has_failures


def is_cancelled(connection: Connection, number: int, attempt: int | None = None) -> bool:
    """Whether a request was asked to end, or this attempt at it: it has another one since it was resumed."""
    row = connection.execute(statement("is_cancelled"), {"id": number, "attempt": attempt}).fetchone()
    return bool(row and row[0])


def wait(database: Database, numbers: Sequence[int], *, timeout: float | None, every: float = 0.5) -> bool:
    """Wait until all these requests have ended, with all their sources and the index; False at the time-out.

    A database that is away for a moment is waited for, too.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while any(database.transact(partial(get, number=number)).under_way for number in numbers):
        if deadline is not None and time.monotonic() >= deadline:
            return False
        time.sleep(every)
    return True
