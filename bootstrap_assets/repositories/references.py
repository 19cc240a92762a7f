"""References over the files of a repository: from where, to what, and how sure that is."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bootstrap_assets.repositories.joining.imports import imports_of
from bootstrap_assets.repositories.joining.resolver import Resolver
from bootstrap_assets.repositories.joining.values import Value, symbol
from bootstrap_assets.repositories.symbols import CALLABLE, CLASSES, Import, Mention, Parsed, ReferenceKind, Symbol

CONFIDENCE = {"scope": 0.99, "file": 0.97, "import": 0.95, "package": 0.93, "unique": 0.6}
"""How often a reference that was resolved so is right: see docs/repositories.md for what was measured."""

_SHORTEST = 4  # letters of a member's name that is looked for in the whole repository


@dataclass(frozen=True, slots=True)
class Reference:
    """One place in a file that refers to something.

    `scope` is the qualified name of the symbol around it. Where it could be resolved, `to_path` and `to_name` are
    the file and the qualified name of the symbol (empty: the file as a whole), or `package` what lies outside the
    repository. `how` is one of the keys of CONFIDENCE, `package` alone where it leads outside, and empty where it
    is
    not resolved.
    """

    path: str
    line: int
    column: int
    name: str
    kind: ReferenceKind
    scope: str = ""
    to_path: str = ""
    to_name: str = ""
    to_line: int = 0
    package: str = ""
    how: str = ""
    confidence: float = 0.0


FAMILY = {"typescript": "javascript", "tsx": "javascript", "cpp": "c"}
"""Languages that import each other's files."""

Homes = Mapping[str, Sequence[str]]
"""The files that have a function or class of a name, one for each."""


def family_of(language: str) -> str:
    """The family of a language."""
    return FAMILY.get(language, language)


def references_of(files: Mapping[str, Parsed], others: Mapping[str, bytes]) -> Iterator[Reference]:
    """All references of a repository, file by file. `others`: manifests and settings that imports depend on."""
    families: dict[str, dict[str, Parsed]] = defaultdict(dict)
    for path, parsed in files.items():
        families[family_of(parsed.language)][path] = parsed
    for family, members in families.items():
        joined = Joined(family, members, others)
        for path in members:
            yield from joined.references(path)


class Joined:
    """The files of one family of languages, joined. `homes`: those of all files, where they are not read."""

    def __init__(
        self, family: str, files: Mapping[str, Parsed], others: Mapping[str, bytes], homes: Homes | None = None
    ) -> None:
        self.imports = imports_of(family, files, others)
        self.resolver = Resolver(files, self.imports)
        self._files = files
        self._homes = homes

    def references(self, path: str) -> list[Reference]:
        """Those of a file, imports first: they hang on it and its `reach`, not on what was asked before."""
        self.resolver.begin()
        parsed = self.resolver.tables[path].parsed
        imports = [self._imported(path, row) for row in parsed.imports]
        mentions = (self._mentioned(path, mention) for mention in parsed.mentions)
        return [*imports, *(one for one in mentions if one is not None)]

    def reach(self, path: str) -> list[str]:
        """The other files that were read for the references of the file that was asked for last."""
        return sorted(self.resolver.tables.keys() - {path})

    def _imported(self, path: str, row: Import) -> Reference:
        name = row.name if row.name not in ("", "*") else row.module
        bare = Import(row.module, "", "", row.line, row.column) if row.name == "*" else row
        values = self.imports.find(self.resolver, path, bare)
        place = (path, row.line, row.column, name, ReferenceKind.IMPORT, self._around(path, row.scope))
        return self._reference(place, path, row.scope, values[0] if values else None)

    def _mentioned(self, path: str, mention: Mention) -> Reference | None:
        """A mention as a reference; None for the use of a variable of its own function."""
        values = self._targets(path, mention)
        target = values[0] if values else None
        if target is not None and target.kind == "local":
            if mention.kind is ReferenceKind.USE:
                return None
            values = [one for one in self.resolver.settle([target]) if one.kind == "symbol"]
            target = values[0] if len(values) == 1 else None
            values = values or [Value("local")]
        name = mention.chain if self.imports.names_are_whole else mention.name
        place = (path, mention.line, mention.column, name, mention.kind, self._around(path, mention.scope))
        if not values:
            guess = self._unique(path, mention)
            return self._reference(place, path, mention.scope, guess, "unique" if guess else "")
        return self._reference(place, path, mention.scope, target)

    def _targets(self, path: str, mention: Mention) -> list[Value]:
        direct = self.imports.direct(self.resolver, path, mention)
        if direct is not None:
            return direct
        scope = mention.scope
        if mention.kind is ReferenceKind.INHERITANCE:  # a class' bases are looked up around it
            scope = max(0, self.resolver.tables[path].scope(scope).parent)
        return self.resolver.evaluate(path, scope, mention.chain, settled=False)

    def _reference(
        self,
        place: tuple[str, int, int, str, ReferenceKind, str],
        path: str,
        scope: int,
        target: Value | None,
        how: str = "",
    ) -> Reference:
        if target is None or target.kind in ("builtin", "local", "many", "unknown", "super", "namespace"):
            outside = "builtins" if target is not None and target.kind == "builtin" else ""
            return Reference(*place, package=outside, how="package" if outside else "")
        if target.kind == "package":
            return Reference(*place, package=target.name, how="package", confidence=CONFIDENCE["package"])
        how = how or self._how(path, scope, target)
        confidence = CONFIDENCE[how]
        if target.kind == "file":
            return Reference(*place, target.path, how=how, confidence=confidence)
        result = self.resolver.tables[target.path].symbol(target.number)
        return Reference(*place, target.path, result.qualified_name, result.line, how=how, confidence=confidence)

    def _how(self, path: str, scope: int, target: Value) -> str:
        if target.path != path:
            return "import"
        table = self.resolver.tables[path]
        if target.kind == "file":
            return "file"
        home = table.symbol(target.number).scope
        while scope > 0:
            if scope == home:
                return "scope"
            scope = table.scope(scope).parent
        return "file"

    def _around(self, path: str, scope: int) -> str:
        table = self.resolver.tables[path]
        while scope >= 0:
            number = table.scope(scope).symbol
            if number >= 0:
                return table.symbol(number).qualified_name
            scope = table.scope(scope).parent
        return ""

    def _unique(self, path: str, mention: Mention) -> Value | None:
        """The only member of that name in the repository, where what it is a member of is not known."""
        name = mention.name
        if mention.kind is not ReferenceKind.CALL or "." not in mention.chain:
            return None
        if len(name) < _SHORTEST or name in self.imports.common_members:
            return None
        homes = self._members.get(name, ())
        return self._member(homes[0], name) if len(homes) == 1 else None

    def _member(self, path: str, name: str) -> Value | None:
        numbers = (number for number, one in enumerate(self.resolver.tables[path].parsed.symbols)
                   if one.name == name and can_be_called(one))  # fmt: skip
        return next((symbol(path, number) for number in numbers), None)

    @cached_property
    def _members(self) -> Homes:
        if self._homes is not None:
            return self._homes
        result: dict[str, list[str]] = defaultdict(list)
        for path, parsed in self._files.items():
            for one in parsed.symbols:
                if can_be_called(one):
                    result[one.name].append(path)
        return result


def can_be_called(one: Symbol) -> bool:
    """Whether a symbol is a function or a class."""
    return one.kind in CALLABLE or one.kind in CLASSES
