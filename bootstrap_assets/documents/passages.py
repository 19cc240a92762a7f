"""From an extracted document to its passages. Pure: the same document gives the same passages with the same ids.

A passage's id comes from its document, its content, and its place among equal passages. Where it stands in the
text says nothing, so a document that changes keeps the ids of all passages that did not.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from bootstrap_assets.documents.extraction.model import Box, ExtractedDocument, Heading, Position
from bootstrap_assets.texts.content import content_hash, estimate_tokens
from bootstrap_assets.texts.passages import cut

MOST_PATH = 400
"""Characters of a section path; longer titles are shortened from the left."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a document: `text[char_start:char_end] == content`.

    `page` and `last_page` are from 1; `box` holds its lines on its first page; `paragraph`, `chapter` and `href`
    are those of its first character. What the format does not have is None.
    """

    id: UUID
    content: str
    content_hash: bytes
    char_start: int
    char_end: int
    tokens: int
    section_path: str | None
    page: int | None
    last_page: int | None
    box: Box | None
    paragraph: int | None
    chapter: int | None
    href: str | None


def passages_of(
    document: ExtractedDocument, document_id: UUID, *, max_tokens: int = 512, overlap_tokens: int = 48
) -> list[Passage]:
    """The passages of a document in the order of the text; together they hold each of its visible characters.

    None goes over a heading: what stands in two sections is about two things.
    """
    starts = [position.char_start for position in document.positions]
    equals: Counter[bytes] = Counter()
    passages = []
    for start, end, path in _pieces(document, max_tokens, overlap_tokens):
        content = document.text[start:end]
        digest = content_hash(content)
        places = _places(document.positions, starts, start, end)
        passages.append(
            Passage(
                id=passage_id(document_id, digest, equals[digest]),
                content=content,
                content_hash=digest,
                char_start=start,
                char_end=end,
                tokens=estimate_tokens(content),
                section_path=path,
                page=places[0].page if places else None,
                last_page=places[-1].page if places else None,
                box=_box(places),
                paragraph=places[0].paragraph if places else None,
                chapter=places[0].chapter if places else None,
                href=places[0].href if places else None,
            )
        )
        equals[digest] += 1
    return passages


def _pieces(
    document: ExtractedDocument, max_tokens: int, overlap_tokens: int
) -> Iterator[tuple[int, int, str | None]]:
    """Start, end and section path of each passage."""
    for start, end, path in _sections(document):
        for piece in cut(document.text[start:end], max_tokens, overlap_tokens):
            yield start + piece.start, start + piece.end, path if document.headings else piece.path


def _sections(document: ExtractedDocument) -> Iterator[tuple[int, int, str | None]]:
    """Start, end and path of what no passage goes over. A heading without a text goes with what follows it."""
    headings, text = document.headings, document.text
    bounds = [heading.char_start for heading in headings]
    bodies = [heading.char_end for heading in headings]
    start, paths = 0, [None, *_paths(headings)]
    for body, end, path in zip([0, *bodies], [*bounds, len(text)], paths, strict=True):
        if text[body:end].strip():
            yield start, end, path
            start = end
    if text[start:].strip():
        yield start, len(text), paths[-1]


def passage_id(document_id: UUID, digest: bytes, ordinal: int) -> UUID:
    """The id of the `ordinal`th (from 0) of a document's passages with the content that has this hash."""
    return uuid5(document_id, f"{digest.hex()}:{ordinal}")


def _paths(headings: Sequence[Heading]) -> Iterator[str]:
    trail: list[Heading] = []
    for heading in headings:
        while trail and trail[-1].level >= heading.level:
            trail.pop()
        trail.append(heading)
        yield " / ".join(part.label for part in trail)[-MOST_PATH:]


def _places(positions: Sequence[Position], starts: Sequence[int], start: int, end: int) -> Sequence[Position]:
    """The positions that a stretch of the text touches."""
    first = max(0, bisect_right(starts, start) - 1)
    return positions[first : bisect_left(starts, end)]


def _box(places: Sequence[Position]) -> Box | None:
    boxes = [place.box for place in places if place.box and place.page == places[0].page]
    if not boxes:
        return None
    left, bottom, right, top = zip(*boxes, strict=True)
    return min(left), min(bottom), max(right), max(top)
