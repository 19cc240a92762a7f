"""What the styles of a Word document say of a paragraph: its list, its level as a heading, whether it is bold."""

import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from bootstrap_assets.documents.extraction.docx_numbering import W, value, whole

_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_MOST_ANCESTORS = 20
_OFF = ("0", "false", "off", "none")


@dataclass(frozen=True, slots=True)
class Style:
    """A paragraph style with what it inherits; what nobody says is None."""

    level: int | None = None
    list_id: str | None = None
    list_level: int | None = None
    is_bold: bool | None = None

    def over(self, base: "Style") -> "Style":
        """This style, and where it says nothing, the other."""
        return Style(
            self.level if self.level is not None else base.level,
            self.list_id if self.list_id is not None else base.list_id,
            self.list_level if self.list_level is not None else base.list_level,
            self.is_bold if self.is_bold is not None else base.is_bold,
        )


@dataclass(slots=True)
class Styles:
    """The styles of a document by their ids."""

    _nodes: dict[str, Element]
    _default: str = ""
    _resolved: dict[str, Style] = field(default_factory=dict)

    def of(self, style_id: str) -> Style:
        """A style with what it inherits; the document's default style for an empty id."""
        style_id = style_id or self._default
        if style_id not in self._resolved:
            self._resolved[style_id] = self._resolve(style_id)
        return self._resolved[style_id]

    def _resolve(self, style_id: str) -> Style:
        style = Style()
        for _ in range(_MOST_ANCESTORS):  # a style can name itself among its ancestors
            node = self._nodes.get(style_id)
            if node is None:
                break
            style = style.over(_own(node))
            style_id = value(node.find(f"{W}basedOn"))
        return style


def read_styles(root: Element | None) -> Styles:
    """The styles from the root of a document's styles part; none where it has none."""
    nodes = [] if root is None else root.findall(f"{W}style")
    defaults = [
        node.get(f"{W}styleId", "")
        for node in nodes
        if node.get(f"{W}type") == "paragraph" and node.get(f"{W}default") in ("1", "true")
    ]
    return Styles({node.get(f"{W}styleId", ""): node for node in nodes}, defaults[0] if defaults else "")


def paragraph_style(properties: Element | None) -> Style:
    """What the properties of a paragraph say themselves."""
    if properties is None:
        return Style()
    outline = properties.find(f"{W}outlineLvl")
    level = whole(value(outline), 9) + 1 if outline is not None else None
    numbers = properties.find(f"{W}numPr")
    if numbers is None:
        return Style(level=level if level and level < 10 else None)
    list_level = numbers.find(f"{W}ilvl")
    list_id = numbers.find(f"{W}numId")
    return Style(
        level if level and level < 10 else None,
        None if list_id is None else value(list_id),
        None if list_level is None else whole(value(list_level), 0),
    )


def is_on(properties: Element | None, name: str) -> bool | None:
    """Whether a run's property such as w:b is on; None where nothing is said."""
    node = None if properties is None else properties.find(f"{W}{name}")
    return None if node is None else value(node) not in _OFF


def _own(node: Element) -> Style:
    style = paragraph_style(node.find(f"{W}pPr"))
    name = value(node.find(f"{W}name"))
    level = style.level
    if match := _HEADING.fullmatch(name):
        level = int(match[1])
    elif name.lower() == "title":
        level = 1
    return Style(level, style.list_id, style.list_level, is_on(node.find(f"{W}rPr"), "b"))
