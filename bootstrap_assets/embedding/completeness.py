"""Does every record have its vector, and is that vector sound?"""

from collections.abc import Collection
from dataclasses import dataclass

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.embedding.vectors import NORM_TOLERANCE

statement = statements_of(__name__)

WARN_ABOVE, ERROR_ABOVE = 0.01, 0.10
"""Shares of a source's records that may be dead letters."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Records of a source, those with a vector, and source ids of those with neither vector nor dead letter.

    `elsewhere`: the latter in batches that were not asked about.
    """

    records: int
    embedded: int
    missing: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every record has a vector or is a dead letter."""
        return not self.missing and not self.elsewhere


def coverage(
    connection: Connection, space: Space, source: str, *, count: int, batches: Collection[int] | None = None
) -> Coverage:
    """Which records lack a vector in a space; `batches`, out of `count`: those that ought to be complete."""
    query = statement("count_covered").format(vectors=space.vectors)
    records, embedded = connection.execute(query, {"source": source}).fetchone() or (0, 0)
    query = statement("records_without_vector").format(vectors=space.vectors)
    rows = connection.execute(query, {"source": source, "space": space.id, "count": count}).fetchall()
    is_expected = [batches is None or batch in batches for _, batch in rows]
    return Coverage(
        records,
        embedded,
        tuple(name for (name, _), here in zip(rows, is_expected, strict=True) if here),
        tuple(name for (name, _), here in zip(rows, is_expected, strict=True) if not here),
    )


def insane(connection: Connection, space: Space, source: str) -> dict[str, float]:
    """Records of a source whose vector is not of unit length, with its length. Every vector is checked."""
    query = statement("insane_vectors").format(vectors=space.vectors)
    return dict(connection.execute(query, {"source": source, "tolerance": NORM_TOLERANCE}).fetchall())


@dataclass(frozen=True, slots=True)
class Errors:
    """Open dead letters of a source: their numbers, their classes, and how many records the source has in all."""

    records: int
    letters: tuple[tuple[int, str | None, str], ...] = ()

    @property
    def rate(self) -> float:
        """Share of the records that are dead letters, 0 to 1."""
        return len(self.letters) / self.records if self.records else 0.0


def errors(connection: Connection, space: Space, source: str) -> Errors:
    """The dead letters that nobody has resolved or chosen to ignore: those of the parse, and those of a space."""
    parameters = {"source": source, "space": space.id}
    rows = connection.execute(statement("open_failures"), parameters).fetchall()
    query = statement("count_covered").format(vectors=space.vectors)
    records, _ = connection.execute(query, parameters).fetchone() or (0, 0)
    unparsed = sum(parse for *_, parse in rows)  # these are not among the records
    return Errors(records + unparsed, tuple((row[0], row[1], row[2]) for row in rows))


def coverage_version(connection: Connection, space: Space) -> str:
    """A text that is another one as soon as something came or went that `spaces.uncovered` counts."""
    row = connection.execute(statement("coverage_version"), {"space": space.id}).fetchone()
    return str(row[0]) if row else ""
