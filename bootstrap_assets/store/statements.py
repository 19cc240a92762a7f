"""Named SQL statements, read from the .sql files in sql/: `-- name: load_documents` begins one."""

import re
from functools import cache
from importlib.resources import files
from typing import LiteralString, cast

from psycopg import sql

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def statement(name: str) -> sql.SQL:
    """The statement of that name. Identifiers stand in it as `{vectors}`, values as `%(name)s`."""
    return sql.SQL(_all()[name])


@cache
def _all() -> dict[str, LiteralString]:
    found: dict[str, LiteralString] = {}
    for file in sorted(files(__package__).joinpath("sql").iterdir(), key=lambda entry: entry.name):
        pieces = _NAME.split(file.read_text(encoding="utf-8"))
        for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
            if name in found:
                raise ValueError(f"two statements are named {name}")
            found[name] = cast(LiteralString, body.strip())
    return found
