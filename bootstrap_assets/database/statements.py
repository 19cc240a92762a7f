"""Named SQL statements: each package has its own in statements.sql, where `-- name: load_documents` begins one."""

import re
from collections.abc import Callable
from functools import cache, partial
from importlib.resources import files
from typing import LiteralString

from psycopg import sql

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
_TRAILING = re.compile(r"(\n(--.*)?)+\Z")  # the heading of what comes next


def statements_of(module: str) -> Callable[[str], sql.SQL]:
    """The statements of the package that a module belongs to: `statement = statements_of(__name__)`.

    Identifiers stand in them as `{vectors}`, values as `%(name)s`.
    """
    package = ".".join(module.split(".")[:2])
    return partial(_statement, package)


@cache
def _statement(package: str, name: str) -> sql.SQL:
    return sql.SQL(statements_in(package)[name])


@cache
def statements_in(package: str) -> dict[str, LiteralString]:
    """All statements of a package, by name."""
    statements: dict[str, LiteralString] = {}
    pieces = _NAME.split(files(package).joinpath("statements.sql").read_text(encoding="utf-8"))
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if name in statements:
            raise ValueError(f"two statements of {package} are named {name}")
        statements[name] = _TRAILING.sub("", body).strip()
    return statements
