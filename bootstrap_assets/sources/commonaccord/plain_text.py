"""From the HTML of rendered prose objects to plain text, with the places where each key ended up.

The resolver wraps what it puts in place of a placeholder in a pair of *marks*. Marks are built from Unicode
noncharacters (U+FDD0 to U+FDE2), which the standard reserves for use inside a program and which `readable`
takes out of everything that is read, so they cannot be mistaken for text.
"""

import html
import re
from dataclasses import dataclass

from bootstrap_assets.texts.content import REPLACEMENT, clean_text

_DIGITS = "".join(chr(0xFDD0 + digit) for digit in range(16))
_OPEN, _NUMBER_END, _CLOSE = "\ufde0", "\ufde1", "\ufde2"
_NONCHARACTER = re.compile("[\ufdd0-\ufdef]")
_MARK = re.compile(f"{_OPEN}([{_DIGITS}]+){_NUMBER_END}|{_CLOSE}")
_TAG = re.compile(
    r"<(?:!--[^<>]*--|[/!?]?([A-Za-z][A-Za-z0-9]*+)[^<>]*+|/)>"
    # Real files also hold tags that nobody closed, as in `</ol<br>`.
    r"|</?([A-Za-z][A-Za-z0-9]*+)[\s\ufdd0-\ufdef]*(?=<)"
)
_TOKEN = re.compile(f"{_MARK.pattern}|{_TAG.pattern}")
_TO_DIGITS = str.maketrans("0123456789abcdef", _DIGITS)
_FROM_DIGITS = str.maketrans(_DIGITS, "0123456789abcdef")

_NOTHING, _SPACE, _LINE, _PARAGRAPH = range(4)
_SEPARATORS = ("", " ", "\n", "\n\n")
_LINES = frozenset("dd div dl dt li ol option section td th tr ul".split())
_PARAGRAPHS = frozenset("blockquote center h1 h2 h3 h4 h5 h6 hr p pre table".split())


@dataclass(frozen=True, slots=True)
class MarkedSpan:
    """Where the text between a pair of marks ended up: `text[start:end]`, never empty, stripped."""

    number: int
    start: int
    end: int


def readable(text: str) -> str:
    """What is read from a file, fit to be marked and stored: NUL, surrogates and noncharacters become U+FFFD."""
    return _NONCHARACTER.sub(REPLACEMENT, clean_text(text))


def mark(number: int, text: str) -> str:
    """Wrap a text in a pair of marks that carry a number."""
    return f"{_OPEN}{format(number, 'x').translate(_TO_DIGITS)}{_NUMBER_END}{text}{_CLOSE}"


def is_marked(text: str) -> bool:
    """Whether any mark is in the text."""
    return _NONCHARACTER.search(text) is not None


def without_marks(text: str) -> str:
    """The text as it was before anything was marked."""
    return _MARK.sub("", text)


class _Page:
    """Plain text as it is written, word by word. What separates two words is written before the second."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._separator = _NOTHING
        self._starts: list[int | None] = []
        self._open: list[tuple[int, int]] = []  # the number of the mark, its place in _starts
        self._waiting: list[int] = []  # places in _starts of marks that no word has followed yet
        self._spans: list[tuple[int, MarkedSpan]] = []

    def separate(self, by: int) -> None:
        """Let the next word stand apart from the last, at least this far."""
        self._separator = max(by, self._separator)

    def break_line(self) -> None:
        """Start a new line; a second break in a row leaves a blank line."""
        self.separate(_LINE if self._separator < _LINE else _PARAGRAPH)

    def word(self, word: str) -> None:
        """Write a run of visible characters; it joins the last one unless something separates them."""
        separator = _SEPARATORS[self._separator] if self._parts else ""
        self._separator = _NOTHING
        for place in self._waiting:
            self._starts[place] = self._length + len(separator)
        self._waiting.clear()
        self._parts.append(separator + word)
        self._length += len(separator) + len(word)

    def open(self, number: int) -> None:
        """A mark opens before the next word."""
        self._open.append((number, len(self._starts)))
        self._waiting.append(len(self._starts))
        self._starts.append(None)

    def close(self) -> None:
        """The innermost mark closes after the last word; a mark around nothing leaves no span."""
        if not self._open:
            return
        number, place = self._open.pop()
        start = self._starts[place]
        if start is None:
            self._waiting.pop()
        else:
            self._spans.append((place, MarkedSpan(number, start, self._length)))

    def result(self) -> tuple[str, list[MarkedSpan]]:
        """The text, and the spans in the order in which they opened (an outer one before an inner one)."""
        return "".join(self._parts), [span for _, span in sorted(self._spans, key=lambda item: item[0])]


def _write_text(page: _Page, text: str) -> None:
    """Write the text between two tags: entities decoded, any white space taken as one space."""
    plain = readable(html.unescape(text))
    words = plain.split()
    if plain[:1].isspace():
        page.separate(_SPACE)
    for number, word in enumerate(words):
        if number:
            page.separate(_SPACE)
        page.word(word)
    if words and plain[-1:].isspace():
        page.separate(_SPACE)


def _write_tag(page: _Page, token: str, name: str) -> None:
    """Let block elements break the line. Marks inside a tag (in an attribute) are kept: pairs stay pairs."""
    if name in _PARAGRAPHS:
        page.separate(_PARAGRAPH)
    elif name in _LINES:
        page.separate(_LINE)
    elif name == "br":
        page.break_line()
    for match in _MARK.finditer(token):
        _write_mark(page, match)


def _write_mark(page: _Page, match: re.Match[str]) -> None:
    if match[1]:
        page.open(int(match[1].translate(_FROM_DIGITS), 16))
    else:
        page.close()


def plain_text(source: str) -> tuple[str, list[MarkedSpan]]:
    """Take the tags out of (marked) HTML.

    Words keep their borders, inner white space is collapsed to one space, block elements start a new line and
    paragraphs, headings, tables and doubled line breaks leave a blank one. Numbers of list items are not made up.
    Returns the text and the span of every pair of marks that has text in it, outer before inner.
    """
    page, position = _Page(), 0
    for token in _TOKEN.finditer(source):
        _write_text(page, source[position : token.start()])
        position = token.end()
        if token[0][0] == "<":
            _write_tag(page, token[0], (token[2] or token[3] or "").lower())
        else:
            _write_mark(page, token)
    _write_text(page, source[position:])
    return page.result()
