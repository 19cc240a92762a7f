"""Which of the keys in a rendered prose object are worth a record: whole sections, and the clauses in them.

A rendering is a tree of spans, one for each value that replaced a placeholder. Most are frames that arrange others
(`<ol><li>{1.Sec}…`), fragments of sentences, names, dates and cross references. By these rules, found by reading
CommonAccord's library, what is left is what one would look for:

- Spans that cover the same text are one unit, named by the key that says most (`.Sec`, `.sec` or `.cl` before
  others, outer before inner).
- A *clause* is a unit that begins and ends where a sentence, a list item or a paragraph does, has at least four
  words of its own, and is either one paragraph or holds no smaller clause.
- A *section* is a longer unit that has clauses in it and adds to them a title or text of its own. A section
  that covers another but for the title stands for both.
- Titles, frames, comments, signature blocks and the prompts of alternatives are neither.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bootstrap_assets.corpus.records import Granularity
from bootstrap_assets.sources.commonaccord.plain_text import MarkedSpan

MIN_WORDS = 4
"""Fewer words than this make no clause."""

_PROSE_NAMES = ("sec", "cl", "sen")
_FRAMES = re.compile(
    r"([abdinu]?list|_?xlist|0_xlist|secs|sens|li|div|doc|root|r00t|among|by)(\W.*)?", re.IGNORECASE
)
_TITLES = re.compile(r"(ti|title|secname|xnum|xref|xsec|name|handle|full|block)(\W.*)?", re.IGNORECASE)
_COMMENTS = re.compile(r"[/#]|\w*Note$")
_MECHANICS = re.compile(r"(^|\.)(Head|By|Sign|SignBy|Signature|Alt0|AltPrompt)(\.|$)")
_PLACEHOLDER = re.compile(r"\{[^{}\n]*\}")
_IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_BLANK_LINE_TO_FILL = re.compile("_{4,}")
_TRAILING = re.compile(r"[\s.;:,]+$")
_GOES_ON = re.compile(r",[\"”’')\]]*$")
_STARTS_SENTENCE = re.compile(r"(?:^|\n|[.;:!?][\"”’')\]]?\s)$")
_ENDS_SENTENCE = re.compile(r"[\s.;:,\"”’')\]]*(?:\s?\b(?:and|or|et|ou|und|oder|y|o|ve|veya)\b[\s,]*)?(?:\n|$)")
_SENTENCE_END = re.compile(r"[.;:!?][\"”’')\]]*$")


@dataclass(frozen=True, slots=True)
class Unit:
    """A section or clause: the key it comes from, the number of its mark, and its place in the text."""

    granularity: Granularity
    key: str
    number: int
    start: int
    end: int


@dataclass(slots=True)
class _Node:
    """All spans over one stretch of text, and the stretches within it."""

    start: int
    end: int
    key: str
    number: int
    children: list["_Node"] = field(default_factory=list)


def last_name(key: str) -> str:
    """The last part of a key path, without the variant after a slash: `This.sec/2` gives `sec`."""
    return key.partition("/")[0].rpartition(".")[2]


def is_comment(key: str) -> bool:
    """Whether a key is a note of the authors."""
    return bool(_COMMENTS.match(key) or _COMMENTS.match(last_name(key)))


def is_frame(key: str) -> bool:
    """Whether a key, by its name, only arranges, titles or names things."""
    name = last_name(key)
    return bool(
        _FRAMES.fullmatch(name) or _TITLES.fullmatch(name) or name.startswith("_") or _MECHANICS.search(key)
    )


def count_words(text: str) -> int:
    """The words of a text, leaving out placeholders; in scripts without spaces, the characters."""
    prose = _PLACEHOLDER.sub(" ", text)
    count = sum(any(map(str.isalpha, word)) for word in _IDEOGRAPH.sub(" ", prose).split())
    return count + len(_IDEOGRAPH.findall(prose))


def is_own_prose(key: str, text: str) -> bool:
    """Whether a key and its value as it stands in a file (tags removed) are prose, read without a rendering."""
    if is_comment(key) or is_frame(key) or text.startswith("[") or _BLANK_LINE_TO_FILL.search(text):
        return False
    if text == last_name(key).replace("_", " "):  # a defined term, linked to its definition
        return False
    own = count_words(text)
    return own >= MIN_WORDS or (own == MIN_WORDS - 1 and _PLACEHOLDER.search(text) is not None)


def find_units(text: str, spans: Sequence[MarkedSpan], keys: Sequence[str]) -> list[Unit]:
    """The sections and clauses among the spans of a rendered text, in reading order, outer before inner."""
    units: list[Unit] = []
    for node in _tree(text, spans, keys):
        units += _within(text, node)
    return units


def _tree(text: str, spans: Sequence[MarkedSpan], keys: Sequence[str]) -> list[_Node]:
    """Nest the spans; spans over the same text, but for punctuation at the end, become one node."""
    roots: list[_Node] = []
    trail: list[_Node] = []
    for span in spans:
        key = keys[span.number]
        while trail and span.start >= trail[-1].end:
            trail.pop()
        if trail and _trim(text, span.start, span.end) == _trim(text, trail[-1].start, trail[-1].end):
            if _rank(key) < _rank(trail[-1].key):
                trail[-1].key, trail[-1].number = key, span.number
            continue
        node = _Node(span.start, span.end, key, span.number)
        (trail[-1].children if trail else roots).append(node)
        trail.append(node)
    return roots


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    tail = _TRAILING.search(text, max(start, end - 8), end)
    return start, tail.start() if tail else end


def _rank(key: str) -> int:
    """How well a key names a unit; the smaller, the better."""
    if is_frame(key):
        return 2
    return 0 if last_name(key).lower() in _PROSE_NAMES else 1


def _within(text: str, root: _Node) -> list[Unit]:
    """The units of one node and all below it, from the inside out (a stack, since trees may be deep)."""
    by_node: dict[int, list[Unit]] = {}
    stack = [(root, False)]
    while stack:
        node, children_are_done = stack.pop()
        if not children_are_done:
            stack.append((node, True))
            stack += [(child, False) for child in node.children]
            continue
        inner = [unit for child in node.children for unit in by_node.pop(id(child))]
        by_node[id(node)] = _judge(text, node, inner)
    return by_node[id(root)]


def _judge(text: str, node: _Node, inner: list[Unit]) -> list[Unit]:
    """Decide what a node adds to the units that were found within it."""
    content = text[node.start : node.end]
    if is_frame(node.key) or is_comment(node.key) or _BLANK_LINE_TO_FILL.search(content):
        return inner
    own = _own_text(text, node, inner)
    if "\n" in content and inner:
        return _section(text, node, inner) if _adds(text, node, inner, own) else inner
    enough = count_words(own) >= MIN_WORDS
    if enough and _is_whole(text, node):
        return [Unit(Granularity.CLAUSE, node.key, node.number, node.start, node.end)]
    return inner


def _own_text(text: str, node: _Node, inner: Sequence[Unit]) -> str:
    """What a node holds outside its title and the units within it."""
    pieces: list[_Node | Unit] = [child for child in node.children if _TITLES.fullmatch(last_name(child.key))]
    pieces += inner
    parts, position = [], node.start
    for start, end in sorted((part.start, part.end) for part in pieces):
        if start >= position:
            parts.append(text[position:start])
            position = end
    parts.append(text[position : node.end])
    return "\n".join(parts)


def _adds(text: str, node: _Node, inner: Sequence[Unit], own: str) -> bool:
    """Whether a node has a title (a line of its own before its first unit) or text of its own."""
    title = text[node.start : inner[0].start]
    return ("\n" in title and any(letter.isalpha() for letter in title)) or count_words(own) >= MIN_WORDS


def _section(text: str, node: _Node, inner: list[Unit]) -> list[Unit]:
    """A section and its units, without an inner section that is the same but for the title."""
    first = inner[0]
    title = text[node.start : first.start].strip()
    same = first.granularity is Granularity.SECTION and "\n" not in title
    if same and _trim(text, node.start, node.end)[1] <= first.end:
        inner = inner[1:]
    return [Unit(Granularity.SECTION, node.key, node.number, node.start, node.end), *inner]


def _is_whole(text: str, node: _Node) -> bool:
    """Whether a node begins where a sentence, list item or paragraph begins, and ends where one ends."""
    before = text[max(0, node.start - 3) : node.start]
    if node.start and not _STARTS_SENTENCE.search(before):
        return False
    if _GOES_ON.search(text, max(node.start, node.end - 4), node.end):
        return False
    ends = _SENTENCE_END.search(text, max(node.start, node.end - 4), node.end)
    return bool(ends or _ENDS_SENTENCE.match(text, node.end))
