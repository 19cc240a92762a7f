"""A tenant's document and its passages as rows of the corpus. Pure."""

from bootstrap_assets.corpus.records import Document, Granularity, ParsedDocument, Record
from bootstrap_assets.documents import states
from bootstrap_assets.documents.extraction.model import ExtractedDocument
from bootstrap_assets.documents.passages import Passage, passages_of

LICENCE = "the tenant's own"
"""What stands as the licence of a tenant's document."""


def parsed_of(tenant: str, name: str, extracted: ExtractedDocument) -> ParsedDocument:
    """The document and its passages as the corpus holds them."""
    document = Document(
        source=states.SOURCE,
        source_id=states.source_id(tenant, name),
        title=name,
        text=extracted.text,
        licence=LICENCE,
        attribution=tenant,
        url="",
        metadata={"kind": extracted.kind.value, "title": extracted.title, "pages": extracted.pages},
    )
    return ParsedDocument(
        document, tuple(_record(document, passage) for passage in passages_of(extracted, document.id))
    )


def _record(document: Document, passage: Passage) -> Record:
    place = {
        **{"page": passage.page, "last_page": passage.last_page, "box": passage.box},
        **{"paragraph": passage.paragraph, "chapter": passage.chapter, "href": passage.href},
    }
    return Record(
        source=document.source,
        source_id=f"{document.source_id}#{passage.id}",
        document_id=document.id,
        granularity=Granularity.PASSAGE,
        content=passage.content,
        char_start=passage.char_start,
        char_end=passage.char_end,
        section_path=passage.section_path,
        metadata={name: value for name, value in place.items() if value is not None},
    )
