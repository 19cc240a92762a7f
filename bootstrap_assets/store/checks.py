"""Is the corpus right? Plain questions to the database; each answer is a small value that names what is wrong.

They change nothing, may be asked at any time, and know nothing of who asks.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID

import numpy as np

from bootstrap_assets.records import content_hash
from bootstrap_assets.store import spaces
from bootstrap_assets.store.database import Connection
from bootstrap_assets.store.exact import TIE, blocks, nearest
from bootstrap_assets.store.spaces import Space
from bootstrap_assets.store.statements import statement
from bootstrap_assets.store.vectors import NORM_TOLERANCE

SHOWN = 10
"""How many of the offenders a check names."""

WARN_ABOVE, ERROR_ABOVE = 0.01, 0.10
"""Shares of a source's records that may be dead letters."""

MIN_RECALL = 0.95
RECALL_QUERIES = 50
RECALL_AT = 10
EF_SEARCH = 100
"""As the search sets it before an evaluation has found what is enough (`reference_rank`)."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Records that should be in the corpus against those that are; ids of those that are missing or too many.

    `same`: whether those stored are those that were parsed, in place, labels and text. `known`: whether it is
    known what was parsed; after an upgrade it may not be, until the next load.
    """

    expected: int
    stored: int
    same: bool = True
    missing: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()
    known: bool = True

    @property
    def ok(self) -> bool:
        """Whether nothing is lost, and nothing there that should not be."""
        return self.known and self.same and self.expected == self.stored and not self.missing and not self.surplus


def lost(connection: Connection, source: str, manifest: Mapping[UUID, str] | None = None) -> Lost:
    """Compare a source's records with what the load wrote down, or record by record with a manifest.

    What the parser yielded at the last load is compared with what is there now, by number and digest. `manifest`:
    ids of the records that the archives hold, with their source ids; they take the place of the number.
    """
    row = connection.execute(statement("stored_manifest"), {"source": source}).fetchone()
    expected, there, same, known = row or (0, 0, True, True)
    if manifest is None:
        return Lost(expected, there, same, known=known)
    rows = connection.execute(statement("stored_records"), {"source": source})
    stored: dict[UUID, str] = dict(rows.fetchall())
    return Lost(
        len(manifest),
        len(stored),
        same,
        missing=tuple(sorted(name for id_, name in manifest.items() if id_ not in stored)),
        surplus=tuple(sorted(name for id_, name in stored.items() if id_ not in manifest)),
    )


def loaded_from(connection: Connection, source: str) -> str | None:
    """The fingerprint of what a source's records were parsed from; None where nothing is known to be loaded."""
    row = connection.execute(statement("loaded_from"), {"source": source}).fetchone()
    return row[0] if row else None


@dataclass(frozen=True, slots=True)
class Coverage:
    """Records of a source, those with a vector, and source ids of those with neither vector nor dead letter.

    `elsewhere`: the same, of batches that were not asked about.
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
    counted = connection.execute(statement("count_covered").format(vectors=space.vectors), {"source": source})
    records, embedded = counted.fetchone() or (0, 0)
    query = statement("records_without_vector").format(vectors=space.vectors)
    rows = connection.execute(query, {"source": source, "space": space.id, "count": count}).fetchall()
    asked = [batches is None or batch in batches for _, batch in rows]
    return Coverage(
        records,
        embedded,
        tuple(name for (name, _), here in zip(rows, asked, strict=True) if here),
        tuple(name for (name, _), here in zip(rows, asked, strict=True) if not here),
    )


def insane(connection: Connection, space: Space, source: str) -> dict[str, float]:
    """Records of a source whose vector is not of unit length, with its length. Every vector is looked at."""
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
    named = {"source": source, "space": space.id}
    rows = connection.execute(statement("open_failures"), named).fetchall()
    counted = connection.execute(statement("count_covered").format(vectors=space.vectors), named).fetchone()
    unparsed = sum(parse for *_, parse in rows)  # these are not among the records
    return Errors((counted[0] if counted else 0) + unparsed, tuple((row[0], row[1], row[2]) for row in rows))


@dataclass(frozen=True, slots=True)
class Labels:
    """How many records carry each label, and the expected labels that none carries."""

    records: Mapping[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def labels(connection: Connection, source: str, expected: Iterable[str]) -> Labels:
    """The labels of a source: categories, or numbers of hypotheses where it has those."""
    rows = connection.execute(statement("present_labels"), {"source": source})
    present: dict[str, int] = dict(rows.fetchall())
    return Labels(present, tuple(label for label in expected if label not in present))


@dataclass(frozen=True, slots=True)
class Offsets:
    """Records with a place in their document, and source ids of those whose text is not what stands there."""

    checked: int
    wrong: tuple[str, ...] = ()


def offsets(connection: Connection, source: str) -> Offsets:
    """Whether document.raw_text[char_start:char_end] is each record's content, character by character.

    A document is read once and compared by hash: SQL would unpack a whole contract for each of its clauses.
    """
    checked, wrong = 0, []
    with connection.cursor(name="offsets") as cursor:
        cursor.itersize = 20
        cursor.execute(statement("offsets_by_document"), {"source": source})
        for text, names, starts, ends, hashes in cursor:
            for name, start, end, digest in zip(names, starts, ends, hashes, strict=True):
                checked += 1
                if content_hash(text[start:end]) != digest:
                    wrong.append(name)
    return Offsets(checked, tuple(sorted(wrong)))


@dataclass(frozen=True, slots=True)
class IndexState:
    """Whether a space's index exists and is valid, its vectors, and the records that it does not cover."""

    exists: bool
    valid: bool
    vectors: int
    uncovered: int


def index_state(connection: Connection, space: Space) -> IndexState:
    """The state of a space's index."""
    found = connection.execute(statement("find_index"), {"table": space.table}).fetchall()
    return IndexState(
        exists=bool(found),
        valid=any(valid for _, valid, _ in found),
        vectors=spaces.count(connection, space),
        uncovered=spaces.uncovered(connection, space),
    )


@dataclass(frozen=True)
class Recall:
    """Share of the true nearest `k` that the index finds, for each query (the hash of the text it is of)."""

    k: int
    found: Mapping[bytes, float]

    @cached_property
    def mean(self) -> float:
        """The mean share, 0 to 1; 1 where there was nothing to find."""
        return float(np.mean(list(self.found.values()))) if self.found else 1.0

    @property
    def worst(self) -> list[tuple[bytes, float]]:
        """The queries that found least."""
        return sorted(((q, share) for q, share in self.found.items() if share < 1), key=lambda pair: pair[1])


def recall(connection: Connection, space: Space, *, queries: int = RECALL_QUERIES, k: int = RECALL_AT) -> Recall:
    """Compare the index, with the search's effort, with an exact search, for vectors of the corpus itself."""
    drawn = connection.execute(statement("some_vectors").format(vectors=space.vectors), {"queries": queries})
    chosen = [(bytes(digest), vector) for digest, vector in drawn]
    if not chosen:
        return Recall(k, {})
    hashes, asked = [digest for digest, _ in chosen], np.stack([vector.to_numpy() for _, vector in chosen])
    limits = nearest(blocks(connection, space), hashes, asked, depth=k)
    row = connection.execute(statement("search_effort"), {"id": space.id}).fetchone()
    effort = row[0] if row and row[0] else EF_SEARCH
    for name, value in (("enable_seqscan", "off"), ("hnsw.ef_search", str(effort))):
        connection.execute("SELECT set_config(%s, %s, true)", (name, value))
    query = statement("neighbours").format(vectors=space.vectors)
    found = {}
    for (digest, vector), limit in zip(chosen, limits, strict=True):
        true = limit[np.isfinite(limit)]
        if len(true):
            near = connection.execute(query, {"hash": digest, "vector": vector, "k": k})
            found[digest] = sum(distance <= true[-1] + TIE for (distance,) in near) / len(true)
    return Recall(k, found)
