"""The lines of a PDF's page, with their boxes and how they are printed. Through PDFium, which runs nothing."""

import ctypes
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from bootstrap_assets.documents.extraction.model import Box

HYPHEN = "\ufffe"
"""What PDFium gives for a hyphen at the end of a line."""

_LINE = re.compile(rf"[^\r\n{HYPHEN}]+{HYPHEN}?|{HYPHEN}")
_BOLD_FROM = 600
_BOLD_NAME = re.compile(rb"bold|black|heavy", re.IGNORECASE)
_MOST_BOLD = 130
_UNMAPPED = "\xad"  # dropped when the text is normalised
_LABEL_TOUCHES = re.compile(r"\s*(?:\(?[A-Za-z]{1,4}[.)]|\(?\d{1,3}(?:\.\d{1,3})*[.)])(?=[^\W\d_][^.])")
_FURNITURE = 4
"""At most one of so many lines belongs to a header or a footer."""

_GAP = 0.2
"""Share of a line's height from which a gap between a number and its text is a space that was never written."""


@dataclass(slots=True)
class Line:
    """A line of a page: its text, its box, its font's height and top, how many characters begin it in bold."""

    text: str
    page: int
    box: Box
    height: float
    top: float
    bold: int
    has_hyphen: bool = False

    @property
    def left(self) -> float:
        """Points from the left edge of the page."""
        return self.box[0]

    @property
    def right(self) -> float:
        """Points from the left edge of the page to the line's end."""
        return self.box[2]


def lines_of(page: pdfium.PdfPage, number: int) -> list[Line]:
    """The lines of a page that have a visible character, in reading order. `number` is the page's, from 1."""
    text_page = page.get_textpage()
    try:
        return in_order(list(_lines(text_page, number)))
    finally:
        text_page.close()


def in_order(lines: list[Line]) -> list[Line]:
    """Lines with those put last that were drawn first and stand below all others: footers; and so for headers."""
    if len(lines) < 2:
        return lines
    count = _count_below(lines)
    footer, others = lines[:count], lines[count:]
    start = len(others) - _count_above(others)
    return others[start:] + others[:start] + footer


def _count_below(lines: list[Line]) -> int:
    """How many of the first lines stand below all that follow them."""
    lowest, best = float("inf"), 0
    bottoms = [lowest := min(lowest, line.box[1]) for line in reversed(lines)][::-1]
    highest = float("-inf")
    for count, line in enumerate(lines[: _most_apart(lines)], 1):
        highest = max(highest, line.box[3])
        if highest <= bottoms[count]:
            best = count
    return best


def _most_apart(lines: list[Line]) -> int:
    """How many lines a header or a footer can have: the fewer part of a page."""
    return max(1, len(lines) // _FURNITURE)


def _count_above(lines: list[Line]) -> int:
    """How many of the last lines stand above all that come before them."""
    highest = float("-inf")
    if len(lines) < 2:
        return 0
    tops = [highest := max(highest, line.box[3]) for line in lines]
    lowest, best = float("inf"), 0
    for count, line in enumerate(lines[: -_most_apart(lines) - 1 : -1], 1):
        lowest = min(lowest, line.box[1])
        if lowest >= tops[len(lines) - count - 1]:
            best = count
    return best


def _lines(text_page: pdfium.PdfTextPage, number: int) -> Iterator[Line]:
    text = _characters(text_page)
    for match in _LINE.finditer(text):
        words = match[0]
        if not words.strip(f" \t{HYPHEN}{_UNMAPPED}\x00"):
            continue
        first = match.start() + len(words) - len(words.lstrip())
        box = _box(text_page, match.start(), len(words))
        height, top = _font_box(text_page, first, box)
        bold = _count_bold(text_page, first, match.end())
        letters, shift = _with_space(text_page, words, match.start(), height)
        line = Line(letters.rstrip(HYPHEN).strip(), number, box, height, top, bold and bold + shift)
        line.has_hyphen = words.endswith(HYPHEN)
        yield line


def _characters(text_page: pdfium.PdfTextPage) -> str:
    """The text of a page, one character for each of PDFium's, so that its indexes are ours."""
    count = text_page.count_chars()
    text: str = text_page.get_text_range() if count else ""
    if len(text) == count:
        return text
    codes = (pdfium_c.FPDFText_GetUnicode(text_page, index) for index in range(count))
    return "".join(chr(code) if 0 < code < 0x110000 else _UNMAPPED for code in codes)


def _box(text_page: pdfium.PdfTextPage, start: int, count: int) -> Box:
    rectangles = [text_page.get_rect(index) for index in range(text_page.count_rects(start, count))]
    if not rectangles:
        return (0.0, 0.0, 0.0, 0.0)
    left, bottom, right, top = zip(*rectangles, strict=True)
    return round(min(left), 1), round(min(bottom), 1), round(max(right), 1), round(max(top), 1)


def _font_box(text_page: pdfium.PdfTextPage, index: int, box: Box) -> tuple[float, float]:
    """Height and top of the first character with its font's ascent and descent: equal along a line."""
    rectangle = pdfium_c.FS_RECTF()
    if pdfium_c.FPDFText_GetLooseCharBox(text_page, index, rectangle) and rectangle.top > rectangle.bottom:
        return rectangle.top - rectangle.bottom, rectangle.top
    return max(box[3] - box[1], 1.0), box[3]


def _count_bold(text_page: pdfium.PdfTextPage, first: int, end: int) -> int:
    """How many characters from the first visible one on are bold; the whole line where it goes on to its end."""
    for index in range(first, min(end, first + _MOST_BOLD)):
        if not _is_bold(text_page, index) and chr(pdfium_c.FPDFText_GetUnicode(text_page, index)).isalnum():
            return index - first
    return end - first


def _is_bold(text_page: pdfium.PdfTextPage, index: int) -> bool:
    if pdfium_c.FPDFText_GetFontWeight(text_page, index) >= _BOLD_FROM:
        return True
    name = ctypes.create_string_buffer(128)
    length = pdfium_c.FPDFText_GetFontInfo(text_page, index, name, 128, ctypes.c_int())
    return 0 < length <= 128 and bool(_BOLD_NAME.search(name.value))


def _with_space(text_page: pdfium.PdfTextPage, words: str, start: int, height: float) -> tuple[str, int]:
    """A line with the space after its number that is only a gap on the page; and how many were put in."""
    match = _LABEL_TOUCHES.match(words)
    if match is None:
        return words, 0
    before = text_page.get_charbox(start + match.end() - 1)
    after = text_page.get_charbox(start + match.end())
    if after[0] - before[2] < _GAP * height:
        return words, 0
    return f"{words[: match.end()]} {words[match.end() :]}", 1
