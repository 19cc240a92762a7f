"""Word documents (DOCX): paragraphs and tables in order, numbers of lists resolved, headings, notes.

What is marked as deleted is left out, what is marked as inserted is read. Macros and embedded objects are not
opened.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from bootstrap_assets.documents.extraction.assembly import CELL, PARAGRAPH, Assembly
from bootstrap_assets.documents.extraction.docx_numbering import Numbering, W, read_numbering, value
from bootstrap_assets.documents.extraction.docx_styles import Styles, is_on, paragraph_style, read_styles
from bootstrap_assets.documents.extraction.model import Reason, Refusal
from bootstrap_assets.documents.extraction.normal import normalise
from bootstrap_assets.documents.extraction.packed import Package
from bootstrap_assets.documents.extraction.titles import head_paragraph

_MAIN = re.compile(r"word/document\d*\.xml")
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_SKIPPED = frozenset(
    [*(f"{W}{name}" for name in "del moveFrom pPr rPr instrText delText delInstrText sdtPr".split()), _FALLBACK]
)
_SIGNS = {
    f"{W}tab": " ",
    f"{W}br": "\n",
    f"{W}cr": "\n",
    f"{W}noBreakHyphen": "-",
    f"{W}ptab": " ",
}
_EVERY = 200
"""Paragraphs between two words of progress."""


@dataclass(slots=True)
class _Reader:
    """A document that is being read."""

    assembly: Assembly
    numbering: Numbering
    styles: Styles
    progress: Callable[[], None]
    paragraph: int = 0
    notes: list[tuple[str, str]] = field(default_factory=list)

    def read_blocks(self, parent: Element, separator: str = PARAGRAPH) -> None:
        """Add the paragraphs and tables below an element, the first after another separator if told so."""
        for block in _blocks(parent):
            if block.tag == f"{W}p":
                if self._add(block, separator):
                    separator = PARAGRAPH
            else:
                self._read_table(block)

    def _read_table(self, table: Element) -> None:
        for row in _below(table, f"{W}tr", f"{W}tbl"):
            is_first = True
            for cell in _below(row, f"{W}tc", f"{W}tbl"):
                length = self.assembly.length
                self.read_blocks(cell, PARAGRAPH if is_first else CELL)
                is_first = is_first and self.assembly.length == length

    def _add(self, paragraph: Element, separator: str) -> bool:
        self.paragraph += 1
        if self.paragraph % _EVERY == 0:
            self.progress()
        properties = paragraph.find(f"{W}pPr")
        own = paragraph_style(properties)
        style = own.over(self.styles.of(value(None if properties is None else properties.find(f"{W}pStyle"))))
        runs = list(self._runs(paragraph, style.is_bold or False))
        words = normalise("".join(text for text, _bold in runs))
        label = self._label(style.list_id, style.list_level) if words or own.list_id else ""
        text = f"{label} {words}".strip()
        span = self.assembly.add(text, separator, paragraph=self.paragraph) if words else None
        bold = _bold_length(runs)
        head_paragraph(self.assembly, span, text, len(label) + 1 + bold if label and bold else bold, style.level)
        for box in _text_boxes(paragraph):
            self.read_blocks(box)
        return span is not None

    def _label(self, list_id: str | None, level: int | None) -> str:
        return self.numbering.label(list_id, level or 0) if list_id and list_id != "0" else ""

    def _runs(self, paragraph: Element, is_bold: bool) -> Iterator[tuple[str, bool]]:
        """Text and boldness of what a paragraph shows, text boxes left out."""
        for run in _runs_below(paragraph):
            properties = run.find(f"{W}rPr")
            if is_on(properties, "vanish"):
                self.assembly.notice("hidden_text", "has text that is formatted as hidden: it was left out")
                continue
            bold = is_on(properties, "b")
            for node in run:
                if text := self._sign(node):
                    yield text, is_bold if bold is None else bold

    def _sign(self, node: Element) -> str:
        if node.tag == f"{W}t":
            return node.text or ""
        if node.tag == f"{W}sym":
            code = int(node.get(f"{W}char", "0") or "0", 16)
            return "•" if 0xF000 <= code <= 0xF0FF else chr(code) if 32 < code < 0xD800 else ""
        if node.tag in (f"{W}footnoteReference", f"{W}endnoteReference"):
            kind = "footnotes" if node.tag == f"{W}footnoteReference" else "endnotes"
            self.notes.append((kind, node.get(f"{W}id", "")))
            return f"[{len(self.notes)}]"
        return _SIGNS.get(node.tag, "")


def read_docx(package: Package, assembly: Assembly, progress: Callable[[], None]) -> None:
    """Add a Word document's text. Raises Refusal; `progress` is called now and then."""
    main = next((name for name in package.names() if _MAIN.fullmatch(name)), None)
    if main is None:
        raise Refusal(Reason.DAMAGED, "is a Word document without its main part: save it again")
    body = package.xml(main).find(f"{W}body")
    if body is None:
        raise Refusal(Reason.OTHER_FORMAT, "is a Word document of an unknown kind (Strict?): save it as .docx")
    reader = _Reader(
        assembly,
        read_numbering(_part(package, "word/numbering.xml")),
        read_styles(_part(package, "word/styles.xml")),
        progress,
    )
    _tell(package, body, assembly)
    reader.read_blocks(body)
    _read_notes(package, reader)
    _read_margins(package, reader)
    assembly.title = _title(package)


def _part(package: Package, name: str) -> Element | None:
    return package.xml(name) if name in package else None


def _tell(package: Package, body: Element, assembly: Assembly) -> None:
    if any(True for _node in body.iter(f"{W}del")) or any(True for _node in body.iter(f"{W}ins")):
        assembly.notice("tracked_changes", "has tracked changes: they were read as accepted")
    if any(name.endswith("vbaProject.bin") for name in package.names()):
        assembly.notice("macros", "holds macros: none was run or read")
    if any("/embeddings/" in name for name in package.names()):
        assembly.notice("embedded_files", "holds embedded files: none was opened; add them on their own")
    if "word/comments.xml" in package:
        assembly.notice("comments", "has comments: they are not in the text")


def _read_notes(package: Package, reader: _Reader) -> None:
    """Add the footnotes and endnotes at the end, by the numbers that stand in the text."""
    parts = {kind: _part(package, f"word/{kind}.xml") for kind in ("footnotes", "endnotes")}
    notes = {
        (kind, node.get(f"{W}id", "")): node
        for kind, root in parts.items()
        for node in (root if root is not None else ())
    }
    for number, key in enumerate(list(reader.notes), 1):
        if (note := notes.get(key)) is not None:
            words = normalise(" ".join("".join(part.itertext()) for part in note.iter(f"{W}t")))
            reader.paragraph += 1
            reader.assembly.add(f"[{number}] {words}", paragraph=reader.paragraph)


def _read_margins(package: Package, reader: _Reader) -> None:
    """Add headers and footers at the end, each once: they may hold a version, a date or a notice."""
    before: set[str] = set()
    headings = len(reader.assembly.headings)
    for name in package.names():
        if not re.fullmatch(r"word/(?:header|footer)\d*\.xml", name):
            continue
        root = package.xml(name)
        if (words := normalise("".join(root.itertext()))) not in before:
            before.add(words)
            reader.read_blocks(root)
    del reader.assembly.headings[headings:]


def _title(package: Package) -> str | None:
    core = _part(package, "docProps/core.xml")
    titles = [] if core is None else [node.text or "" for node in core if node.tag.endswith("}title")]
    return normalise(titles[0]) or None if titles else None


def _blocks(parent: Element) -> Iterator[Element]:
    """Paragraphs and tables below an element, those within content controls and insertions too."""
    for node in parent:
        if node.tag in (f"{W}p", f"{W}tbl"):
            yield node
        elif node.tag not in _SKIPPED:
            yield from _blocks(node)


def _below(parent: Element, name: str, border: str) -> Iterator[Element]:
    """The elements of a name below another, not within those of the name `border`."""
    for node in parent:
        if node.tag == name:
            yield node
        elif node.tag != border and node.tag not in _SKIPPED:
            yield from _below(node, name, border)


def _runs_below(parent: Element) -> Iterator[Element]:
    """The runs of a paragraph: those in links, insertions, fields and content controls too."""
    for node in parent:
        if node.tag == f"{W}r":
            yield node
        elif node.tag not in _SKIPPED:
            yield from _runs_below(node)


def _text_boxes(parent: Element) -> Iterator[Element]:
    """The text boxes that hang on a paragraph, outermost only."""
    for node in parent:
        if node.tag == f"{W}txbxContent":
            yield node
        elif node.tag not in _SKIPPED:
            yield from _text_boxes(node)


def _bold_length(runs: list[tuple[str, bool]]) -> int:
    """How many characters of a paragraph are bold from its beginning on."""
    text = ""
    for words, is_bold in runs:
        if not is_bold and words.strip():
            break
        text += words
    return len(normalise(text))
