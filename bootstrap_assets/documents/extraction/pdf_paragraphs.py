"""Lines of pages joined into paragraphs, and the headings among them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low

from bootstrap_assets.documents.extraction.assembly import LINE, PARAGRAPH, Assembly
from bootstrap_assets.documents.extraction.pdf_lines import Line
from bootstrap_assets.documents.extraction.titles import label_of, title_of

SPACE = " "
_WIDER = 1.25
"""How much wider than usual the step from line to line is where a paragraph begins."""

_LARGER = 1.15
"""How much larger than most of the text the letters of a heading are."""

_SHORT = 0.8
"""Share of the page's width that a line fills which was not broken for lack of room."""

_ENDED = re.compile(r"[.;:!?][\"”’')\]]*$|\b(?:and|or)$")
_DIGITS = re.compile(r"\d+")
_RUNNING = 3
"""How often an unnumbered title occurs that is a running head, and not a heading."""

_BULLET = re.compile(r"[•●○▪■◦‣–—-]\s")
_WRITTEN_HYPHEN = re.compile(r"[^\W\d_]-$")
_SUSPENDED = re.compile(r"(?:and|or|to)\b")  # "pre- and post-"
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")

_PREFIX = re.compile(r"(?:anti|cross|multi|non|post|pre|quasi|self|semi|third|well)", re.IGNORECASE)
"""Words that are joined to others by a hyphen more often than without one."""

Bookmarks = Mapping[tuple[int, str], int]
"""From a page (from 1) and a folded title to its level, as a PDF's own outline says."""


@dataclass(frozen=True, slots=True)
class _Measure:
    """Of a page: the usual step from line to line, and where its text ends on the right, in points."""

    step: float
    right: float


@dataclass(frozen=True, slots=True)
class _Words:
    """How often each word is written, in small letters; whether words are divided at the ends of lines."""

    counts: Counter[str]
    are_divided: bool


def add_lines(pages: Sequence[Sequence[Line]], assembly: Assembly, bookmarks: Bookmarks) -> None:
    """Add the lines of all pages to a text, one position each."""
    lines = [line for page in pages for line in page]
    measures = {page[0].page: _measure(page) for page in pages if page}
    body = _body_height(lines)
    words = _words(lines)
    paragraph: list[Line] = []
    spans: list[tuple[int, int]] = []
    before: Line | None = None
    for line in lines:
        separator = _separator(before, line, measures, words) if before else PARAGRAPH
        if separator == PARAGRAPH and paragraph:
            _head(paragraph, spans, assembly, body, bookmarks)
            paragraph, spans = [], []
        if span := assembly.add(line.text, separator, page=line.page, box=line.box):
            paragraph.append(line)
            spans.append(span)
            before = line
    if paragraph:
        _head(paragraph, spans, assembly, body, bookmarks)
    _drop_running_heads(assembly)


def _drop_running_heads(assembly: Assembly) -> None:
    """What is printed on page after page is no heading."""
    titles = Counter(_DIGITS.sub("", heading.title) for heading in assembly.headings if not heading.number)
    assembly.headings[:] = [
        heading
        for heading in assembly.headings
        if heading.number or titles[_DIGITS.sub("", heading.title)] < _RUNNING
    ]


def folded(title: str) -> str:
    """A title as it is compared: letters and digits only, small."""
    return re.sub(r"\W+", "", title).lower()


def _words(lines: Sequence[Line]) -> _Words:
    counts = Counter(word.lower() for line in lines for word in _WORD.findall(line.text))
    ends = ((before, line) for before, line in pairwise(lines) if before.has_hyphen)
    divided = (_last_word(before.text) + _first_word(line.text) for before, line in ends)
    return _Words(counts, any(counts[word.lower()] for word in divided))


def _measure(lines: Sequence[Line]) -> _Measure:
    steps = [before.top - line.top for before, line in pairwise(lines)]
    near = [step for step, line in zip(steps, lines, strict=False) if 0.5 * line.height < step < 2 * line.height]
    return _Measure(median_low(near) if near else lines[0].height, max(line.right for line in lines))


def _body_height(lines: Sequence[Line]) -> float:
    """The height of most letters."""
    heights: Counter[float] = Counter()
    for line in lines:
        heights[round(line.height, 1)] += len(line.text)
    return heights.most_common(1)[0][0] if heights else 0.0


def _separator(before: Line, line: Line, measures: Mapping[int, _Measure], words: _Words) -> str:
    """What stands between two lines in the text."""
    if before.has_hyphen:
        return _hyphen(before, line, words)
    if _WRITTEN_HYPHEN.search(before.text) and line.text[:1].islower() and not _SUSPENDED.match(line.text):
        return ""
    if before.page != line.page:
        return SPACE if line.text[:1].islower() and not _ENDED.search(before.text) else PARAGRAPH
    measure = measures[line.page]
    if _begins_paragraph(before, line, measure):
        return PARAGRAPH
    is_short = before.right < _SHORT * measure.right
    if is_short and not line.text[:1].islower():
        return LINE
    return SPACE


def _begins_paragraph(before: Line, line: Line, measure: _Measure) -> bool:
    step = before.top - line.top
    if step > _WIDER * measure.step or step < -0.5 * line.height:
        return True
    has_ended = bool(_ENDED.search(before.text)) or before.right < _SHORT * measure.right
    if has_ended and abs(before.height - line.height) > 0.12 * line.height and step > 0.5 * line.height:
        return True
    if not has_ended or step < 0.5 * line.height:
        return False
    if label_of(line.text) or _BULLET.match(line.text):
        return True
    return line.left - before.left > line.height and not line.text[:1].islower()


def _hyphen(before: Line, line: Line, words: _Words) -> str:
    """A hyphen at a line's end stays where the word is written so elsewhere, and where no word is ever divided."""
    first, second = _last_word(before.text), _first_word(line.text)
    if words.counts[f"{first}-{second}".lower()]:
        return "-"
    if words.counts[(first + second).lower()]:
        return ""
    if not words.are_divided or not second[:1].islower() or "-" in first or _PREFIX.fullmatch(first):
        return "-"
    return "-" if words.counts[first.lower()] > 1 and words.counts[second.lower()] > 1 else ""


def _last_word(text: str) -> str:
    words = _WORD.findall(text[-60:])
    return words[-1] if words else ""


def _first_word(text: str) -> str:
    match = _WORD.match(text)
    return match[0] if match else ""


def _head(
    lines: Sequence[Line],
    spans: Sequence[tuple[int, int]],
    assembly: Assembly,
    body: float,
    bookmarks: Bookmarks,
) -> None:
    """Say what heading a paragraph is or begins with."""
    text = " ".join(line.text for line in lines[:4])
    bold = sum(_bold_lengths(lines[:4]))
    is_large = all(line.height > _LARGER * body for line in lines)
    start = spans[0][0]
    title = title_of(text, bold, is_large)
    level = bookmarks.get((lines[0].page, folded(text)))
    if title is None and level is None:
        return
    if title is None:
        assembly.head((start, spans[-1][1]), level or 1, None, text)
        return
    length = min(title.length, spans[-1][1] - start)
    level = level or bookmarks.get((lines[0].page, folded(text[:length])))
    assembly.head((start, start + length), level or title.level, title.number, title.title)


def _bold_lengths(lines: Sequence[Line]) -> Iterator[int]:
    """The bold characters of each line, as long as the lines before are bold to their ends."""
    for line in lines:
        yield min(line.bold, len(line.text)) + (line.bold >= len(line.text))
        if line.bold < len(line.text):
            return
