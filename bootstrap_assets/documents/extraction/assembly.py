"""One text out of the pieces of a file, with the position of each piece and the headings among them."""

from dataclasses import dataclass, field

from bootstrap_assets.documents.extraction.model import (
    Box,
    Heading,
    Limits,
    Notice,
    Position,
    Reason,
    Refusal,
)
from bootstrap_assets.documents.extraction.normal import normalise

PARAGRAPH = "\n\n"
LINE = "\n"
CELL = "\t"
"""What stands between two pieces; a tab is the border of two cells of a table."""


@dataclass(slots=True)
class Assembly:
    """The text so far. A reader adds pieces in reading order, and headings and notices as it meets them."""

    limits: Limits
    headings: list[Heading] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    title: str | None = None
    pages: int | None = None
    length: int = 0
    _parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Everything that was added."""
        return "".join(self._parts)

    def add(
        self,
        piece: str,
        separator: str = PARAGRAPH,
        *,
        page: int | None = None,
        box: Box | None = None,
        paragraph: int | None = None,
        chapter: int | None = None,
        href: str | None = None,
    ) -> tuple[int, int] | None:
        """Add a piece and return its span in the text; a piece without a visible character gives None.

        Raises Refusal where the text becomes longer than it may be.
        """
        piece = normalise(piece)
        if not piece:
            return None
        if self.length:
            self._append(separator)
        start = self.length
        self._append(piece)
        self.positions.append(Position(start, self.length, page, box, paragraph, chapter, href))
        return start, self.length

    def head(self, span: tuple[int, int] | None, level: int, number: str | None, title: str) -> None:
        """Say that a span of the text is a heading."""
        if span:
            self.headings.append(Heading(*span, max(1, min(level, 9)), number, " ".join(title.split())))

    def notice(self, kind: str, message: str) -> None:
        """Say something of the file; the same thing is said once."""
        if (notice := Notice(kind, message)) not in self.notices:
            self.notices.append(notice)

    def _append(self, part: str) -> None:
        self.length += len(part)
        if self.length > self.limits.characters:
            limit = f"the limit is {self.limits.characters:,} characters"
            raise Refusal(
                Reason.TOO_LARGE, f"holds more text than is taken: {limit}; divide it into several files"
            )
        self._parts.append(part)
