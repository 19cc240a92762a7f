"""HTML, of a file of its own or of an EPUB's chapter: the text that is read, in the order of the source.

Nothing is fetched and nothing is run: scripts, styles and pictures are left out, and the user is told.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from bootstrap_assets.documents.extraction.assembly import CELL, PARAGRAPH, Assembly
from bootstrap_assets.documents.extraction.normal import normalise
from bootstrap_assets.documents.extraction.numerals import FORMATS
from bootstrap_assets.documents.extraction.titles import head_paragraph

_SKIPPED = frozenset(
    "script style template noscript head svg iframe object embed applet canvas audio video".split()
)
_BLOCKS = frozenset(
    (
        "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption"
        " figure footer form h1 h2 h3 h4 h5 h6 header hr html legend li main menu nav ol option p pre section"
        " select summary table tbody td tfoot th thead tr ul"
    ).split()
)
_BOLD = frozenset(("b", "strong"))
_CELLS = frozenset(("td", "th"))
_HEADING = re.compile(r"h([1-6])")
_SPACE = re.compile(r"[ \t\r\n\f]+")
_REMOTE = re.compile(r"\s*(?:https?:|ftp:|//)", re.IGNORECASE)
_SCRIPT = re.compile(r"\s*(?:javascript|vbscript|data:text/html)", re.IGNORECASE)
_LIST_FORMATS = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}


@dataclass(slots=True)
class Place:
    """Where the next paragraph stands: its number in the file, and the chapter it is in."""

    paragraph: int = 0
    chapter: int | None = None
    href: str | None = None
    heads: set[int] = field(default_factory=set)
    """Where the elements h1 to h6 begin in the text."""


@dataclass(slots=True)
class _Numbering:
    """A list that is being read: what its items are counted by, and the number of the next."""

    style: str | None
    number: int = 1

    def label(self, value: str | None) -> str:
        """What stands before the next item."""
        if self.style is None:
            return "• "
        if value is not None:
            self.number = _whole(value, self.number)
        self.number += 1
        return FORMATS[self.style](self.number - 1) + ". "


@dataclass(slots=True)
class _Writer:
    """The paragraph that is being read."""

    assembly: Assembly
    place: Place
    pieces: list[str] = field(default_factory=list)
    label: str = ""
    bold: int = 0
    is_bold_so_far: bool = True
    separator: str = PARAGRAPH
    level: int | None = None
    lists: list[_Numbering] = field(default_factory=list)
    in_bold: int = 0
    in_pre: int = 0

    def write(self, text: str) -> None:
        """Add text to the paragraph."""
        if not self.in_pre:
            text = _SPACE.sub(" ", text)
        if self.is_bold_so_far and text.strip():
            self.is_bold_so_far = self.in_bold > 0
            self.bold += len(text) if self.in_bold else 0
        self.pieces.append(text)

    def end(self) -> None:
        """End the paragraph, where there is one."""
        body = normalise("".join(self.pieces))
        self.pieces.clear()
        bold, self.bold = self.bold, 0
        is_bold, self.is_bold_so_far = self.is_bold_so_far, True
        if not body:
            return
        text, label, self.label = self.label + body, self.label, ""
        self.place.paragraph += 1
        span = self.assembly.add(
            text,
            self.separator,
            paragraph=self.place.paragraph,
            chapter=self.place.chapter,
            href=self.place.href,
        )
        self.separator = PARAGRAPH
        if span and self.level is not None:
            self.place.heads.add(span[0])
        if self.level is not None or not label:  # the number of a list's item makes no heading
            head_paragraph(self.assembly, span, text, len(text) if is_bold else bold, self.level)


def read_html(source: str, assembly: Assembly, place: Place) -> str | None:
    """Add the text of a page, and return its title. Raises Refusal where the text is too long."""
    tree = LexborHTMLParser(source)
    writer = _Writer(assembly, place)
    title = tree.css_first("title")
    first = len(assembly.headings)
    if tree.body is not None:
        _tell_dangers(tree, assembly)
        for node, is_entered in _walk(tree.body):
            _enter(node, writer) if is_entered else _leave(node, writer)
    writer.end()
    if tree.css_first("h1, h2, h3, h4, h5, h6") is not None:
        _drop_guesses(assembly, place, first)
    return normalise(title.text(deep=True)) or None if title is not None else None


def _drop_guesses(assembly: Assembly, place: Place, first: int) -> None:
    """Where a page says what its headings are, only a number makes another paragraph one; in a book, nothing."""
    is_page = place.chapter is None
    assembly.headings[first:] = [
        heading
        for heading in assembly.headings[first:]
        if heading.char_start in place.heads or (is_page and heading.number)
    ]


def _walk(root: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Each node when it is entered (True) and left (False), without recursion: pages can be nested at will."""
    node: LexborNode | None = root
    while node is not None:
        yield node, True
        child = None if node.tag in _SKIPPED else node.first_child
        if child is not None:
            node = child
            continue
        while node is not None:
            yield node, False
            if node.mem_id == root.mem_id:
                return
            if node.next is not None:
                node = node.next
                break
            node = node.parent


def _enter(node: LexborNode, writer: _Writer) -> None:
    tag = node.tag or ""
    if tag == "-text":
        writer.write(node.text_content or "")
    elif tag == "br":
        writer.pieces.append("\n")
    elif tag in _BOLD:
        writer.in_bold += 1
    elif tag in _BLOCKS:
        writer.end()
        _enter_block(node, tag, writer)


def _enter_block(node: LexborNode, tag: str, writer: _Writer) -> None:
    if heading := _HEADING.fullmatch(tag):
        writer.level = int(heading[1])
    elif tag == "pre":
        writer.in_pre += 1
    elif tag in _CELLS:
        before = node.prev
        while before is not None and before.tag not in _CELLS:
            before = before.prev
        writer.separator = CELL if before is not None and writer.assembly.length else PARAGRAPH
    elif tag in ("ol", "ul", "menu"):
        writer.lists.append(_numbering(node, tag))
    elif tag == "li" and writer.lists:
        writer.label = writer.lists[-1].label((node.attributes or {}).get("value"))


def _numbering(node: LexborNode, tag: str) -> _Numbering:
    attributes = node.attributes or {}
    if tag != "ol":
        return _Numbering(None)
    style = _LIST_FORMATS.get(attributes.get("type") or "1", "decimal")
    return _Numbering(style, _whole(attributes.get("start"), 1))


def _leave(node: LexborNode, writer: _Writer) -> None:
    tag = node.tag or ""
    if tag in _BOLD:
        writer.in_bold -= 1
    elif tag in _BLOCKS:
        writer.end()
        if _HEADING.fullmatch(tag):
            writer.level = None
        elif tag == "pre":
            writer.in_pre -= 1
        elif tag in ("ol", "ul", "menu") and writer.lists:
            writer.lists.pop()
        elif tag == "li":
            writer.label = ""


def _tell_dangers(tree: LexborHTMLParser, assembly: Assembly) -> None:
    """Say what was left out because it would run or fetch something."""
    if tree.css_first("script, [onload], [onclick], [onerror], iframe, object, embed, applet") is not None:
        assembly.notice("scripts", "holds scripts or embedded objects: none was run or read")
    links = tree.css("a[href], img[src], source[src], video[src]")
    values = [
        (node.tag, (node.attributes or {}).get("href" if node.tag == "a" else "src") or "") for node in links
    ]
    if any(_SCRIPT.match(value) for _tag, value in values):
        assembly.notice("script_links", "holds links that run a script (javascript:): they are text here")
    if any(tag != "a" and _REMOTE.match(value) for tag, value in values):
        assembly.notice("remote_pictures", "shows pictures of other servers: none was fetched")


def _whole(value: str | None, otherwise: int) -> int:
    return int(value) if value and re.fullmatch(r"-?\d{1,6}", value) else otherwise
