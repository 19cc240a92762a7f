"""What depends on what: file on file, file on package, and the cycles among files."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bootstrap_assets.repositories.components import cycles
from bootstrap_assets.repositories.manifests import packages_of
from bootstrap_assets.repositories.references import Reference

_LEAST = 0.9
"""Confidence that a reference needs so that one file depends on another: a guess by name is not enough."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Edges, sorted, each once, and the strongly connected components of more than one file."""

    files: list[tuple[str, str]] = field(default_factory=list)
    packages: list[tuple[str, str]] = field(default_factory=list)
    cycles: list[list[str]] = field(default_factory=list)


Edges = tuple[Iterable[tuple[str, str]], Iterable[tuple[str, str]]]
"""File on file, and file on package."""


def dependencies_of(
    references: Iterable[Reference], others: Mapping[str, bytes], edges: Edges = ((), ())
) -> Dependencies:
    """The edges that references and manifests (`others`, by path) give, and `edges` that there are already."""
    files, packages = map(set, edges)
    for one in references:
        if one.to_path and one.to_path != one.path and one.confidence >= _LEAST:
            files.add((one.path, one.to_path))
        elif one.package and one.package != "builtins" and one.kind == "import":
            packages.add((one.path, one.package))
    for path, content in others.items():
        packages.update((path, name) for name in packages_of(path.rpartition("/")[2], content))
    return Dependencies(sorted(files), sorted(packages), _cycles(sorted(files)))


def _cycles(edges: list[tuple[str, str]]) -> list[list[str]]:
    graph: dict[str, list[str]] = defaultdict(list)
    for start, end in edges:
        graph[start].append(end)
    return sorted(sorted(one) for one in cycles(dict(graph)))
