"""Expressions of a syntax tree as chains: `self.pool.get().rows[].id` (see symbols.py)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tree_sitter import Node

Leaf = Callable[[Node], str | None]
"""What a language says of an expression of its own."""

LONGEST = 24
"""Parts that a chain may have; what is longer begins with `<?>`."""

_WIDEST = 300  # bytes of one name


@dataclass(frozen=True)
class ChainRules:
    """Which nodes of a grammar are what in a chain; fields are those that lead on to the inner expression.

    `invocations` are calls that hold the object and the name themselves.
    """

    members: Mapping[str, tuple[str, str]]
    calls: Mapping[str, str]
    elements: Mapping[str, str] = field(default_factory=dict)
    wraps: frozenset[str] = frozenset()
    leaves: frozenset[str] = frozenset({"identifier"})
    literals: Mapping[str, str] = field(default_factory=dict)
    invocations: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    choices: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def chain(self, node: Node | None, leaf: Leaf) -> str:
        """The chain of an expression; `<?>` for what none can say."""
        parts: list[str] = []
        while node is not None and len(parts) < LONGEST:
            own = leaf(node)
            part, inner = (own, None) if own is not None else self._step(node)
            parts.append(part)
            if inner is None:
                break
            node = inner
        else:
            parts.append("<?>")
        return "".join(reversed(parts))

    def chains(self, node: Node | None, leaf: Leaf) -> Iterator[str]:
        """The chains of an expression that has one of several values: `a if c else b`, `a or b`."""
        waiting = [node] if node is not None else []
        for _ in range(8):
            if not waiting:
                return
            one = self._unwrapped(waiting.pop())
            places = self.choices.get(one.type)
            if places is None:
                yield self.chain(one, leaf)
                continue
            inner = [part for place in places if (part := child(one, place)) is not None]
            waiting += reversed(inner)

    def _unwrapped(self, node: Node) -> Node:
        while node.type in self.wraps and (inner := child(node)) is not None:
            node = inner
        return node

    def _step(self, node: Node) -> tuple[str, Node | None]:
        kind = node.type
        if kind in self.leaves:
            return text(node), None
        if kind in self.members:
            inner, name = (node.child_by_field_name(one) for one in self.members[kind])
            return ("." + text(name), inner) if inner is not None and name is not None else ("<?>", None)
        if kind in self.invocations:
            inner, name = (node.child_by_field_name(one) for one in self.invocations[kind])
            return ("." if inner is not None else "") + text(name) + "()", inner
        if kind in self.calls:
            return "()", node.child_by_field_name(self.calls[kind])
        if kind in self.elements:
            return "[]", node.child_by_field_name(self.elements[kind])
        if kind in self.wraps:
            return "", child(node)
        return f"<{self.literals.get(kind, '?')}>", None


def child(node: Node | None, place: int = 0) -> Node | None:
    """The nth named child; None where there is none."""
    return node.named_child(place) if node is not None and place < node.named_child_count else None


def text(node: Node | None) -> str:
    """The source of a node; what is not UTF-8 in it is replaced, and more than a name's length cut off."""
    raw = node.text if node is not None else None
    return raw[:_WIDEST].decode("utf-8", "replace") if raw else ""


def one_line(raw: bytes, longest: int = 300) -> str:
    """Source on one line, cut off where it is longer."""
    line = " ".join(raw[: longest * 4].decode("utf-8", "replace").split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
