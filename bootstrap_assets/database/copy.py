"""Rows into temporary tables, by binary COPY."""

from collections.abc import Iterable
from typing import Any

import psycopg

from bootstrap_assets.database.connection import Connection


def copy_temporary(
    connection: Connection,
    table: str,
    columns: list[str],
    types: list[str],
    rows: Iterable[tuple[Any, ...]],
) -> None:
    """Write rows into a temporary table by binary COPY."""
    command = psycopg.sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        psycopg.sql.Identifier("pg_temp", table), psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(command) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
