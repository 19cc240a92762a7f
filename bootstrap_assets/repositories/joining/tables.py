"""The names of one file, scope by scope."""

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property

from bootstrap_assets.repositories.symbols import Binding, Import, Parsed, Scope, Symbol

_HOMES = ("class", "object", "namespace")


class FileTable:
    """One file of a repository, with its names ready to be looked up."""

    def __init__(self, path: str, parsed: Parsed) -> None:
        self.path = path
        self.parsed = parsed
        self.symbols: dict[tuple[int, str], list[int]] = defaultdict(list)
        self.imports: dict[tuple[int, str], list[Import]] = defaultdict(list)
        self.bindings: dict[tuple[int, str], list[Binding]] = defaultdict(list)
        self.stars: list[Import] = [one for one in parsed.imports if one.name == "*"]
        for number, one in enumerate(parsed.symbols):
            self.symbols[one.scope, one.name].append(number)
        for row in parsed.imports:
            self.imports[row.scope, row.alias].append(row)
        for binding in parsed.bindings:
            self.bindings[binding.scope, binding.name].append(binding)

    def scope(self, number: int) -> Scope:
        """A scope by its number."""
        return self.parsed.scopes[number]

    def symbol(self, number: int) -> Symbol:
        """A symbol by its number."""
        return self.parsed.symbols[number]

    def home(self, scope: int) -> int:
        """The scope of the class or object around a scope, -1 where there is none."""
        while scope >= 0 and self.scope(scope).kind not in (*_HOMES[:2], "impl"):
            scope = self.scope(scope).parent
        return scope

    @cached_property
    def bases(self) -> dict[int, list[str]]:
        """The chains of what each class inherits from, by the class' own scope."""
        result: dict[int, list[str]] = defaultdict(list)
        for mention in self.parsed.mentions:
            if mention.kind == "inheritance":
                result[mention.scope].append(mention.chain)
        return result

    @cached_property
    def attributes(self) -> dict[tuple[int, str], list[Binding]]:
        """What methods assign to members (`self.x = …`, `this.x = …`), by the class' scope and the name."""
        result: dict[tuple[int, str], list[Binding]] = defaultdict(list)
        for one in self.parsed.bindings:
            head, dot, name = one.name.partition(".")
            if dot and "." not in name and "[" not in name and head in self._selves(one.scope):
                home = self.home(one.scope)
                if home >= 0:
                    result[home, name].append(one)
        return result

    def _selves(self, scope: int) -> set[str]:
        """The names of the object itself in a scope."""
        names = {"this"}
        while scope >= 0 and self.scope(scope).kind not in _HOMES:
            names |= self._firsts.get(scope, set())
            scope = self.scope(scope).parent
        return names

    @cached_property
    def _firsts(self) -> dict[int, set[str]]:
        result: dict[int, set[str]] = defaultdict(set)
        for one in self.parsed.bindings:
            if one.how == "first" and self.scope(one.scope).kind == "method":
                result[one.scope].add(one.name)
        return result


class Tables(dict[str, FileTable]):
    """The tables of files, by path: each is made when it is first needed, and here since the last `clear`."""

    def __init__(self, files: Mapping[str, Parsed]) -> None:
        super().__init__()
        self._files = files
        self._all: dict[str, FileTable] = {}

    def __missing__(self, path: str) -> FileTable:
        if path not in self._all:
            self._all[path] = FileTable(path, self._files[path])
        self[path] = self._all[path]
        return self[path]
