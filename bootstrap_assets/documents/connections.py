"""Connections: which clauses of the reference corpus a passage of a document is like, with their labels."""

from dataclasses import dataclass
from uuid import UUID

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of

statement = statements_of(__name__)

NEAREST = 50
"""Texts of the reference corpus that a passage is compared with: its nearest."""

SCORE = 0.6
"""Cosine of the least alike that are connected: meets the labels of real contracts best (docs/quality.md)."""

MOST = 5
"""Records that a passage is connected with at most for being the nearest; besides the best of each label."""

LIKE = "like"
"""The kind of these connections."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """A passage of a document and a record of the reference corpus, as alike as `score` (cosine) says."""

    passage_id: UUID
    record_id: UUID
    score: float
    category: str | None
    hypothesis_id: int | None
    nli_label: str | None
    content: str


def is_possible(connection: Connection) -> bool:
    """Whether there is a reference corpus that is searched: without one nothing is like anything."""
    row = connection.execute(statement("has_reference")).fetchone()
    return bool(row and row[0])


def connect(connection: Connection, document: UUID, *, score: float = SCORE) -> int:
    """Find the connections of a document anew, in one transaction; returns how many they are.

    A passage that is replaced at the same time, or a record that is deleted, has none: never a broken link.
    """
    connection.execute(statement("forget_connections"), {"document": document})
    parameters = {"document": document, "score": score, "nearest": NEAREST, "most": MOST, "kind": LIKE}
    connection.execute("SET LOCAL hnsw.iterative_scan = relaxed_order")
    return connection.execute(statement("connect_document"), parameters).rowcount


def of_document(connection: Connection, document: UUID) -> list[Likeness]:
    """The connections of a document, by passage, the most alike first."""
    rows = connection.execute(statement("list_connections"), {"document": document})
    return [Likeness(*row) for row in rows]
