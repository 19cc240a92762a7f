"""What a reader gathers on its way through a file, scope by scope."""

from bootstrap_assets.repositories.symbols import (
    CLASSES,
    Binding,
    Import,
    Kind,
    Mention,
    Parsed,
    ReferenceKind,
    Scope,
    Symbol,
)

FUNCTIONS = frozenset({"function", "method", "lambda", "arrow", "closure"})
"""Kinds of scopes that a `return` belongs to."""


class Draft:
    """A file half read: the scopes that are open, outermost first, and what came so far."""

    def __init__(self, language: str, separator: str = ".") -> None:
        self.package = ""
        self._parsed = Parsed(language)
        self._separator = separator
        self._open: list[tuple[int, int | None, str]] = [(0, None, "")]  # scope, end byte, qualified name
        self._counts: dict[tuple[Kind, str], int] = {}
        self._variables: set[tuple[int, str]] = set()
        self._globals: set[tuple[int, str]] = set()
        self._places: set[tuple[int, int]] = set()

    @property
    def scope(self) -> int:
        """The number of the innermost open scope."""
        return self._open[-1][0]

    @property
    def inside(self) -> str:
        """The kind of the innermost open scope."""
        return self._parsed.scopes[self.scope].kind

    def leave(self, position: int) -> None:
        """Close the scopes that end before a position."""
        while (end := self._open[-1][1]) is not None and position >= end:
            self._open.pop()

    def open(self, kind: str, end: int, symbol: int = -1, owner: str = "", name: str = "") -> int:
        """Open a scope up to a byte; returns its number."""
        prefix = name or self._prefix(owner)
        self._parsed.scopes.append(Scope(self.scope, kind, symbol, owner))
        self._open.append((len(self._parsed.scopes) - 1, end, prefix))
        return self.scope

    def name_in_scope(self, name: str) -> str:
        """The qualified name of a scope without a symbol; empty where it has no name."""
        prefix = self._prefix("")
        return f"{prefix}{self._separator}{name}" if prefix and name else name

    def define(
        self,
        name: str,
        kind: Kind,
        signature: str = "",
        docstring: str = "",
        lines: tuple[int, int] = (0, 0),
        visibility: str = "public",
        returns: str = "",
        marks: tuple[str, ...] = (),
        owner: str = "",
        end: int | None = None,
    ) -> None:
        """Add a symbol to the open scope, and open its own where it has an end."""
        prefix = self._prefix(owner)
        qualified = f"{prefix}{self._separator}{name}" if prefix else name
        ordinal = self._counts.get((kind, qualified), 0)
        self._counts[kind, qualified] = ordinal + 1
        number, scope, own = len(self._parsed.symbols), self.scope, -1
        if end is not None:
            own = self.open(_scope_kind(kind), end, number, owner, qualified)
        self._parsed.symbols.append(
            Symbol(
                name,
                qualified,
                kind,
                signature,
                docstring,
                *lines,
                visibility,
                ordinal,
                scope,
                own,
                returns,
                marks,
            )
        )

    def variable(self, name: str, line: int, signature: str) -> None:
        """Add a variable of the file or a class, where it is not there yet."""
        if self.inside not in ("file", "class", "namespace") or "." in name or "<" in name or "[" in name:
            return
        if (self.scope, name) in self._variables:
            return
        self._variables.add((self.scope, name))
        kind = Kind.CONSTANT if name.isupper() else Kind.FIELD if self.inside == "class" else Kind.VARIABLE
        visibility = "private" if name.startswith("_") else "public"
        self.define(name, kind, signature, "", (line, line), visibility)

    def bind(self, name: str, how: str, chain: str = "") -> None:
        """A name gets a value in the open scope, or in the file where it was said to be global there."""
        if how == "global":
            self._globals.add((self.scope, name))
            return
        scope = 0 if (self.scope, name) in self._globals else self.scope
        self._parsed.bindings.append(Binding(scope, name, how, chain))

    def bind_member(self, name: str, chain: str) -> None:
        """The value of what was just defined, in the scope that it stands in."""
        last_scope = self._parsed.symbols[-1].own_scope if self._parsed.symbols else -1
        scope = self._open[-2][0] if last_scope == self.scope and last_scope >= 0 else self.scope
        self._parsed.bindings.append(Binding(scope, name, "value", chain))

    def give_back(self, how: str, chain: str) -> None:
        """What the innermost open function returns or yields."""
        for scope, _, _ in reversed(self._open):
            if self._parsed.scopes[scope].kind in FUNCTIONS:
                self._parsed.bindings.append(Binding(scope, "", how, chain))
                return

    def bring(self, one: Import) -> None:
        """Add an import to the open scope."""
        row = Import(one.module, one.name, one.alias, one.line, one.column, self.scope)
        self._parsed.imports.append(row)

    def export(self, one: Binding) -> None:
        """The file gives something to others, under a name."""
        self._parsed.bindings.append(Binding(0, f"export:{one.name}", one.how, one.chain))

    def mention(self, chain: str, kind: ReferenceKind, at: tuple[int, int]) -> None:
        """Add a raw reference; the first at a place, and none that ends in no name."""
        if chain and not chain.endswith(("()", "[]", ">")) and at not in self._places:
            self._places.add(at)
            self._parsed.mentions.append(Mention(chain, kind, *at, self.scope))

    def finish(self, lines: int) -> Parsed:
        """What was gathered, of a file with so many lines."""
        self._parsed.lines, self._parsed.package = lines, self.package
        return self._parsed

    def _prefix(self, owner: str) -> str:
        owned = owner.lstrip("*")
        prefix = self._open[-1][2]
        if not owned:
            return prefix
        return f"{prefix}{self._separator}{owned}" if prefix else owned


def _scope_kind(kind: Kind) -> str:
    if kind in CLASSES:
        return "class"
    return {Kind.METHOD: "method", Kind.FUNCTION: "function", Kind.MODULE: "namespace"}.get(kind, "object")
