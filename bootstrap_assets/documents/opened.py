"""A document as its readers want it: its text, the place of each passage, and what these are like."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.documents import connections
from bootstrap_assets.documents.connections import Likeness
from bootstrap_assets.documents.states import DocumentState
from bootstrap_assets.errors import ConfigurationError

statement = statements_of(__name__)


@dataclass(frozen=True, slots=True)
class Label:
    """A label of the reference corpus, with how much of a tenant's documents is like records that have it."""

    name: str
    documents: int
    passages: int
    score: float


def read(connection: Connection, state: DocumentState) -> dict[str, Any]:
    """Text, passages and connections; ConfigurationError where it was not extracted yet.

    `text[char_start:char_end]` is the passage.
    """
    row = connection.execute(statement("text_of_document"), {"document": state.document_id}).fetchone()
    if row is None:
        reason = f": {state.reason}" if state.reason else ""
        raise ConfigurationError(f"{state.name} has no text yet: it is {state.stage}{reason}")
    return {
        "document_id": str(state.document_id),
        "tenant": state.tenant,
        "text": row[0],
        "passages": passages(connection, state.document_id),
        "connections": [_plain(link) for link in connections.of_document(connection, state.document_id)],
    }


def passages(connection: Connection, document: UUID) -> list[dict[str, Any]]:
    """The passages of a document in their order, each with its place, and its page, or its chapter in a book."""
    rows = connection.execute(statement("list_passages"), {"document": document})
    columns = ("id", "char_start", "char_end", "page", "chapter", "section_path")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def best_labels(connection: Connection, document: UUID, most: int = 8) -> list[dict[str, Any]]:
    """The labels that passages of a document are like, the most alike first: label, passages, best score."""
    parameters = {"document": document, "most": most, "kind": connections.LIKE}
    rows = connection.execute(statement("labels_of_document"), parameters)
    return [dict(zip(("label", "passages", "score"), row, strict=True)) for row in rows]


def labels_of_tenant(connection: Connection, tenant: str, most: int) -> list[Label]:
    """The labels that most of a tenant's passages are like."""
    parameters = {"tenant": tenant, "most": most, "kind": connections.LIKE}
    return [Label(*row) for row in connection.execute(statement("labels_of_tenant"), parameters)]


def _plain(link: Likeness) -> dict[str, Any]:
    return {
        **{"passage_id": str(link.passage_id), "record_id": str(link.record_id), "score": link.score},
        **{"category": link.category, "hypothesis_id": link.hypothesis_id, "nli_label": link.nli_label},
        "content": link.content,
    }
