"""What a source's records are made of, without their contents, and what of it is in the database already.

For a plan, which changes nothing: all of this reads, and takes no lock that anybody could wait for.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from bootstrap_assets.corpus.records import Finding, ParsedDocument
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import FormatError
from bootstrap_assets.texts.content import content_hash, estimate_tokens

statement = statements_of(__name__)


@dataclass(slots=True)
class Outline:
    """The ids of a source's records, its distinct texts, and the parts of those that were cut.

    `texts` and `part_tokens` have estimated tokens by hash; a part may be a text of the source, too.
    """

    records: set[UUID] = field(default_factory=set)
    texts: dict[bytes, int] = field(default_factory=dict)
    parts: dict[bytes, list[bytes]] = field(default_factory=dict)
    part_tokens: dict[bytes, int] = field(default_factory=dict)

    def add_parts(self, whole: bytes, parts: Iterable[str]) -> None:
        """Enter what a text was cut into."""
        tokens = {content_hash(part): estimate_tokens(part) for part in parts}
        self.parts[whole] = list(tokens)
        self.part_tokens |= tokens


Cut = Callable[[str], Iterable[str]]
"""Cuts a text into the passages it is pooled from."""


def parsed(source: str, entries: Iterable[ParsedDocument | Finding], cut: Cut, limit: int) -> Outline:
    """Of what a parser yields; texts above `limit` estimated tokens are cut.

    FormatError where two entries have one id, as a load has it.
    """
    outline = Outline()
    documents: set[UUID] = set()
    for entry in entries:
        if isinstance(entry, Finding):
            continue
        _add_once(source, documents, entry.document.id, entry.document.source_id)
        for record in entry.records:
            _add_once(source, outline.records, record.id, record.source_id)
            digest = content_hash(record.content)
            if digest not in outline.texts:
                outline.texts[digest] = estimate_tokens(record.content)
                if outline.texts[digest] > limit:
                    outline.add_parts(digest, cut(record.content))
    return outline


def _add_once(source: str, known: set[UUID], id_: UUID, name: str) -> None:
    if id_ in known:
        raise FormatError(f"{source}: two entries have one id: {name}")
    known.add(id_)


def stored(connection: Connection, source: str) -> Outline:
    """Of what is in the corpus, where a text's parts are not cut yet."""
    named, outline = {"source": source}, Outline()
    outline.records = {row[0] for row in connection.execute(statement("stored_records"), named)}
    outline.texts = dict(connection.execute(statement("outline_texts"), named).fetchall())
    return outline


def vanishing(connection: Connection, source: str, outline: Outline) -> tuple[int, int]:
    """How many records of a source are in the corpus, and how many of them are not in the outline."""
    ids = [row[0] for row in connection.execute(statement("stored_records"), {"source": source})]
    return len(ids), sum(id_ not in outline.records for id_ in ids)
