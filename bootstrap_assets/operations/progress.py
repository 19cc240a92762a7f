"""How the work goes on: bootstrap_progress, one row per source, and bootstrap_batches."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import psycopg

from bootstrap_assets.corpus.load import Loaded
from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import BootstrapError, StoppedError, explain
from bootstrap_assets.operations.events import SourceCompleted, SourceProcess
from bootstrap_assets.operations.outbox import emit
from bootstrap_assets.texts.content import clean_text

statement = statements_of(__name__)


def owner() -> str:
    """This process, as others know it. Never cached: a forked child is another one."""
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(slots=True)
class Tally:
    """What the work on a source has done so far: records that got their vector by it."""

    embedded: int = 0


@contextmanager
def working_on(database: Database, source: str, *, afresh: bool = False) -> Iterator[Tally]:
    """Mark a source as in progress; and as failed, with the reason, if the block raises.

    Work that is stopped on purpose leaves the source pending, with the reason: `unfinished_sources` leaves it out.
    `afresh` begins the source's time anew; without it a later stage goes on with the time of the one before.
    """
    database.transact(partial(_begin, source=source, afresh=afresh))
    tally = Tally()
    try:
        yield tally
    except BaseException as error:
        stopped = isinstance(error, StoppedError) or not isinstance(error, Exception)
        status = "pending" if stopped else "failed"
        with suppress(psycopg.Error, BootstrapError), database.connection() as connection:
            finish(connection, source, status, tally, message=_reason(error))
        raise


def _begin(connection: Connection, source: str, *, afresh: bool) -> None:
    connection.execute(statement("begin_source"), {"source": source, "afresh": afresh})
    if afresh:
        emit(connection, SourceProcess(source=source))


def _reason(error: BaseException) -> str:
    return clean_text(explain(error)) if isinstance(error, Exception) else "stopped"


def beat(connection: Connection, source: str) -> None:
    """Renew the heartbeat of a source that is in progress and of the batches that this process works on."""
    connection.execute(statement("beat"), {"source": source, "owner": owner()})


def finish(connection: Connection, source: str, status: str, tally: Tally, *, message: str | None = None) -> None:
    """Set how the work on a source ended."""
    row = set_status(connection, source, status, message=message, ended=True)
    if row and status != "pending":
        processed, embedded, errors, invented = row
        emit(
            connection,
            SourceCompleted(
                source=source,
                status=status,
                processed_records=processed,
                embedded_records=tally.embedded,
                records_with_vectors=embedded,
                error_count=errors,
                invented=invented,
            ),
        )


def set_status(
    connection: Connection, source: str, status: str, *, ended: bool, message: str | None = None
) -> tuple[int, int, int, bool] | None:
    """Set a source's status; returns records parsed, those with vectors, errors, and whether it is invented."""
    parameters = {"source": source, "status": status, "message": message, "ended": ended}
    row = connection.execute(statement("finish_source"), parameters).fetchone()
    return (row[0], row[1], row[2], row[3]) if row else None


def record_parsed(connection: Connection, source: str, records: int) -> None:
    """Record how many records were parsed so far."""
    connection.execute(statement("parsed_so_far"), {"source": source, "records": records})


def record_load(connection: Connection, source: str, fingerprint: str, result: Loaded) -> None:
    """Record that a source's records are in the corpus, and what they were parsed from."""
    parameters = {
        "source": source,
        "fingerprint": fingerprint,
        "records": result.records,
        "parsed": result.parsed,
        "digest": result.digest,
    }
    connection.execute(statement("loaded_source"), parameters)


def record_documents(connection: Connection, source: str, result: Loaded) -> None:
    """Record that some documents of a source changed: the figures of its last parse change by the difference."""
    parameters = {
        "source": source,
        "records": result.records - result.records_before,
        "parsed": result.parsed - result.records_before,
        "digest": result.digest ^ result.digest_before,
        "changed": bool(result.new or result.changed or result.deleted),
    }
    connection.execute(statement("documents_loaded"), parameters)


class UnfinishedSource(NamedTuple):
    """A source whose work stopped half way: what its records were parsed from, and its incomplete batches.

    Work that gets nowhere changes neither.
    """

    source: str
    fingerprint: str | None
    incomplete: int


def unfinished_sources(connection: Connection) -> list[UnfinishedSource]:
    """Sources that were begun, are not complete, show no fresh sign of life, and were not stopped on purpose."""
    return [UnfinishedSource(*row) for row in connection.execute(statement("unfinished_sources"))]
