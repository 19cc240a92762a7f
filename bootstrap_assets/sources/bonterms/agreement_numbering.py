"""The structure of a numbered agreement: sections, sub-clauses, lettered items and definitions.

What counts is the number at the start of a block; an enumeration inside a sentence is part of the sentence.
"""

import re
from dataclasses import dataclass, field

from bootstrap_assets.sources.bonterms.agreement_markdown import LETTER, NUMBER, TERM, Block

_SMALL = frozenset("a an and as at by for from in of on or the to with & via per vs".split(" "))
_DEFINES = re.compile(r"\b(?:means?|is|are|has|have|refers?|includes?|shall mean)\b")
_BOLD_TERM = re.compile(r"\*\*([^*]{1,80})\*\*\s*(?::|(?:means?|has|have|refers?|is defined)\b)")
_LEAD = re.compile(r"([A-Z0-9][^.:;\n]{0,89})(?:[.:](?=\s|[A-Z]|\Z)|\Z)")
_EMPHASISED = re.compile(
    r"(?:\*\*|__)\(?[\w.]+\)?\s+\S(?<!\*)|(?:\*\*|__)?\(?\w[\w.]*\)?(?:\*\*|__)?\.?\s*(?:\*{1,3}|_{1,3})\S"
)
_FOOTER = re.compile(r"©|Free to use under|Learn more:", re.IGNORECASE)
_NUMBERED_HEADING = re.compile(r"(?:Section|Article|Clause)?\s*(\d{1,2}(?:\.\d{1,3})*)[.:)]?\s+", re.IGNORECASE)
_TERM_DEPTH, _LETTER_DEPTH = 10, 20
_KINDS = ("alpha", "roman", "capital", "digit")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv")


@dataclass(slots=True)
class Node:
    """A section (depth 0) or clause: its path ("5.1(a)"), its span in the plain text, heading, defined term."""

    path: str
    depth: int
    start: int
    end: int
    heading: str | None = None
    term: str | None = None

    @property
    def is_section(self) -> bool:
        """Whether it is a section of the agreement's top level."""
        return self.depth == 0


def structure(text: str, blocks: list[Block], title: str) -> list[Node]:
    """All sections and clauses in the order of their start; a node's span holds all that is below it."""
    walk = _Walk(_numbers_itself(text, blocks))
    for block in blocks:
        plain = text[block.start : block.end]
        if block.is_heading and not _NUMBERED_HEADING.match(plain):
            walk.part(plain)
        elif walk.nodes and (_FOOTER.search(plain[:200]) or (title and plain.startswith(title))):
            walk.close(0)
        else:
            walk.enter(block, plain)
    return walk.nodes


@dataclass(slots=True)
class _Walk:
    """The way through the blocks: nodes found, those still open, and where the numbering stands."""

    counts_itself: bool
    nodes: list[Node] = field(default_factory=list)
    open: list[Node] = field(default_factory=list)
    letters: list[tuple[str, str]] = field(default_factory=list)
    last_top: int = 0
    new_part: str = ""
    prefix: str = ""

    def part(self, heading: str) -> None:
        """An unnumbered heading: a section does not reach beyond it; numbers may start again under it."""
        self.close(0)
        self.new_part = heading

    def close(self, depth: int) -> None:
        """Close what is open at this depth and below."""
        self.open = [node for node in self.open if node.depth < depth]

    def enter(self, block: Block, plain: str) -> None:
        """Take in a block: as the start of a node, or as more text of those that are open."""
        number = _NUMBERED_HEADING.match(plain) if block.is_heading else NUMBER.match(plain)
        letter = LETTER.match(plain)
        if number:
            digits = next(group for group in number.groups() if group)
            self._numbered(digits, block, plain, number.end())
        elif letter and self.open and _kinds(letter[1]):
            self._lettered(letter[1], block, plain, letter.end())
        elif self.open and (term := _defined(block.raw, plain)):
            self.letters = []
            base = self._base(_TERM_DEPTH)
            self._add(Node(f'{base} "{term}"', _TERM_DEPTH, block.start, block.end, term=term))
        for node in self.open:
            node.end = block.end

    def _numbered(self, digits: str, block: Block, plain: str, end: int) -> None:
        depth = digits.count(".")
        if depth == 0:
            number = self.last_top + 1 if self.counts_itself else int(digits)
            if number <= self.last_top and not self.new_part and self.open:
                self._lettered(digits, block, plain, end)  # a list inside a section
                return
            if number <= self.last_top and self.new_part:
                self.prefix = f"{self.new_part} / "
            self.last_top, self.new_part, digits = number, "", str(number)
        self.letters = []
        content = plain[end:]
        node = Node(f"{self.prefix}{digits}", depth, block.start, block.end, _heading(block.raw, content))
        node.term = _defined(block.raw, content)
        self._add(node)

    def _lettered(self, label: str, block: Block, plain: str, end: int) -> None:
        level = _level(self.letters, label)
        kind = _kind_at(self.letters, label, level)
        self.letters = [*self.letters[:level], (kind, label)]
        depth = _LETTER_DEPTH + level
        path = f"{self._base(depth)}({label})"
        self._add(Node(path, depth, block.start, block.end, _heading(block.raw, plain[end:])))

    def _base(self, depth: int) -> str:
        above = [node for node in self.open if node.depth < depth]
        return above[-1].path if above else self.prefix.rstrip(" /")

    def _add(self, node: Node) -> None:
        self.close(node.depth)
        self.nodes.append(node)
        self.open.append(node)


def _numbers_itself(text: str, blocks: list[Block]) -> bool:
    """Whether every top-level number is 1, as Markdown allows: the reader is meant to count."""
    matches = (NUMBER.match(text, block.start, block.end) for block in blocks)
    tops = [match[2] for match in matches if match and match[2]]
    return len(tops) > 1 and set(tops) == {"1"}


def _defined(raw: str, plain: str) -> str | None:
    """The term that a block defines, if it begins with one."""
    quoted = TERM.match(plain)
    if quoted and _DEFINES.search(plain, quoted.end(), quoted.end() + 160):
        return quoted[1].strip()
    bold = _BOLD_TERM.match(raw)
    return bold[1].strip(' .:“”"') if bold else None


def _heading(raw: str, content: str) -> str | None:
    """The words before the first stop, if they are set off or written like a title."""
    lead = _LEAD.match(content)
    if not lead:
        return None
    words = [word.strip("“”\"'()") for word in lead[1].split()]
    like_a_title = len(words) <= 12 and all(
        word.lower() in _SMALL or not word[:1].isalpha() or word[:1].isupper() for word in words
    )
    return lead[1].strip() if like_a_title or _EMPHASISED.match(raw) else None


def _kinds(label: str) -> list[str]:
    """The counting systems a label can belong to; none for a word in brackets."""
    if label.isdigit():
        return ["digit"]
    if label.isupper():
        return ["capital"]
    single = len(label) == 1 or (len(label) == 2 and label[0] == label[1] and label not in _ROMAN)
    return ([] if not single else ["alpha"]) + (["roman"] if label in _ROMAN else [])


def _level(letters: list[tuple[str, str]], label: str) -> int:
    """The level a label belongs to: where it goes on counting, else below, if it starts, else where it fits."""
    for level in reversed(range(len(letters))):
        kind, last = letters[level]
        if kind in _kinds(label) and _after(kind, last) == label:
            return level
    if any(_first(kind) == label for kind in _kinds(label)):
        started = [level for level, (kind, last) in enumerate(letters) if last == label]
        return started[0] if started else len(letters)
    fitting = [level for level, (kind, _) in enumerate(letters) if kind in _kinds(label)]
    return fitting[-1] if fitting else len(letters)


def _kind_at(letters: list[tuple[str, str]], label: str, level: int) -> str:
    kinds = _kinds(label)
    if level < len(letters) and letters[level][0] in kinds:
        return letters[level][0]
    starting = [kind for kind in kinds if _first(kind) == label]
    return (starting or kinds)[0]


def _first(kind: str) -> str:
    return dict(zip(_KINDS, ("a", "i", "A", "1"), strict=True))[kind]


def _after(kind: str, label: str) -> str:
    if kind == "digit":
        return str(int(label) + 1)
    if kind == "roman":
        position = _ROMAN.index(label) + 1
        return _ROMAN[position] if position < len(_ROMAN) else ""
    return ("aa" if label == "z" else chr(ord(label[0]) + 1)) if len(label) == 1 else chr(ord(label[0]) + 1) * 2
