"""What a query captured, put in order, and what else can be read off the nodes."""

from collections.abc import Iterator

from tree_sitter import Node

Captures = dict[str, list[Node]]
Event = tuple[int, int, bool, str, Node, Captures]
"""Start and negative end (bytes), whether it opens no scope, what it is, its node, and the captures."""

DOCSTRING = 4000
"""Characters of a docstring that are kept."""


def each_once(events: list[Event]) -> Iterator[Event]:
    """A function that is the value of what it is named by opens one scope; what is defined is not bound as
    well."""
    inner = {one.id for *_, captures in events for one in captures.get("same", ())}
    fullest: dict[tuple[int, int], Captures] = {}
    for *_, main, node, captures in events:
        key = _key(node, captures)
        if main.startswith("definition") and len(captures) > len(fullest.get(key, ())):
            fullest[key] = captures
    defined = {node for node, _ in fullest}
    for event in events:
        main, node, captures = event[3:]
        if main.startswith("definition") and fullest[_key(node, captures)] is not captures:
            continue
        if not (main.startswith("scope") and node.id in inner) and not (main == "bind" and node.id in defined):
            yield event


def _key(node: Node, captures: Captures) -> tuple[int, int]:
    name = first(captures, "name")
    return node.id, name.start_byte if name is not None else 0


def first(captures: Captures, name: str) -> Node | None:
    """The first node under a name; None where there is none."""
    return captures[name][0] if captures.get(name) else None


def place(node: Node) -> tuple[int, int]:
    """The line and column of a chain's last name, where an editor would ask for its definition."""
    last = node
    while last.named_child_count and last.type not in ("string", "template_string"):
        inner = next((one for f in _LAST if (one := last.child_by_field_name(f)) is not None), None)
        if inner is None:
            break
        last = inner
    return last.start_point[0] + 1, last.start_point[1]


_LAST = ("attribute", "property", "field", "name", "function", "constructor", "callee", "macro", "type")


def comments_above(node: Node) -> str:
    """The comments that end on the line above a node, without their marks."""
    lines: list[str] = []
    at, row = node.prev_sibling, node.start_point[0]
    while at is not None and "comment" in at.type and at.end_point[0] >= row - 1:
        lines.insert(0, (at.text or b"")[: DOCSTRING * 2].decode("utf-8", "replace"))
        row = at.start_point[0]
        at = at.prev_sibling
    stripped = (line.strip().lstrip("/*!#-").removesuffix("*/").strip() for line in "\n".join(lines).split("\n"))
    return "\n".join(stripped).strip()


def first_error(root: Node) -> int:
    """The line of the first broken place."""
    node = root
    while True:
        inner = next((child for child in node.children if child.has_error or child.is_missing), None)
        if inner is None or node.is_error:
            return int(node.start_point[0]) + 1
        node = inner
