"""Where a contract's own structure has borders: numbered headings, capital lines, paragraphs, sentences.

Many contracts reach us as one flat line, so a heading may stand in the middle of a line
("… of the Program. 5.1 Payment. …"), where a reference ("in Section 5.2 of this Agreement"), an amount or a
date looks much the same. What stands *before* a number decides: a heading follows the end of a sentence.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum


class Strength(IntEnum):
    """How deep a border cuts: the higher, the better a place to end a passage."""

    WORD = 0
    SENTENCE = 1
    ITEM = 2
    PARAGRAPH = 3
    SUBHEADING = 4
    HEADING = 5


@dataclass(frozen=True, slots=True)
class Outline:
    """The borders of a text, and the heading path in force from each heading on."""

    borders: dict[int, Strength]
    _positions: list[int]
    _paths: list[str]

    def path_at(self, position: int) -> str | None:
        """The heading path at a character position ("ARTICLE IV / 4.2"), None before the first heading."""
        index = bisect_right(self._positions, position) - 1
        return self._paths[index] if index >= 0 else None


def outline(text: str) -> Outline:
    """Find all borders of a text, in time linear in its length. Each stands at a visible character."""
    borders: dict[int, Strength] = {}
    for position, strength in (*_sentences(text), *_lines(text)):
        borders[position] = max(strength, borders.get(position, Strength.WORD))
    trail = _Trail()
    marks = sorted((*_capital_lines(text), *_marks(text)), key=lambda mark: (mark.position, mark.kind == "caps"))
    positions: list[int] = []
    paths: list[str] = []
    title_until = -1
    for mark in marks:
        if mark.kind == "caps" and (mark.position < title_until or _only_space(text, title_until, mark)):
            title_until = max(title_until, mark.end)  # the title line of the heading above it
            continue
        entered = trail.enter(mark)
        if entered is None:
            continue
        borders[mark.position] = max(entered, borders.get(mark.position, Strength.WORD))
        if entered > Strength.ITEM:
            title_until = mark.end
            positions.append(mark.position)
            paths.append(trail.path)
    return Outline(borders, positions, paths)


@dataclass(frozen=True, slots=True)
class _Mark:
    position: int
    end: int
    kind: str  # article, annex, number, item, caps
    label: str
    inline: bool = False


@dataclass(slots=True)
class _Trail:
    """The heading path while walking through a text."""

    base: str = ""
    article: int = 0
    soft: str = ""
    parts: list[str] = field(default_factory=list)
    top: int = 0

    @property
    def path(self) -> str:
        return " / ".join(part for part in (self.base, self.soft, *self.parts) if part)

    def enter(self, mark: _Mark) -> Strength | None:
        """Take a heading into the path; None if a number does not go on where its neighbours stopped."""
        if mark.kind == "item":
            return Strength.ITEM
        if mark.kind == "caps":
            self.soft, self.parts = mark.label, []
            return Strength.HEADING
        if mark.kind != "number":
            self.base, self.soft, self.parts, self.top = mark.label, "", [], 0
            self.article = _ordinal(mark.label.rpartition(" ")[2]) if mark.kind == "article" else 0
            return Strength.HEADING
        return self._enter_number(mark)

    def _enter_number(self, mark: _Mark) -> Strength | None:
        numbers = mark.label.split(".")
        first = int(numbers[0])
        if len(numbers) == 1:
            if mark.inline and not (first == 1 or self.top < first <= self.top + 3):
                return None
            self.top = first
        elif self.article and first > self.article:
            self.base, self.article = "", 0  # an article heading that was not recognised lies between
        self.soft = ""
        skip = 1 if self.article == first and len(numbers) > 1 else 0
        self.parts = [".".join(numbers[: depth + 1]) for depth in range(skip, len(numbers))]
        if len(numbers) > 2:
            return Strength.PARAGRAPH
        return Strength.SUBHEADING if len(numbers) == 2 or self.article else Strength.HEADING


# Begins with one plain character class: re then skips fast to the few characters that can begin a mark.
_MARK = re.compile(
    r"""
    [AES§(0-9]
    (?: (?<![\w]A) (?<=A) (?:RTICLE|rticle) \s+ (?P<article>[IVXLC]{1,7}|\d{1,3})\b(?!\s*\(|\.\d)
    |   (?<![\w][AES]) (?P<annex> (?<=E)(?:XHIBIT|xhibit) | (?<=S)(?:CHEDULE|chedule)
        | (?<=A)(?:NNEX|nnex|PPENDIX|ppendix|TTACHMENT|ttachment) )
        \s+ (?P<annex_number>[A-Z]{1,2}(?:-\d{1,2})?|\d{1,2})\b(?!\.\d)
    |   (?: (?<![\w]S) (?<=S) (?:ECTION|ection) \s+ | (?<=§)\s* ) (?P<section>\d{1,3}(?:\.\d{1,3}){0,4})\b
    |   (?<=[0-9]) (?<![\w.$€£§(/,-][0-9]) (?P<number>\d?(?:\.\d{1,3}){0,4}) (?P<stop>[.)]?) (?=\s)
    |   (?<=\() (?P<item>[a-z]{1,2}|[ivxl]{1,6}|[A-Z]|\d{1,2}) \) (?=\s)
    )
    """,
    re.VERBOSE,
)
_TITLE_AHEAD = re.compile(r"[.:)]?\s*(?:[-–—]\s*)?[\"“'‘(\[]*[A-Z]")
_LINE_OVER = re.compile(r"[.:]?[ \t]*[\r\n]")
_QUANTITY = re.compile(
    r"\s*(?:Million|Billion|Thousand|Percent|Per\b|USD|EUR|Euro|Dollar|U\.S|GMT|[AP]\.?M\b|[EPC]S?T\b)"
)
_SENTENCE_OVER = re.compile(r"[.;:!?][\"”’'*)\]]*(?:\s+-?\s?\d{1,3}\s?-?)?\s*\Z")
_CAPITALS_BEFORE = re.compile(r"\b[A-Z]{4,}[\"”)]*\s+\Z")
_LAST_WORD = re.compile(r"([A-Za-z.]+)[^A-Za-z]*\Z")
_REFERRING = re.compile(
    r"in|of|under|to|with|by|per|and|or|this|the|see|from|through|than|for|pursuant|such|said"
    r"|(?:section|article|clause|paragraph)s?|exhibit|schedule|annex|appendix"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Za-z]|Nos?|Sec|Art|Inc|Corp|Ltd|Co|Bros|Mr|Mrs|Ms|Dr|St|Jr|Sr|vs?|approx|ca|cf|pp?|para|Fig|Ex"
    r"|Attn|Tel|Dept|Rev|Stat|Reg|et|al|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)|\b[A-Z]\.[A-Z])\Z",
    re.IGNORECASE,
)
_CONTEXT = 60


def _marks(text: str) -> Iterator[_Mark]:
    """Numbered and lettered headings, at the start of a line or inside it."""
    for match in _MARK.finditer(text):
        before = text[max(0, match.start() - _CONTEXT) : match.start()]
        at_line = not before.strip(" \t") or before.rstrip(" \t").endswith(("\n", "\r"))
        mark = _read_mark(text, match, not at_line)
        if mark is None or not _follows_an_end(before, at_line, mark.kind == "item"):
            continue
        if mark.kind == "annex" and mark.position < 100:
            continue  # "EXHIBIT 10" at the very top is a filing's number, not a part of the contract
        yield mark


def _read_mark(text: str, match: re.Match[str], inline: bool) -> _Mark | None:
    """What a match says, or None where what follows it shows that it is no heading."""
    start, end = match.span()
    if match["item"]:
        return _Mark(start, end, "item", match["item"], inline)
    if not _TITLE_AHEAD.match(text, end) and (inline or not _LINE_OVER.match(text, end)):
        return None
    if match["article"]:
        return _Mark(start, end, "article", f"ARTICLE {match['article']}", inline)
    if match["annex"]:
        word = text[start : match.end("annex")]
        if inline and not word.isupper():
            return None
        return _Mark(start, end, "annex", f"{word.upper()} {match['annex_number']}", inline)
    if match["section"]:
        return _Mark(start, end, "number", match["section"], inline)
    number = text[start : match.end("number")]
    if match["stop"] == ")":
        return None if inline else _Mark(start, end, "item", number, inline)
    if ("." not in number and not match["stop"]) or _QUANTITY.match(text, end):
        return None
    return _Mark(start, end, "number", number, inline)


def _follows_an_end(before: str, at_line: bool, item: bool) -> bool:
    """Whether the text before a mark has come to an end, so that the mark begins something new."""
    word = _LAST_WORD.search(before)
    last = word[1].lower() if word and not before[word.end(1) :].strip(" \t\r\n") else ""
    if at_line:
        blank_line = before.rstrip(" \t").count("\n", len(before.rstrip())) > 1
        return blank_line or item or not _REFERRING.fullmatch(last)
    if item:
        return before.rstrip().endswith((".", ";", ":", ",")) or last in ("and", "or")
    if _CAPITALS_BEFORE.search(before):
        return True
    over = _SENTENCE_OVER.search(before)
    return over is not None and not _ABBREVIATION.search(before[: over.start()])


_FIRM = re.compile(
    r"\b(?:INC|LLC|LLP|LTD|LIMITED|CORP|CORPORATION|COMPANY|CO|PLC|GMBH|AG|S\.?A|B\.?V|N\.?V|L\.?P)\b"
)


def _capital_lines(text: str) -> Iterator[_Mark]:
    """Lines in capitals that can be headings: short, a real word in them, and no company's name."""
    for match in re.finditer(r"[^\r\n]+", text):
        line = match[0].strip()
        if not 3 <= len(line) <= 80 or not line.isupper() or not line[0].isalpha():
            continue
        if (
            line.endswith((",", ";", "_"))
            or "__" in line
            or not re.search(r"[A-Z]{3}", line)
            or _FIRM.search(line)
        ):
            continue
        start = match.start() + match[0].index(line[0])
        yield _Mark(start, start + len(line), "caps", " ".join(line.split()).rstrip(".:"))


def _only_space(text: str, end: int, mark: _Mark) -> bool:
    """Whether nothing but white space and punctuation lies between a heading and a mark."""
    return 0 <= end <= mark.position <= end + 200 and not text[end : mark.position].strip(" \t\r\n.:-–—")


def _sentences(text: str) -> Iterator[tuple[int, Strength]]:
    for match in re.finditer(r"[.!?][\"”’')\]]*\s+(?=[\"“‘(\[]*[A-Z0-9])", text):
        if text[match.start()] != "." or not _ABBREVIATION.search(text, max(0, match.start() - 8), match.start()):
            yield match.end(), Strength.SENTENCE


def _lines(text: str) -> Iterator[tuple[int, Strength]]:
    """Line starts: a blank line or a finished line makes a paragraph; a wrapped line makes nothing."""
    # Not into the white space at the very end: each line feed there would be tried against all that follow.
    for match in re.compile(r"[\r\n]\s*(?=\S)").finditer(text, 0, len(text.rstrip())):
        before, after = text[match.start() - 1] if match.start() else "", text[match.end()]
        if match[0].count("\n") > 1 or match[0].count("\r") > 1 or before in '.;:!?"”)':
            yield match.end(), Strength.PARAGRAPH
        elif not after.islower():
            yield match.end(), Strength.SENTENCE


def _ordinal(numeral: str) -> int:
    """An arabic or roman number; 0 if it is neither."""
    if numeral.isdigit():
        return int(numeral)
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}.get(letter, 0) for letter in numeral]
    return sum(-value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True))
