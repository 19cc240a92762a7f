"""Cycles of a graph: its strongly connected components, by Tarjan's algorithm without recursion."""

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def cycles(edges: Mapping[Node, Iterable[Node]]) -> list[list[Node]]:
    """The components of more than one node, and the nodes with an edge to themselves, each in the order met."""
    order: dict[Node, int] = {}
    low: dict[Node, int] = {}
    stack: list[Node] = []
    waiting: set[Node] = set()
    groups: list[list[Node]] = []
    for root in edges:
        if root in order:
            continue
        trail = [(root, iter(edges.get(root, ())))]
        order[root] = low[root] = len(order)
        stack.append(root)
        waiting.add(root)
        while trail:
            node, targets = trail[-1]
            target = next((one for one in targets if one not in order or one in waiting), None)
            if target is None:
                trail.pop()
                if trail:
                    low[trail[-1][0]] = min(low[trail[-1][0]], low[node])
                if low[node] == order[node]:
                    groups.append(_component(stack, waiting, node))
            elif target in order:
                low[node] = min(low[node], order[target])
            else:
                order[target] = low[target] = len(order)
                stack.append(target)
                waiting.add(target)
                trail.append((target, iter(edges.get(target, ()))))
    return [one for one in groups if len(one) > 1 or one[0] in set(edges.get(one[0], ()))]


def _component(stack: list[Node], waiting: set[Node], root: Node) -> list[Node]:
    component = []
    while True:
        node = stack.pop()
        waiting.discard(node)
        component.append(node)
        if node == root:
            return component[::-1]
