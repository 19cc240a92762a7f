"""Alembic migrations; each is a pair of SQL files beside a Python file of the same name."""

import re
from pathlib import Path

from alembic import op

PACKAGE = Path(__file__).parents[2]
_INCLUDE = re.compile(r"^\\i (\S+)$", re.MULTILINE)


def run_sql(migration: str, direction: str) -> None:
    """Run `<migration>.<direction>.sql` on the connection that Alembic migrates."""
    op.get_bind().connection.cursor().execute(read_sql(Path(migration).with_suffix(f".{direction}.sql")))


def read_sql(file: Path) -> str:
    r"""A file of statements. `\i search/functions/reference_rank.sql` takes in another one, as psql does."""
    return _INCLUDE.sub(lambda line: (PACKAGE / line[1]).read_text("utf-8"), file.read_text("utf-8"))


def included_in(file: Path) -> list[str]:
    """The files that a file of statements takes in, by their path in the package."""
    return _INCLUDE.findall(file.read_text("utf-8"))
