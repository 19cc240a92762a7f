"""What a family of languages adds to scopes and classes: here that of a language without any of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from bootstrap_assets.repositories.joining.values import Value, instance, symbol
from bootstrap_assets.repositories.symbols import Import, Mention, Parsed, Symbol

if TYPE_CHECKING:
    from bootstrap_assets.repositories.joining.resolver import Resolver
    from bootstrap_assets.repositories.joining.tables import FileTable


class Imports:
    """Where imports lead, and what a name stands for beyond the scopes of its file."""

    members_are_names = False  # a method calls another of its class by the name alone
    members_are_seen = False  # as in Python, where a class' body sees its own names, and its methods do not
    names_are_whole = False  # a dot is part of a name
    reads_all = True  # a name may lead anywhere: with any changed file of the family all are resolved anew
    builtins: ClassVar[frozenset[str]] = frozenset()
    common_members: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, files: Mapping[str, Parsed], others: Mapping[str, bytes]) -> None:
        self.files = files
        self.others = others
        self._outside: dict[tuple[str, str], list[Value]] | None = None

    def direct(self, resolver: Resolver, path: str, mention: Mention) -> list[Value] | None:
        """What a mention means in a language without scopes; None where scopes decide."""
        return None

    def own(self, resolver: Resolver, path: str, scope: int, name: str) -> list[Value] | None:
        """What a word of the language stands for in a scope: `this`, `super`; None for any other name."""
        return None

    def first(self, resolver: Resolver, path: str, scope: int) -> list[Value]:
        """What the first parameter of a method is."""
        return []

    def find(self, resolver: Resolver, path: str, row: Import) -> list[Value]:
        """What an import brings."""
        return []

    def beyond(self, resolver: Resolver, path: str, name: str) -> list[Value]:
        """What a name stands for that no scope of its file has."""
        return [Value("builtin", name=name)] if name in self.builtins else []

    def member(self, resolver: Resolver, value: Value, name: str) -> list[Value]:
        """A member of a file or namespace."""
        return resolver.local(value.path, 0, name) if value.kind == "file" else []

    def extra_member(self, resolver: Resolver, path: str, number: int, name: str) -> list[Value]:
        """A member of a class that is not written inside it; the one in the nearest file."""
        owner = resolver.tables[path].symbol(number).name
        result = self._owned(resolver).get((owner, name), ())
        near = [one for one in result if one.path == path] or [
            one for one in result if one.path.rpartition("/")[0] == path.rpartition("/")[0]
        ]
        return near[:1] or (list(result) if len(result) == 1 else [])

    def _owned(self, resolver: Resolver) -> dict[tuple[str, str], list[Value]]:
        """What is written outside the class that it belongs to, by the class' name and its own."""
        if self._outside is None:
            self._outside = defaultdict(list)
            for path in () if not self.reads_all else self.files:
                table = resolver.tables[path]
                for number, one in enumerate(table.parsed.symbols):
                    owner = _owner(table, one)
                    if owner:
                        self._outside[owner, one.name].append(symbol(path, number))
        return self._outside


def _owner(table: FileTable, one: Symbol) -> str:
    """The name of the type that a symbol is written for, where it stands outside of it."""
    own = table.scope(one.own_scope).owner if one.own_scope >= 0 else ""
    around = table.scope(one.scope)
    return (own or around.owner).lstrip("*").rpartition(".")[2]


def home_class(resolver: Resolver, path: str, scope: int) -> Value | None:
    """The class or object that code in a scope belongs to."""
    table = resolver.tables[path]
    while scope >= 0:
        one = table.scope(scope)
        if one.owner:
            owners = resolver.evaluate(path, one.parent, one.owner.lstrip("*"))
            return next((value for value in owners if value.kind == "symbol"), None)
        if one.kind in ("class", "object"):
            return symbol(path, one.symbol) if one.symbol >= 0 else None
        scope = one.parent
    return None


def this_of(resolver: Resolver, path: str, scope: int) -> list[Value]:
    """The object that code in a scope belongs to; of an object literal, the literal itself."""
    home = home_class(resolver, path, scope)
    if home is None:
        return []
    table = resolver.tables[home.path]
    is_object = table.scope(table.symbol(home.number).own_scope).kind == "object"
    return [home if is_object else instance(home.path, home.number)]


def super_of(resolver: Resolver, path: str, scope: int) -> list[Value]:
    """What the class around a scope inherits from."""
    home = home_class(resolver, path, scope)
    return [Value("super", home.path, home.number)] if home else []
