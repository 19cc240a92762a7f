"""Documents and records as readers want them: in full, each with its licence, attribution and address."""

from collections.abc import Sequence
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import ConfigurationError

statement = statements_of(__name__)

Row = dict[str, Any]

KINDS = ("record", "document")


def list_documents(
    connection: Connection, *, sources: Sequence[str] = (), documents: Sequence[str] = ()
) -> list[Row]:
    """Documents in the order of source and source id; an empty filter lets everything through.

    `documents`: ids, source ids or titles. Columns are those of the statement `list_documents`.
    """
    return _rows(connection, statement("list_documents"), sources=sources, documents=documents)


def list_records(
    connection: Connection,
    *,
    sources: Sequence[str] = (),
    categories: Sequence[str] = (),
    granularities: Sequence[str] = (),
    labels: Sequence[str] = (),
    documents: Sequence[str] = (),
    ids: Sequence[str] = (),
) -> list[Row]:
    """Records with their texts, in the order of source and source id; an empty filter lets everything through.

    `documents` are ids, source ids or titles of documents, `ids` ids or source ids of records.
    """
    return _rows(
        connection,
        statement("list_records"),
        sources=sources,
        categories=[name.lower() for name in categories],
        granularities=granularities,
        labels=[name.lower() for name in labels],
        documents=documents,
        ids=ids,
    )


def find(connection: Connection, identifier: str) -> Row:
    """The record of an id or source id, else the document, in full; `kind` says which of the two it is.

    ConfigurationError where there is none, or where several sources have that id.
    """
    rows = list_records(connection, ids=[identifier]) or list_documents(connection, documents=[identifier])
    if not rows:
        raise ConfigurationError(f"there is no record and no document {identifier}")
    if len(rows) > 1:
        choices = ", ".join(f"{row['id']} ({row['source']})" for row in rows)
        raise ConfigurationError(f"{len(rows)} have the id {identifier}: ask for one of {choices}")
    return {"kind": KINDS["raw_text" in rows[0]]} | rows[0]


def _rows(connection: Connection, query: sql.SQL, **filters: Sequence[str]) -> list[Row]:
    parameters = {name: list(values) or None for name, values in filters.items()}
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchall()
