"""For which documents a load speaks: what lies outside of them it neither reads nor changes."""

from dataclasses import dataclass
from typing import Any

from psycopg import sql

from bootstrap_assets.corpus.records import document_id

_WHOLE = sql.SQL("source = %(source)s")


@dataclass(frozen=True, slots=True)
class Scope:
    """A whole source, or those documents of it that have these source ids, whether they are stored yet or not.

    They belong to the `tenant`; None: to the reference corpus.
    """

    source: str
    documents: tuple[str, ...] | None = None
    tenant: str | None = None

    @property
    def whole(self) -> bool:
        """Whether it is all documents of the source."""
        return self.documents is None

    @property
    def parameters(self) -> dict[str, Any]:
        """Values for the statements of a load: `source`, `tenant`, and the ids of the `documents`."""
        return {
            "source": self.source,
            "tenant": self.tenant,
            "documents": [document_id(self.source, name) for name in self.documents or ()],
        }

    def of(self, query: sql.SQL) -> sql.Composed:
        """The statement for this scope: {records} chooses rows by their document, {documents} the documents."""
        if self.whole:
            return query.format(records=_WHOLE, documents=_WHOLE, gone=sql.SQL("true"))
        return query.format(
            records=sql.SQL("document_id = ANY (%(documents)s)"),
            documents=sql.SQL("id = ANY (%(documents)s)"),
            gone=sql.SQL("f.content_hash IN (SELECT content_hash FROM pg_temp.stage_gone)"),
        )

    def __str__(self) -> str:
        return self.source if self.documents is None else f"{self.source} ({len(self.documents)} of its documents)"
