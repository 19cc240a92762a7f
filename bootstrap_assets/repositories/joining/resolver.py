"""Evaluates chains over all files of a repository: a small interpreter that knows scopes, imports and classes."""

import re
from collections.abc import Iterable, Mapping

from bootstrap_assets.repositories.joining.imports.base import Imports
from bootstrap_assets.repositories.joining.tables import Tables
from bootstrap_assets.repositories.joining.values import Value, builtin, few, instance, instantiated, symbol
from bootstrap_assets.repositories.symbols import CALLABLE, CLASSES, Binding, Parsed

DEEPEST = 14
"""How many bindings, imports and types may hang on each other."""

_TOKENS = re.compile(r"<[^>]*>|\(\)|\[\]|[^.()\[\]<>]+")


class Resolver:
    """The files of a repository that are written in one family of languages."""

    def __init__(self, files: Mapping[str, Parsed], imports: Imports) -> None:
        self.tables = Tables(files)
        self.imports = imports
        self._memory: dict[tuple[str, int, str, bool | None], list[Value] | None] = {}
        self._linear: dict[tuple[str, int], list[tuple[str, int]]] = {}
        self._depth = 0

    def begin(self) -> None:
        """Forget what was found out: what is asked from now on is answered as if nothing had been asked before.

        So the references of a file do not hang on the order of files, and `tables` are those that they needed.
        """
        self.tables.clear()
        self._memory.clear()
        self._linear.clear()

    # What a chain stands for

    def evaluate(self, path: str, scope: int, chain: str, settled: bool = True) -> list[Value]:
        """What a chain, written in a scope of a file, stands for; empty where that is not known.

        `settled`: follow variables to their values; otherwise the last name's own definition is meant.
        """
        key = (path, scope, chain, settled)
        if key not in self._memory:
            if self._depth > DEEPEST:
                return []
            self._memory[key] = []  # what needs itself is not known
            self._depth += 1
            try:
                self._memory[key] = self._evaluate(path, scope, _TOKENS.findall(chain), settled)
            finally:
                self._depth -= 1
        return self._memory[key] or []

    def _evaluate(self, path: str, scope: int, tokens: list[str], settled: bool) -> list[Value]:
        if not tokens:
            return []
        values = self.head(path, scope, tokens[0])
        for token in tokens[1:]:
            values = few(one for value in self.settle(values) for one in self._step(value, token))
        return self.settle(values) if settled else values

    def head(self, path: str, scope: int, name: str) -> list[Value]:
        """What a name stands for in a scope: looked up outwards, then in what the language adds."""
        if name.startswith("<"):
            return self._literal(path, scope, name[1:-1])
        own = self.imports.own(self, path, scope, name)
        if own is not None:
            return own
        table, at = self.tables[path], scope
        while at >= 0:
            is_class = table.scope(at).kind in ("class", "object")
            if not is_class or (at == scope and self.imports.members_are_seen) or self.imports.members_are_names:
                result = self.local(path, at, name)
                if not result and is_class and self.imports.members_are_names:
                    result = self._inherited_name(path, at, name)
                if result:
                    return result
            at = table.scope(at).parent
        return self.imports.beyond(self, path, name)

    def _inherited_name(self, path: str, scope: int, name: str) -> list[Value]:
        number = self.tables[path].scope(scope).symbol
        return self.member(symbol(path, number), name) if number >= 0 else []

    def local(self, path: str, scope: int, name: str) -> list[Value]:
        """What a name stands for in one scope alone."""
        key = (path, scope, name, None)
        if key not in self._memory:
            self._memory[key] = []  # a circle of imports
            self._memory[key] = self._local(path, scope, name)
        return self._memory[key] or []

    def _local(self, path: str, scope: int, name: str) -> list[Value]:
        table = self.tables[path]
        kind = table.scope(scope).kind
        result = [
            symbol(path, number)
            for number in table.symbols.get((scope, name), ())
            if kind != "object"
            and (kind in ("class", "file", "namespace") or table.symbol(number).kind != "method")
        ]
        if result:
            return _last_of_each(self, result)
        from_imports = [
            one for row in table.imports.get((scope, name), ()) for one in self.imports.find(self, path, row)
        ]
        if from_imports or (scope, name) in table.imports:
            return few(from_imports)
        return [Value("local", path, scope, name)] if (scope, name) in table.bindings else []

    def _literal(self, path: str, scope: int, name: str) -> list[Value]:
        if name.startswith(":"):
            return self.of_type(path, scope, name[1:])
        return [] if name == "?" else [builtin(name)]

    # Values of variables

    def settle(self, values: Iterable[Value]) -> list[Value]:
        """Follow variables to what they hold; functions, classes and instances stay."""
        return few(one for value in values for one in self._settled(value))

    def _settled(self, value: Value) -> list[Value]:
        if value.kind == "local":
            return self.binding_of(value.path, value.number, value.name)
        if value.kind == "property":
            return self._returned(value)
        if value.kind != "symbol":
            return [value]
        result = self.tables[value.path].symbol(value.number)
        if result.kind in CLASSES or result.kind in CALLABLE or result.kind in ("type", "module"):
            return [value] if result.kind != "type" else self._alias(value)
        answers = self.binding_of(value.path, result.scope, result.name, value.number)
        if not answers and result.returns:
            answers = self.of_type(value.path, result.scope, result.returns)
        return answers or ([value] if result.own_scope >= 0 else [])

    def _alias(self, value: Value) -> list[Value]:
        result = self.tables[value.path].symbol(value.number)
        answers = self.evaluate(value.path, result.scope, result.returns) if result.returns else []
        return answers or [value]

    def binding_of(self, path: str, scope: int, name: str, number: int = -1) -> list[Value]:
        """What the bindings of a name in a scope give; of a class' member also those in its methods."""
        table = self.tables[path]
        rows = list(table.bindings.get((scope, name), ()))
        if table.scope(scope).kind in ("class", "object"):
            rows += table.attributes.get((scope, name), ())
        return few(one for row in _typed_first(rows) for one in self._of_binding(path, row))

    def _of_binding(self, path: str, row: Binding) -> list[Value]:
        if row.how == "type":
            return self.of_type(path, row.scope, row.chain)
        if row.how == "first":
            return self.imports.first(self, path, row.scope)
        if row.how == "parameter" or not row.chain:
            return []
        values = self.evaluate(path, row.scope, row.chain)
        if row.how == "element":
            return few(one for value in values for one in self._step(value, "[]"))
        if row.how == "entered":
            return few(one for value in values for one in self._entered(value))
        return [one for one in values if one != builtin("none")]

    def _entered(self, value: Value) -> list[Value]:
        methods = self.member(value, "__enter__") or self.member(value, "__aenter__")
        return self.settle(one for method in methods for one in self._called(method, value)) or [value]

    def of_type(self, path: str, scope: int, chain: str) -> list[Value]:
        """A value of the type that a chain names."""
        if chain.startswith("*"):
            return [Value("many", inner=one) for one in self.of_type(path, scope, chain[1:])]
        return few(instantiated(one) for one in self.evaluate(path, scope, chain))

    # Steps along a chain

    def _step(self, value: Value, token: str) -> list[Value]:
        if token == "()":
            return [value] if value.kind == "super" else self._called(value)
        if token == "[]":
            return self._element(value)
        return self.member(value, token)

    def _element(self, value: Value) -> list[Value]:
        if value.kind == "many" and value.inner:
            return [value.inner]
        if value.kind == "instance":
            result = self.member(value, "__getitem__")
            return few(one for method in result for one in self._called(method, value))
        return [value] if value.kind == "symbol" else []  # generic arguments: `Foo[int]`

    def _called(self, value: Value, receiver: Value | None = None) -> list[Value]:
        """What calling something gives."""
        if value.kind in ("package", "builtin"):
            return [value]
        if value.kind == "instance":
            return few(one for method in self.member(value, "__call__") for one in self._called(method, value))
        if value.kind != "symbol":
            return []
        result = self.tables[value.path].symbol(value.number)
        if result.kind in CLASSES:
            return [instance(value.path, value.number)]
        return self._returned(value) if result.kind in CALLABLE else []

    def _returned(self, value: Value) -> list[Value]:
        """What a function gives back: by its annotation, or by what it returns."""
        table = self.tables[value.path]
        result = table.symbol(value.number)
        if result.returns:
            scope = result.scope if result.own_scope < 0 else result.own_scope
            return self.of_type(value.path, scope, result.returns)
        rows = table.bindings.get((result.own_scope, ""), ())
        values = few(one for row in rows for one in self._of_binding(value.path, row))
        if any(row.how == "yielded" for row in rows):
            if any("contextmanager" in mark for mark in result.marks):
                return values
            return [Value("many", inner=one) for one in values]
        return values

    def member(self, value: Value, name: str) -> list[Value]:
        """A member of something."""
        if value.kind == "package":
            return [Value("package", name=value.name)]
        if value.kind in ("file", "namespace"):
            return self.imports.member(self, value, name)
        if value.kind == "builtin":
            return [builtin(value.name)]
        if value.kind == "symbol":
            result = self.tables[value.path].symbol(value.number)
            if result.kind not in CLASSES and result.own_scope >= 0 and result.kind not in CALLABLE:
                return self.local_member(value.path, result.own_scope, name)
        if value.kind in ("symbol", "instance", "super"):
            order = self.ancestors(value.path, value.number)[1 if value.kind == "super" else 0 :]
            return self._in_classes(order, name)
        return []

    def _in_classes(self, order: list[tuple[str, int]], name: str) -> list[Value]:
        for path, number in order:
            if number < 0:
                return [Value("package", name=path)]  # a base outside the repository may have it
            own = self.tables[path].symbol(number).own_scope
            result = self.local_member(path, own, name) or self.imports.extra_member(self, path, number, name)
            if result:
                return [one for value in result for one in self._as_attribute(value)]
        return []

    def _as_attribute(self, value: Value) -> list[Value]:
        """A property is what it returns, where that is known."""
        if value.kind == "symbol":
            marks = self.tables[value.path].symbol(value.number).marks
            if any(mark.endswith(("property", "getter")) or mark == "get" for mark in marks):
                return [Value("property", value.path, value.number)]
        return [value]

    def local_member(self, path: str, scope: int, name: str) -> list[Value]:
        """What a class or object has by itself under a name."""
        table = self.tables[path]
        result = [symbol(path, number) for number in table.symbols.get((scope, name), ())]
        if result:
            return _last_of_each(self, result)
        from_imports = [
            one for row in table.imports.get((scope, name), ()) for one in self.imports.find(self, path, row)
        ]
        if from_imports:
            return from_imports
        if (scope, name) in table.bindings or (scope, name) in table.attributes:
            return [Value("local", path, scope, name)]
        return []

    def ancestors(self, path: str, number: int) -> list[tuple[str, int]]:
        """A class and what it inherits from, nearest first; (package, -1) for what is outside the repository."""
        key = (path, number)
        if key not in self._linear:
            self._linear[key] = [key]
            table = self.tables[path]
            result = table.symbol(number)
            order = [key]
            for chain in table.bases.get(result.own_scope, ()):
                for base in self.evaluate(path, result.scope, chain):
                    order += self._line_of(base, order)
            self._linear[key] = order
        return self._linear[key]

    def _line_of(self, base: Value, order: list[tuple[str, int]]) -> list[tuple[str, int]]:
        if base.kind == "symbol":
            return [one for one in self.ancestors(base.path, base.number) if one not in order]
        return [(base.name, -1)] if base.kind == "package" else []


def _typed_first(rows: list[Binding]) -> list[Binding]:
    """Where a type is said, it alone counts."""
    typed = [row for row in rows if row.how == "type" and row.chain]
    return typed or rows


def _last_of_each(resolver: Resolver, result: list[Value]) -> list[Value]:
    """Of several definitions of one name the last, as at run time; the first of overloads without a body."""
    return result[-1:]
