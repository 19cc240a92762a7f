"""The little Markdown that agreements are written in: to plain text, in blocks that know where they stand.

Inside a block markdown-it reads it. The blocks are found here: a Markdown parser would number lists anew, join
clauses that stand on lines of their own, and swallow the numbering which *is* an agreement's structure
("- (a) …", "1.").
"""

import re
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

LETTER = re.compile(r"\(([a-z]{1,5}|[A-Z]|\d{1,2})\)(?:\s+|$)")
NUMBER = re.compile(r"(\d{1,2}(?:\.\d{1,3})+)\.?(?=[\s\"“A-Z]|$)\s*|(\d{1,2})\.(?:\s+|$)")
TERM = re.compile(r"[\"“]([^\"“”]{1,80})[\"”]")

_HEADING = re.compile(r"#{1,6}\s+")
_RULE = re.compile(r"([-*_=])(?:\s*\1){2,}\s*\Z")
_TABLE_RULE = re.compile(r"\|?(?:\s*:?-+:?\s*\|)+(?:\s*:?-+:?\s*)?\Z")
_LIST_MARK = re.compile(r"[-*+]\s+")
_REFERENCE = re.compile(r"(?<!\\)(\[[^\[\]\\]*\])\[[^\[\]]*\]")  # [words][of a link that stands elsewhere]
_LEFT_OVER = re.compile(r"\*{2,3}")  # "**Fees.**The", which is no emphasis
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_LOOKED_BACK = 2_000

_RULES = "autolink backticks emphasis entity escape html_inline image link newline strikethrough".split()
_INLINE = MarkdownIt("zero", {"html": True}).enable(_RULES)
_INLINE.disable("text_join")  # what is escaped stays apart from what is not


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list item or heading: its place in the plain text, and its Markdown as it stood."""

    start: int
    end: int
    raw: str
    is_heading: bool


def to_blocks(markdown: str) -> tuple[str, list[Block]]:
    """The plain text of a Markdown document, blocks parted by a blank line, and its blocks."""
    text: list[str] = []
    blocks: list[Block] = []
    length = 0
    for raw, is_heading in _raw_blocks(_without_comments(markdown)):
        plain = plain_text(raw)
        if not plain:
            continue
        if blocks:
            text.append("\n\n")
            length += 2
        blocks.append(Block(length, length + len(plain), raw, is_heading))
        text.append(plain)
        length += len(plain)
    return "".join(text), blocks


def plain_text(raw: str) -> str:
    """Markdown inside a block to plain text: emphasis, links, tags and escapes are gone, spaces are single."""
    [block] = _INLINE.parseInline(_REFERENCE.sub(r"\1()", raw))
    text = "".join(_words(token) for token in block.children or ())
    lines = (line.strip() for line in re.sub(r"[ \t\xa0]+", " ", text).split("\n"))
    return "\n".join(line for line in lines if line)


def _words(token: Token) -> str:
    """What a reader sees of a piece of a line: a link's and a picture's words, of a tag nothing but the break."""
    if token.type in ("softbreak", "hardbreak") or (token.type == "html_inline" and _BREAK.match(token.content)):
        return "\n"
    if token.type == "text":
        return _LEFT_OVER.sub("", token.content)
    return "" if token.type == "html_inline" else token.content


def _raw_blocks(markdown: str) -> list[tuple[str, bool]]:
    """Markdown blocks with their list marks and heading marks taken off; wrapped lines are joined."""
    blocks: list[tuple[str, bool]] = []
    lines: list[str] = []

    def close() -> None:
        if lines:
            blocks.append(("".join(lines).strip(), False))
            lines.clear()

    for line in markdown.splitlines():
        content = re.sub(r"\A(?:>\s?)+", "", line.strip())
        heading = _HEADING.match(content)
        if heading or not content or _RULE.match(content) or content.startswith(("|", "```")):
            close()
            if heading:
                blocks.append((content[heading.end() :].rstrip().rstrip("#").rstrip(), True))
            elif content.startswith("|") and not _TABLE_RULE.match(content):
                blocks.append((_table_row(content), False))
            continue
        mark = _LIST_MARK.match(content)
        if mark or (lines and _begins_anew(content, lines)):
            close()
        content = content[mark.end() :] if mark else content
        hard_break = line.endswith(("  ", "\\"))
        lines.append(content.removesuffix("\\") + ("\n" if hard_break else " "))
    close()
    return blocks


def _begins_anew(line: str, before: list[str]) -> bool:
    """Whether a line without a blank line before it still starts a clause of its own.

    It does if it carries a number or is a definition, and the line before it is finished: an enumeration
    inside a sentence may have been wrapped just before its "(b)".
    """
    plain = plain_text(line)
    if NUMBER.match(plain):
        return _end(before).endswith((".", ":", ";"))
    if LETTER.match(plain):
        return _end(before).endswith((".", ":", ";", "; and", "; or"))
    return bool(TERM.match(plain)) and _end(before).endswith(".")


def _end(lines: list[str]) -> str:
    """The plain text of a block's last lines: as many as can matter to how it ends."""
    first, length = len(lines), 0
    while first and length < _LOOKED_BACK:
        first -= 1
        length += len(lines[first])
    return plain_text("".join(lines[first:]).rstrip())


def _table_row(line: str) -> str:
    return "; ".join(cell.strip() for cell in line.strip("|").split("|") if cell.strip())


def _without_comments(markdown: str) -> str:
    pieces: list[str] = []
    position = 0
    while (start := markdown.find("<!--", position)) >= 0 and (end := markdown.find("-->", start)) >= 0:
        pieces.append(markdown[position:start])
        position = end + 3
    return "".join([*pieces, markdown[position:]])
