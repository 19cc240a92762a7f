"""What a blob says by itself: its symbols, scopes, imports, bindings and raw references.

All of it is plain data that goes through JSON unchanged, so that it can be kept under the blob's hash and be read
by
any repository that holds the same blob. Lines count from 1; columns are bytes and count from 0, as git's and
tree-sitter's do.

Expressions are written as *chains*: names, with `.` for a member, `()` for a call and `[]` for an element, as in
`self.pool.get().rows[].id`. What begins with `<` is no name: `<str>` is a value of the language's own type, `<?>`
anything that a chain cannot say.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a symbol is."""

    MODULE = "module"
    CLASS = "class"
    INTERFACE = "interface"
    STRUCT = "struct"
    TRAIT = "trait"
    ENUM = "enum"
    TYPE = "type"
    FUNCTION = "function"
    METHOD = "method"
    FIELD = "field"
    VARIABLE = "variable"
    CONSTANT = "constant"
    MACRO = "macro"
    SECTION = "section"
    KEY = "key"
    TABLE = "table"
    VIEW = "view"
    INDEX = "index"
    TRIGGER = "trigger"


CLASSES = frozenset({Kind.CLASS, Kind.INTERFACE, Kind.STRUCT, Kind.TRAIT, Kind.ENUM})
"""What has members and can be inherited from."""

CALLABLE = frozenset({Kind.FUNCTION, Kind.METHOD, Kind.MACRO})


class ReferenceKind(StrEnum):
    """How one thing refers to another."""

    CALL = "call"
    IMPORT = "import"
    INHERITANCE = "inheritance"
    USE = "use"


@dataclass(frozen=True, slots=True)
class Symbol:
    """Something that a file defines.

    `ordinal` counts the symbols of one file with the same kind and qualified name, from 0. `scope` is the scope
    that
    it stands in, `own_scope` the one that it opens (-1: none). `returns` is the chain of the type that a function
    says it returns, or that a field has; `marks` are its decorators and modifiers.
    """

    name: str
    qualified_name: str
    kind: Kind
    signature: str
    docstring: str
    line: int
    end_line: int
    visibility: str
    ordinal: int = 0
    scope: int = 0
    own_scope: int = -1
    returns: str = ""
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """A stretch of a file in which names are looked up: the file itself (number 0), classes, functions, blocks.

    `symbol` is the number of the symbol that opens it, -1 where none does. `owner` is the chain of the type that
    the
    members belong to where that is not the symbol itself (Go's receivers, Rust's `impl`).
    """

    parent: int
    kind: str
    symbol: int = -1
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Import:
    """`module` as the file writes it; `name` is what is taken of it (`*`: everything, empty: the module itself).

    `alias` is the name that it has in this file, empty where it gets none.
    """

    module: str
    name: str
    alias: str
    line: int
    column: int
    scope: int = 0


@dataclass(frozen=True, slots=True)
class Binding:
    """A name that gets a value in a scope: `how` says what `chain` is.

    `value`, `element` (of an iteration), `type`, `parameter` (nothing else known), `returned`, `yielded`,
    `entered`
    (a context manager), `global`.
    """

    scope: int
    name: str
    how: str
    chain: str = ""


@dataclass(frozen=True, slots=True)
class Mention:
    """A raw reference: the chain as the file has it, before anything is known of other files."""

    chain: str
    kind: ReferenceKind
    line: int
    column: int
    scope: int

    @property
    def name(self) -> str:
        """The last name of the chain."""
        return self.chain.rstrip("()[]").rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Finding:
    """What somebody should know of a file; `code` is short and stable, `line` 0 where it is of the whole file."""

    code: str
    message: str
    line: int = 0


@dataclass(slots=True)
class Parsed:
    """All that a blob says. `package` is what the file calls the package it belongs to, in languages that do."""

    language: str
    lines: int = 0
    package: str = ""
    symbols: list[Symbol] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=lambda: [Scope(-1, "file")])
    imports: list[Import] = field(default_factory=list)
    bindings: list[Binding] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Lists and plain values only; `from_json` is the way back."""
        rows = {name: [astuple(row) for row in getattr(self, name)] for name in _ROWS}
        return {"language": self.language, "lines": self.lines, "package": self.package, **rows}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Parsed":
        """A result as it was before `to_json`; KeyError, TypeError or ValueError for any other document."""
        parsed = cls(str(document["language"]), int(document["lines"]), str(document["package"]))
        for name, kind in _ROWS.items():
            setattr(parsed, name, [_row(kind, values) for values in document[name]])
        return parsed


_ROWS: dict[str, type] = {
    "symbols": Symbol,
    "scopes": Scope,
    "imports": Import,
    "bindings": Binding,
    "mentions": Mention,
    "findings": Finding,
}


def _row(kind: type, values: Iterable[Any]) -> Any:
    row = list(values)
    if kind is Symbol:
        row[2], row[-1] = Kind(row[2]), tuple(row[-1])
    elif kind is Mention:
        row[1] = ReferenceKind(row[1])
    return kind(*row)
