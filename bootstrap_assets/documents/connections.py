"""Connections: which clauses of the reference corpus a passage of a document is like, with their labels."""

from collections.abc import Sequence
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


def connect(connection: Connection, documents: Sequence[UUID], *, score: float = SCORE) -> dict[UUID, int]:
    """Find the connections of documents anew, in one transaction; returns how many each has, where it has any.

    A passage that is replaced at the same time, or a record that is deleted, has none: never a broken link.
    """
    parameters = {"documents": list(documents), "score": score, "nearest": NEAREST, "kind": LIKE}
    connection.execute(statement("forget_connections"), parameters)
    rows = connection.execute(statement("connect_documents"), parameters | {"most": MOST})
    return dict(rows.fetchall())


def of_document(connection: Connection, document: UUID) -> list[Likeness]:
    """The connections of a document, by passage, the most alike first."""
    rows = connection.execute(statement("list_connections"), {"document": document, "kind": LIKE})
    return [Likeness(*row) for row in rows]
