"""What a chain can stand for."""

from collections.abc import Iterable
from typing import NamedTuple

MOST = 4
"""Values that one chain may have at once; what has more is not known."""


class Value(NamedTuple):
    """Something that a name or an expression stands for.

    `kind` is one of: `symbol` (`number` of the file at `path`), `instance` (of that symbol), `super` (the bases of
    that symbol), `property` (that symbol, read and not called), `file`, `namespace` (a folder or package without
    a file of its own; `name` is its key), `package`
    (something outside the repository, by `name`), `builtin` (of the language itself, by `name`), `local` (a
    variable
    `name` in the scope `number`), `many` (of what `inner` is).
    """

    kind: str
    path: str = ""
    number: int = -1
    name: str = ""
    inner: "Value | None" = None


def symbol(path: str, number: int) -> Value:
    """A symbol itself."""
    return Value("symbol", path, number)


def instance(path: str, number: int) -> Value:
    """A value of the type that a symbol is."""
    return Value("instance", path, number)


def package(name: str) -> Value:
    """Something outside the repository."""
    return Value("package", name=name)


def builtin(name: str) -> Value:
    """Something of the language itself."""
    return Value("builtin", name=name)


def instantiated(value: Value) -> Value:
    """A value of a class; what is none stays."""
    return instance(value.path, value.number) if value.kind == "symbol" else value


def few(values: Iterable[Value]) -> list[Value]:
    """Each once; none where they are too many to say anything."""
    few_values = list(dict.fromkeys(values))
    return few_values if len(few_values) <= MOST else []
