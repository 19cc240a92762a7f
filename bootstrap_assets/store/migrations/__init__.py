"""Alembic migrations; each is a pair of SQL files beside a Python file of the same name."""

from pathlib import Path

from alembic import op


def run_sql(migration: str, direction: str) -> None:
    """Run `<migration>.<direction>.sql` on the connection that Alembic migrates."""
    statements = Path(migration).with_suffix(f".{direction}.sql").read_text(encoding="utf-8")
    op.get_bind().connection.cursor().execute(statements)
