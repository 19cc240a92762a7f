"""What is told while the work goes on: bootstrap_progress, one row per source, and bootstrap_batches."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import psycopg

from bootstrap_assets.errors import BootstrapError, StoppedError, explain
from bootstrap_assets.events import SourceCompleted, SourceProcess, SourceProgress
from bootstrap_assets.records import clean_text
from bootstrap_assets.store import spaces
from bootstrap_assets.store.corpus import Loaded
from bootstrap_assets.store.database import Connection, Database
from bootstrap_assets.store.events import emit
from bootstrap_assets.store.spaces import Space
from bootstrap_assets.store.statements import statement
from bootstrap_assets.store.vectors import BatchPlan, Work


def owner() -> str:
    """This process, as others know it. Asked for each time: a forked child is another one."""
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(frozen=True, slots=True)
class Counted:
    """A source's records: all, those with a vector, those that are dead letters, those with neither."""

    records: int
    embedded: int
    errors: int
    left: int

    @property
    def status(self) -> str:
        """The status of a source that a run has ended on."""
        if self.left:
            return "pending"
        return "completed_with_failures" if self.errors else "completed"


@dataclass(slots=True)
class Tally:
    """What the work on a source has done so far: records that got their vector by it."""

    embedded: int = 0


@contextmanager
def working_on(database: Database, source: str, *, afresh: bool = False) -> Iterator[Tally]:
    """Mark a source as in progress; and as failed, with the reason, if the block raises.

    Work that is stopped on purpose leaves the source pending, with the reason: `unfinished` lets it be. `afresh`
    begins the source's time anew; without it a later stage goes on with the time of the one before.
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


def settle(connection: Connection, space: Space, source: str) -> Counted:
    """Set what a source lacks between two stages of the work on it: nothing, if its records have their vectors."""
    counted = count_embedded(connection, space, source)
    named = {"source": source, "status": counted.status, "message": None, "ended": False}
    connection.execute(statement("finish_source"), named)
    return counted


def end(connection: Connection, space: Space, source: str, tally: Tally) -> Counted:
    """Set how the work on a source ended, by what it lacks."""
    counted = count_embedded(connection, space, source)
    finish(connection, source, counted.status, tally)
    return counted


def finish(connection: Connection, source: str, status: str, tally: Tally, *, message: str | None = None) -> None:
    """Set how the work on a source ended."""
    named = {"source": source, "status": status, "message": message, "ended": True}
    row = connection.execute(statement("finish_source"), named).fetchone()
    if row and status != "pending":
        processed, embedded, errors = row
        emit(
            connection,
            SourceCompleted(
                source=source,
                status=status,
                processed_records=processed,
                embedded_records=tally.embedded,
                records_with_vectors=embedded,
                error_count=errors,
            ),
        )


def parsed(connection: Connection, source: str, records: int) -> None:
    """Tell how many records were parsed so far."""
    connection.execute(statement("parsed_so_far"), {"source": source, "records": records})


def loaded(connection: Connection, source: str, fingerprint: str, result: Loaded) -> None:
    """Tell that a source's records are in the corpus, and what they were parsed from."""
    named = {
        "source": source,
        "fingerprint": fingerprint,
        "records": result.records,
        "parsed": result.parsed,
        "digest": result.digest,
    }
    connection.execute(statement("loaded_source"), named)


def plan_batches(connection: Connection, work: Work, plans: Sequence[BatchPlan]) -> None:
    """Bring the batches' rows to what the vectors say."""
    requested = work.requested if work.requested is not None else list(range(work.count))
    named = {
        "source": work.source,
        "count": work.count,
        "requested": requested,
        "batches": [plan.batch for plan in plans],
        "texts": [plan.texts for plan in plans],
        "missing": [plan.missing for plan in plans],
        "failed": [plan.failed for plan in plans],
        "owner": owner(),
    }
    connection.execute(statement("plan_batches"), named)


def enter(
    connection: Connection,
    source: str,
    batches: Sequence[int],
    stage: str,
    *,
    error: str | None = None,
    only_own: bool = False,
) -> None:
    """Move batches to a stage of their life, with the time; `only_own`: those that no other process took over."""
    by = owner() if stage == "embedding" else None
    named = {"source": source, "batches": list(batches), "stage": stage, "owner": by}
    named["error"] = None if error is None else clean_text(error)
    named["last_owner"] = owner() if only_own else None
    connection.execute("SET LOCAL synchronous_commit = off")  # told, not relied upon: it need not reach the disk
    connection.execute(statement("enter_stage"), named)


@dataclass(frozen=True, slots=True)
class BatchStored:
    """What a run did to a batch whose texts all have a vector or are dead letters.

    `tokens` and `cost` (dollars) are its share of the requests; `answered` is when the last answer came.
    """

    batch: int
    tokens: int
    cost: float
    answered: datetime | None


def stored(connection: Connection, source: str, batches: Sequence[BatchStored]) -> None:
    """Enter what was done to batches, and that they are stored."""
    named = {
        "source": source,
        "batches": [batch.batch for batch in batches],
        "tokens": [batch.tokens for batch in batches],
        "costs": [batch.cost for batch in batches],
        "answered": [batch.answered for batch in batches],
    }
    connection.execute("SET LOCAL synchronous_commit = off")
    connection.execute(statement("batches_stored"), named)


def advance(connection: Connection, source: str, hashes: Sequence[bytes], batch: int) -> int:
    """Count the records of texts that were just stored; returns how many they are."""
    named = {"source": source, "hashes": list(hashes), "last": hashes[-1], "batch": batch}
    stored, embedded, total = connection.execute(statement("advance_source"), named).fetchone() or (0, 0, 0)
    before, now = (min(100, 100 * records // max(total, 1)) for records in (embedded - stored, embedded))
    if now // 10 > before // 10:
        message = f"{embedded:,} of {total:,} records have vectors"
        emit(connection, SourceProgress(source=source, stage="embedding", percent=now, message=message))
    return int(stored)


def count_embedded(connection: Connection, space: Space, source: str) -> Counted:
    """Count a source's records afresh."""
    query = statement("count_embedded").format(vectors=space.vectors)
    row = connection.execute(query, {"source": source, "space": space.id}).fetchone()
    return Counted(*row) if row else Counted(0, 0, 0, 0)


def status(connection: Connection) -> dict[str, Any]:
    """Everything `bootstrap status` tells about sources, texts and vectors, as plain values.

    Vectors are those of the space that is searched (before there is one: that is being built).
    """
    sources: dict[str, Any] = {}
    space = spaces.newest(connection)
    if space is None:
        return {"sources": sources, "texts": 0, "space": None, "building": None}
    query = statement("source_status").format(vectors=space.vectors)
    for row in connection.execute(query, {"space": space.id}):
        (
            name,
            state,
            message,
            documents,
            total,
            processed,
            embedded,
            errors,
            grains,
            batches,
            findings,
            took,
            stale,
            silent,
        ) = row
        sources[name] = {
            "status": state,
            "documents": documents,
            "total_records": total,
            "processed_records": processed,
            "embedded_records": embedded,
            "error_count": errors,
            "by_granularity": grains,
            "batches": batches,
            "warnings": findings,
            "seconds": float(took) if took is not None else None,
            "message": message,
            "stale": stale,
            "heartbeat_seconds": float(silent) if silent is not None else None,
        }
    texts = connection.execute(statement("count_texts")).fetchone() or (0,)
    return {
        "sources": sources,
        "texts": texts[0],
        "space": _describe(connection, space),
        "building": _building(connection, space),
    }


def _describe(connection: Connection, space: Space) -> dict[str, Any]:
    return {
        "provider": space.provider,
        "model": space.model,
        "dimensions": space.dimensions,
        "vectors": spaces.count(connection, space),
        "state": space.state,
    }


def _building(connection: Connection, searched: Space) -> dict[str, Any] | None:
    """The newest space that is being built beside the searched one, and what it lacks."""
    space = spaces.building(connection)
    if space is None or space.id == searched.id:
        return None
    return _describe(connection, space) | {"uncovered": spaces.uncovered(connection, space)}


class Unfinished(NamedTuple):
    """A source whose work stopped half way: what its records were parsed from, and its incomplete batches.

    Work that gets nowhere changes neither.
    """

    source: str
    fingerprint: str | None
    incomplete: int


def unfinished(connection: Connection) -> list[Unfinished]:
    """Sources that were begun, are not complete, show no fresh sign of life, and were not stopped on purpose."""
    return [Unfinished(*row) for row in connection.execute(statement("unfinished_sources"))]
