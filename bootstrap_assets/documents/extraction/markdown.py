"""Markdown as it is read, not as it is written: without its signs, with its headings, numbers and tables kept."""

import re
from collections.abc import Iterator

from bootstrap_assets.documents.extraction.assembly import LINE, PARAGRAPH, Assembly
from bootstrap_assets.documents.extraction.normal import normalise
from bootstrap_assets.documents.extraction.titles import head_paragraph, label_of

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|(?:-[ \t]*){3,})$")
_ITEM = re.compile(r"\s*(?:([-*+])|(\d{1,9}[.)]))[ \t]+")
_QUOTE = re.compile(r" {0,3}(?:> ?)+")
_TABLE_RULE = re.compile(r"\s*\|?(?:\s*:?-+:?\s*\|)+(?:\s*:?-+:?\s*)?$")
_INLINE = (
    (re.compile(r"<br ?/?>", re.IGNORECASE), "\n"),
    (re.compile(r"!\[([^\]\n]{0,1000})\]\([^)\n]{0,2000}\)"), r"\1"),
    (re.compile(r"\[([^\]\n]{1,400})\]\([^)\n]{0,2000}\)"), r"\1"),
    (re.compile(r"<(https?://[^>\s]{1,2000})>"), r"\1"),
    (re.compile(r"</?[A-Za-z][\w-]*(?:\s[^<>\n]{0,500})?/?>"), ""),
    (re.compile(r"(?<!\\)(\*{1,3})(?=\S)([^*\n]{0,2000}?[^*\s\\])\1"), r"\2"),
    (re.compile(r"(?<![\w\\])(_{1,3})(?=[^\s_])([^_\n]{0,2000}?[^\s_\\])\1(?!\w)"), r"\2"),
    (re.compile(r"(?<!`)(`{1,2})(?!`)([^`\n]{1,1000})\1"), r"\2"),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
)
_BOLD = re.compile(r"(?:\d{1,9}[.)][ \t]+)?(?:\*\*|__)(?P<words>[^*_\n]{1,200})(?:\*\*|__)")


def read_markdown(source: str, assembly: Assembly) -> None:
    """Add a text in Markdown. Raises Refusal where it is too long."""
    lines = _without_comments(source.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    before = ""
    for number, (kind, level, words) in enumerate(_blocks(lines), 1):
        text = words if kind == "code" else normalise_inline(words)
        separator = LINE if kind == before == "row" else PARAGRAPH
        span = assembly.add(text, separator, paragraph=number)
        before = kind if span else before
        if kind != "code":
            head_paragraph(assembly, span, normalise(text), _bold_length(words), level)
    headings = [heading for heading in assembly.headings if heading.level == 1]
    assembly.title = headings[0].label if headings else None


def _without_comments(source: str) -> str:
    """A text without its `<!-- comments -->`, in linear time: one that is not closed is no comment."""
    parts, place = [], 0
    while (start := source.find("<!--", place)) >= 0 and (end := source.find("-->", start)) >= 0:
        parts.append(source[place:start])
        place = end + len("-->")
    return "".join([*parts, source[place:]])


def normalise_inline(words: str) -> str:
    """Words without the signs of emphasis, links, code and escapes; cells of a table with a tab between them."""
    for pattern, replacement in _INLINE:
        words = pattern.sub(replacement, words)
    return words


def _bold_length(words: str) -> int:
    """How many characters of a paragraph's text are bold from its beginning on."""
    match = _BOLD.match(words)
    return len(normalise_inline(match[0])) if match else 0


def _blocks(lines: list[str]) -> Iterator[tuple[str, int | None, str]]:
    """Kind (text, code, row), level of a heading, and words of each block."""
    paragraph: list[str] = []
    fence = ""
    for line in [*lines, ""]:
        if fence or _FENCE.match(line):
            fence, is_done = _fenced(line, fence, paragraph)
            if is_done:
                yield ("code" if not fence else "text"), None, "\n".join(paragraph)
                paragraph = []
            continue
        line = _QUOTE.sub("", line)
        if paragraph and (underline := _UNDERLINE.match(line)):
            yield "text", 1 if underline[1][0] == "=" else 2, " ".join(paragraph)
            paragraph = []
            continue
        block = _block(line)
        if block is not None or not line.strip() or _ITEM.match(line):
            if paragraph:
                yield "text", None, " ".join(paragraph)
            paragraph = []
        if block is not None:
            yield block
        elif line.strip() and not _RULE.match(line) and not _TABLE_RULE.match(line):
            paragraph.append(_item(line))
    if paragraph:
        yield "code", None, "\n".join(paragraph)


def _block(line: str) -> tuple[str, int | None, str] | None:
    """The block that a line is alone; None where it belongs to a paragraph."""
    if heading := _HEADING.match(line):
        return "text", len(heading[1]), heading[2] or ""
    if line.lstrip().startswith("|") and not _TABLE_RULE.match(line):
        cells = (cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|")))
        return "row", None, " | ".join(cells)
    return None


def _item(line: str) -> str:
    match = _ITEM.match(line)
    if match is None or not match[1]:
        return line.strip()
    words = line[match.end() :].strip()
    return words if label_of(words) else f"• {words}"


def _fenced(line: str, fence: str, paragraph: list[str]) -> tuple[str, bool]:
    """The fence in force after a line, and whether a block ends with it: the paragraph before, or the code."""
    match = _FENCE.match(line)
    if not fence and match:
        return match[1], bool(paragraph)
    if match and match[1].startswith(fence) and not line.strip().strip(fence[0]):
        return "", True
    paragraph.append(line)
    return fence, False
