"""The life of a batch, recorded while the work goes on (bootstrap_batches), and what a source still lacks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.embedding.vectors import BatchPlan, Work
from bootstrap_assets.operations.events import SourceProgress
from bootstrap_assets.operations.outbox import emit
from bootstrap_assets.operations.progress import Tally, finish, owner, set_status
from bootstrap_assets.texts.content import clean_text

statement = statements_of(__name__)


@dataclass(frozen=True, slots=True)
class Counted:
    """A source's records: all, those with a vector, those that are dead letters, those with neither."""

    records: int
    embedded: int
    errors: int
    left: int

    @property
    def status(self) -> str:
        """The status of a source once a run over it has ended."""
        if self.left:
            return "pending"
        return "completed_with_failures" if self.errors else "completed"


def settle(connection: Connection, space: Space, source: str, *, bounded: bool = False) -> Counted:
    """Set what a source lacks between two stages of the work on it: nothing, if its records have their vectors.

    `bounded`: by the sums that are kept, where only some documents changed.
    """
    counts = (sum_up if bounded else count_embedded)(connection, space, source)
    set_status(connection, source, counts.status, ended=False)
    return counts


def end(connection: Connection, space: Space, source: str, tally: Tally, *, bounded: bool = False) -> Counted:
    """Set how the work on a source ended, by what it lacks; `bounded` as in `settle`."""
    counts = (sum_up if bounded else count_embedded)(connection, space, source)
    finish(connection, source, counts.status, tally)
    return counts


def texts_of_source(connection: Connection, space: Space, source: str) -> list[bytes]:
    """The texts of a source that have neither vector nor dead letter in a space."""
    query = statement("texts_of_source").format(vectors=space.vectors)
    return [row[0] for row in connection.execute(query, {"source": source, "space": space.id})]


def texts_of_documents(connection: Connection, space: Space, documents: Sequence[UUID]) -> list[bytes]:
    """Hashes of the texts that some documents lack vectors for."""
    query = statement("texts_of_documents").format(vectors=space.vectors)
    parameters = {"documents": list(documents), "space": space.id}
    return [row[0] for row in connection.execute(query, parameters)]


def embedded_of_documents(connection: Connection, space: Space, documents: Sequence[UUID]) -> int:
    """How many records of some documents have a vector."""
    query = statement("embedded_of_documents").format(vectors=space.vectors)
    row = connection.execute(query, {"documents": list(documents)}).fetchone()
    return int(row[0]) if row else 0


def add_embedded(connection: Connection, source: str, records: int) -> None:
    """Record that so many more records of a source have a vector, or fewer where it is negative."""
    connection.execute(statement("add_embedded"), {"source": source, "records": records})


def sum_up(connection: Connection, space: Space, source: str) -> Counted:
    """What a source holds and lacks by the sums that are kept; `count_embedded` counts all of it."""
    row = connection.execute(statement("sum_up_embedded"), {"source": source, "space": space.id}).fetchone()
    return Counted(*row) if row else Counted(0, 0, 0, 0)


def plan_batches(connection: Connection, work: Work, plans: Sequence[BatchPlan]) -> None:
    """Make the batches' rows agree with the vectors."""
    batches = work.batches if work.batches is not None else list(range(work.count))
    parameters = {
        "source": work.source,
        "count": work.count,
        "requested": batches,
        "batches": [plan.batch for plan in plans],
        "texts": [plan.texts for plan in plans],
        "missing": [plan.missing for plan in plans],
        "failed": [plan.failed for plan in plans],
        "owner": owner(),
    }
    connection.execute(statement("plan_batches"), parameters)


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
    parameters = {"source": source, "batches": list(batches), "stage": stage, "owner": by}
    parameters["error"] = None if error is None else clean_text(error)
    parameters["last_owner"] = owner() if only_own else None
    connection.execute("SET LOCAL synchronous_commit = off")  # for information only: it need not reach the disk
    connection.execute(statement("enter_stage"), parameters)


@dataclass(frozen=True, slots=True)
class BatchStored:
    """What a run did to a batch whose texts all have a vector or are dead letters.

    `tokens` and `cost` (dollars) are its share of the requests; `last_answer` is when the last of them came back.
    """

    batch: int
    tokens: int
    cost: float
    last_answer: datetime | None


def mark_stored(connection: Connection, source: str, batches: Sequence[BatchStored]) -> None:
    """Record what was done to batches, and that they are stored."""
    parameters = {
        "source": source,
        "batches": [batch.batch for batch in batches],
        "tokens": [batch.tokens for batch in batches],
        "costs": [batch.cost for batch in batches],
        "answered": [batch.last_answer for batch in batches],
    }
    connection.execute("SET LOCAL synchronous_commit = off")
    connection.execute(statement("batches_stored"), parameters)


def advance(connection: Connection, source: str, hashes: Sequence[bytes], batch: int) -> int:
    """Count the records of texts that were just stored; returns how many they are."""
    parameters = {"source": source, "hashes": list(hashes), "last": hashes[-1], "batch": batch}
    stored, embedded, total = connection.execute(statement("advance_source"), parameters).fetchone() or (0, 0, 0)
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
