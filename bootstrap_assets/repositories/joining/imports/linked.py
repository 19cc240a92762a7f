"""Markdown, SQL and CommonAccord's prose objects: links, names that a whole repository shares, includes."""

from __future__ import annotations

import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bootstrap_assets.repositories.joining.imports.base import Imports
from bootstrap_assets.repositories.joining.values import Value, symbol
from bootstrap_assets.repositories.symbols import Import, Mention, Parsed

if TYPE_CHECKING:
    from bootstrap_assets.repositories.joining.resolver import Resolver

_MOST = 2000  # includes that one placeholder is looked for in


class MarkdownImports(Imports):
    """A link means a file of the repository, relative to the one that it stands in."""

    reads_all = False

    def find(self, resolver: Resolver, path: str, row: Import) -> list[Value]:
        """The file that a link leads to."""
        target = unquote(row.module)
        base = "" if target.startswith("/") else posixpath.dirname(path)
        place = posixpath.normpath(posixpath.join(base, target.lstrip("/")))
        return [Value("file", place)] if place in self.files or place in self.others else []


class SqlImports(Imports):
    """Tables and functions are known in all files; the first that creates one has it, later ones change it."""

    def __init__(self, files: Mapping[str, Parsed], others: Mapping[str, bytes]) -> None:
        super().__init__(files, others)
        self._created: dict[str, Value] = {}
        for path, parsed in sorted(files.items()):
            for number, one in enumerate(parsed.symbols):
                self._created.setdefault(one.name, symbol(path, number))

    def direct(self, resolver: Resolver, path: str, mention: Mention) -> list[Value] | None:
        """What is created under a name."""
        own = [symbol(path, number) for number in resolver.tables[path].symbols.get((0, mention.chain), ())]
        result = self._created.get(mention.chain)
        return own[:1] or ([result] if result else [])


class ProseImports(Imports):
    """A key is looked up in its file, then, without the prefix of the include line, in what that includes."""

    names_are_whole = True

    def __init__(self, files: Mapping[str, Parsed], others: Mapping[str, bytes]) -> None:
        super().__init__(files, others)
        self._includes: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._roots = _library_roots(files)
        for path, parsed in files.items():
            for row in parsed.imports:
                place = self._located(path, row.module)
                if place is not None:
                    self._includes[path].append((row.alias, place))

    def _located(self, path: str, target: str) -> str | None:
        """The file of an include: its path counts from the library's root, which is a folder above."""
        name_ = unicodedata.normalize("NFC", target.strip())
        base = "/".join(part for part in name_.split("/") if part not in ("", ".", ".."))
        for root in self._roots:
            for one in (base, f"{base}.md", f"{base}/0.md"):
                place = posixpath.join(root, one)
                if place in self.files or place in self.others:
                    return place
        return None

    def find(self, resolver: Resolver, path: str, row: Import) -> list[Value]:
        """The file that is included."""
        place = self._located(path, row.module)
        return [Value("file", place)] if place else []

    def direct(self, resolver: Resolver, path: str, mention: Mention) -> list[Value] | None:
        """The key that a placeholder means, as far as this file and what it includes say."""
        for place, key in self._places(path, mention.chain):
            numbers = resolver.tables[place].symbols.get((0, key), ()) if place in self.files else ()
            if numbers:
                return [symbol(place, numbers[0])]
        return []

    def _places(self, path: str, key: str) -> Iterator[tuple[str, str]]:
        waiting, visited = [(path, key)], {(path, key)}
        while waiting and len(visited) < _MOST:
            place, name = waiting.pop()
            yield place, name
            for prefix, other in reversed(self._includes.get(place, ())):
                step = (other, name[len(prefix) :])
                if name.startswith(prefix) and step[1] and step not in visited:
                    visited.add(step)
                    waiting.append(step)


def _library_roots(files: Mapping[str, Parsed]) -> list[str]:
    """Folders that include paths may count from: the repository, and each `Doc` folder in it."""
    roots = {""}
    for path in files:
        parts = path.split("/")
        roots.update("/".join(parts[: place + 1]) for place, part in enumerate(parts[:-1]) if part == "Doc")
    return sorted(roots, key=len, reverse=True)
