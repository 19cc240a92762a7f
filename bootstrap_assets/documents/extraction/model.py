"""What comes out of a file: one normalised text, and where in the file each of its parts stands. Pure values."""

from bisect import bisect_right
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

Box = tuple[float, float, float, float]
"""Left, bottom, right, top in points (1/72 inch) from the lower left corner of a page."""


class Kind(StrEnum):
    """The formats that are read."""

    PDF = "pdf"
    DOCX = "docx"
    EPUB = "epub"
    HTML = "html"
    MARKDOWN = "markdown"
    TEXT = "text"


class Reason(StrEnum):
    """Why a file gave no text; the message beside it says so in a sentence."""

    EMPTY = "empty"
    ENCRYPTED = "encrypted"
    DAMAGED = "damaged"
    NO_TEXT = "no_text"
    OTHER_FORMAT = "other_format"
    UNSAFE = "unsafe"
    UNREADABLE = "unreadable"
    CHANGED = "changed"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    TOO_MUCH_MEMORY = "too_much_memory"
    CRASHED = "crashed"


class Refusal(Exception):
    """A file gives no text. The message is for the user, and does not hold the file's name."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost: seconds of wall time, and bytes, characters or counts of the rest."""

    seconds: float = 600.0
    memory_bytes: int = 1536 * 1024**2
    file_bytes: int = 512 * 1024**2
    unpacked_bytes: int = 512 * 1024**2
    members: int = 10_000
    pages: int = 5_000
    characters: int = 32_000_000


@dataclass(frozen=True, slots=True)
class Position:
    """Where `text[char_start:char_end]` stands in the file. What a format does not have is None.

    `page` (from 1) and `box` for PDF, one line each; `paragraph` (from 1) for the others; `chapter` (from 1, in
    reading order) and its `href` for EPUB.
    """

    char_start: int
    char_end: int
    page: int | None = None
    box: Box | None = None
    paragraph: int | None = None
    chapter: int | None = None
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading at `text[char_start:char_end]`: level from 1 (highest), number as it is printed, and title."""

    char_start: int
    char_end: int
    level: int
    number: str | None
    title: str

    @property
    def label(self) -> str:
        """Number and title in one line."""
        return " ".join(part for part in (self.number, self.title) if part)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a user should know of an extraction that went well, such as pages without text."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class ExtractedDocument:
    """The text of a file. Positions are in the order of the text and do not overlap; so are headings.

    `sha256` (hex) and `size` are of the file's bytes; `pages` is None where the format has none.
    """

    kind: Kind
    text: str
    positions: list[Position]
    headings: list[Heading]
    notices: list[Notice]
    title: str | None
    pages: int | None
    sha256: str
    size: int
    extractor: str
    version: int
    _starts: list[int] = field(default_factory=list, init=False, repr=False, compare=False)

    def position_at(self, offset: int) -> Position | None:
        """The position that holds a character, or the last one before it; None before the first."""
        if not self._starts:
            self._starts.extend(position.char_start for position in self.positions)
        index = bisect_right(self._starts, offset) - 1
        return self.positions[index] if index >= 0 else None


def as_json(document: ExtractedDocument) -> dict[str, Any]:
    """A document as JSON holds it; positions as rows, for there are many."""
    values = asdict(document)
    del values["_starts"]
    values["positions"] = [tuple(position.values()) for position in values["positions"]]
    return values


def from_json(values: dict[str, Any]) -> ExtractedDocument:
    """What `as_json` wrote. Raises TypeError, ValueError or KeyError for anything else."""
    return ExtractedDocument(
        **values
        | {
            "kind": Kind(values["kind"]),
            "positions": [
                Position(start, end, page, tuple(box) if box else None, *others)
                for start, end, page, box, *others in values["positions"]
            ],
            "headings": [Heading(**heading) for heading in values["headings"]],
            "notices": [Notice(**notice) for notice in values["notices"]],
        }
    )
