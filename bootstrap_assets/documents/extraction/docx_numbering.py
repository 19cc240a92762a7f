"""Numbers of Word's lists and headings: it keeps how to count, and prints them only when it shows a text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from xml.etree.ElementTree import Element

from bootstrap_assets.documents.extraction.numerals import FORMATS

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
LEVELS = 9
BULLET = "•"
_PLACE = re.compile(r"%([1-9])")


@dataclass(frozen=True, slots=True)
class Level:
    """How one level of a list is counted: its first number, its format, and its label ("%1.%2")."""

    start: int = 1
    style: str = "decimal"
    label: str = ""
    restarts_after: int | None = None
    is_legal: bool = False


@dataclass(slots=True)
class _List:
    """A list of a document (w:num): the counters it shares, its levels, and the levels that it begins anew."""

    abstract: str
    levels: dict[int, Level]
    starts: dict[int, int]


@dataclass(slots=True)
class Numbering:
    """The lists of a document, and how far each has been counted."""

    _lists: dict[str, _List]
    _counters: dict[str, list[int | None]] = field(default_factory=dict)
    _begun: set[str] = field(default_factory=set)

    def label(self, list_id: str, level: int) -> str:
        """What stands before the next paragraph of a list at a level; empty where nothing is printed."""
        numbered = self._lists.get(list_id)
        if numbered is None or not 0 <= level < LEVELS or level not in numbered.levels:
            return ""
        counters = self._counters.setdefault(numbered.abstract, [None] * LEVELS)
        if list_id not in self._begun:
            self._begun.add(list_id)
            for place in numbered.starts:
                counters[place:] = [None] * (LEVELS - place)
        self._count(numbered, counters, level)
        return _print_number(numbered, counters, level)

    def _count(self, numbered: _List, counters: list[int | None], level: int) -> None:
        for place in range(level):
            if counters[place] is None:
                counters[place] = _start(numbered, place)
        current = counters[level]
        counters[level] = _start(numbered, level) if current is None else current + 1
        for place in range(level + 1, LEVELS):
            after = numbered.levels.get(place, Level()).restarts_after
            if after is None or (after and level < after):
                counters[place] = None


def read_numbering(root: Element | None) -> Numbering:
    """The lists of a document from the root of its numbering part; none where it has none."""
    if root is None:
        return Numbering({})
    abstracts = {node.get(f"{W}abstractNumId", ""): node for node in root.findall(f"{W}abstractNum")}
    numbers = root.findall(f"{W}num")
    styled = {
        value(node.find(f"{W}styleLink")): node
        for node in abstracts.values()
        if node.find(f"{W}styleLink") is not None
    }
    return Numbering({node.get(f"{W}numId", ""): _list(node, abstracts, styled) for node in numbers})


def value(node: Element | None) -> str:
    """The w:val of an element; empty where there is none."""
    return "" if node is None else node.get(f"{W}val", "")


def whole(text: str, otherwise: int) -> int:
    """A whole number, or another where the text is none."""
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else otherwise


def _list(node: Element, abstracts: Mapping[str, Element], styled: Mapping[str, Element]) -> _List:
    abstract_id = value(node.find(f"{W}abstractNumId"))
    abstract = abstracts.get(abstract_id)
    if abstract is not None and (link := value(abstract.find(f"{W}numStyleLink"))) in styled:
        abstract = styled[link]
        abstract_id = abstract.get(f"{W}abstractNumId", "")
    levels = _levels(abstract) if abstract is not None else {}
    starts = {}
    for override in node.findall(f"{W}lvlOverride"):
        place = whole(override.get(f"{W}ilvl", ""), 0)
        levels |= _levels(override)
        if (start := override.find(f"{W}startOverride")) is not None and 0 <= place < LEVELS:
            starts[place] = whole(value(start), 1)
            levels[place] = replace(levels.get(place, Level()), start=starts[place])
    return _List(abstract_id, levels, starts)


def _levels(parent: Element) -> dict[int, Level]:
    return {whole(node.get(f"{W}ilvl", ""), 0): _level(node) for node in parent.findall(f"{W}lvl")}


def _level(node: Element) -> Level:
    restart = node.find(f"{W}lvlRestart")
    return Level(
        start=whole(value(node.find(f"{W}start")), 0 if node.find(f"{W}start") is None else 1),
        style=value(node.find(f"{W}numFmt")) or "decimal",
        label=value(node.find(f"{W}lvlText")),
        restarts_after=None if restart is None else whole(value(restart), 0),
        is_legal=node.find(f"{W}isLgl") is not None,
    )


def _start(numbered: _List, place: int) -> int:
    return numbered.levels.get(place, Level()).start


def _print_number(numbered: _List, counters: list[int | None], level: int) -> str:
    own = numbered.levels[level]
    if own.style == "bullet":
        return BULLET
    if own.style == "none":
        return _PLACE.sub("", own.label).strip()

    def number(match: re.Match[str]) -> str:
        place = int(match[1]) - 1
        style = numbered.levels.get(place, Level()).style
        count = counters[place] if counters[place] is not None else _start(numbered, place)
        is_decimal = own.is_legal or style not in FORMATS
        return str(count) if is_decimal else FORMATS[style](count or 0)

    return _PLACE.sub(number, own.label).strip()
