"""The lists of words that the search reads: for each word the texts that have it, the best first.

They grow by segments, as a log does: texts that came since the last one are a new segment, which takes in those
before it that are not much larger. So each text is listed anew a few times in all, however large the corpus is.
Until they are listed the search compares the texts after the last segment one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from bootstrap_assets.corpus import settlement
from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.statements import statements_of

statement = statements_of(__name__)

MIN_SEGMENT = 2_000
"""Texts that a segment is worth; fewer are compared one by one, in a few milliseconds."""

MAX_DRIFT = 0.1
"""Share by which the mean length of texts may differ from the one that impacts were computed by.

By a mean that is a tenth too long a text counts as a tenth shorter; Lucene, with a byte a length, is hardly finer.
"""

MAX_GONE = 0.3
"""Share of the listed texts that may be gone before all are listed anew."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Texts that are listed together: those with numbers above `after`, up to `through`."""

    segment: int
    after: int
    through: int
    texts: int


def build(database: Database) -> None:
    """Bring the lists to the texts that there are. Readers go on with the old ones until it is done."""
    if database.transact(_has_drifted):
        database.transact(_renew)
    database.transact(partial(_list, segments=database.transact(_segments)))


def _segments(connection: Connection) -> list[Segment]:
    return [Segment(*row) for row in connection.execute(statement("segments"))]


def _has_drifted(connection: Connection) -> bool:
    row = connection.execute(statement("impact_means")).fetchone()
    return bool(row and row[0] and abs(row[1] / row[0] - 1) > MAX_DRIFT)


def _renew(connection: Connection) -> None:
    """All texts by the mean length of now. What is settled meanwhile waits: it would go by the old one."""
    settlement.lock(connection)
    connection.execute(statement("renew_impact_mean"))
    connection.execute(statement("renew_impacts"))
    old = _segments(connection)
    through = old[-1].through if old else 0
    _, last = _unlisted(connection, through)
    _replace(connection, old, after=0, through=last)


def _list(connection: Connection, segments: Sequence[Segment]) -> None:
    through = segments[-1].through if segments else 0
    texts, last = _unlisted(connection, through)
    if _loss(connection, segments, through) > MAX_GONE:
        _replace(connection, segments, after=0, through=last)
    elif texts >= (MIN_SEGMENT if segments else 1):
        taken_in = mergers(segments, texts)
        after = taken_in[0].after if taken_in else through
        _replace(connection, taken_in, after=after, through=last)


def mergers(segments: Sequence[Segment], texts: int) -> list[Segment]:
    """The segments, in their order, that a new one of so many texts takes in."""
    first = len(segments)
    while first and segments[first - 1].texts <= 2 * texts:
        first -= 1
        texts += segments[first].texts
    return list(segments[first:])


def _unlisted(connection: Connection, through: int) -> tuple[int, int]:
    row = connection.execute(statement("unlisted_texts"), {"through": through}).fetchone()
    return (row[0], row[1]) if row else (0, through)


def _loss(connection: Connection, segments: Sequence[Segment], through: int) -> float:
    """The share of the listed texts that are no longer there."""
    total = sum(segment.texts for segment in segments)
    row = connection.execute(statement("listed_texts"), {"through": through}).fetchone()
    return 1 - row[0] / total if row and total else 0.0


def _replace(connection: Connection, old: Sequence[Segment], *, after: int, through: int) -> None:
    connection.execute(statement("forget_segments"), {"segments": [segment.segment for segment in old]})
    connection.execute(statement("add_segment"), {"after": after, "through": through})
    connection.execute(statement("analyze_lists"))
