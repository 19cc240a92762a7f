"""The records that every contract has, whatever its labels: itself, whole, and its passages."""

from bootstrap_assets.corpus.records import Document, Granularity, Record
from bootstrap_assets.texts.content import content_hash
from bootstrap_assets.texts.passages import cut


def whole_and_sections(document: Document) -> list[Record]:
    """The *document* record and the *section* records of a document, offsets into its text.

    A section's source id comes from its content, so that it outlives edits elsewhere in the document.
    """
    whole = Record(
        source=document.source,
        source_id=f"{document.source_id}#document",
        document_id=document.id,
        granularity=Granularity.DOCUMENT,
        content=document.text,
        char_start=0,
        char_end=len(document.text),
    )
    ids = UniqueIds()
    return [
        whole,
        *(_section(document, passage.start, passage.end, passage.path, ids) for passage in cut(document.text)),
    ]


def short_hash(text: str, digits: int = 12) -> str:
    """The first hex digits of a text's content hash."""
    return content_hash(text).hex()[:digits]


class UniqueIds:
    """Hands out source ids; one that is taken already gets `~2`, `~3`, … in the order of asking."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._counts: dict[str, int] = {}

    def take(self, base: str) -> str:
        """The id itself, or the next free one after it."""
        candidate, count = base, self._counts.get(base, 1)
        while candidate in self._ids:
            count += 1
            candidate = f"{base}~{count}"
        self._counts[base] = count
        self._ids.add(candidate)
        return candidate

    def take_document(self, base: str, text: str) -> str:
        """A document's id: the one asked for, or, if another document has it, one with the text's hash."""
        return self.take(base if base not in self._ids else f"{base}~{short_hash(text, 8)}")


def _section(document: Document, start: int, end: int, path: str | None, ids: UniqueIds) -> Record:
    content = document.text[start:end]
    return Record(
        source=document.source,
        source_id=ids.take(f"{document.source_id}#section:{short_hash(content)}"),
        document_id=document.id,
        granularity=Granularity.SECTION,
        content=content,
        char_start=start,
        char_end=end,
        section_path=path,
    )
