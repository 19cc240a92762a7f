"""The views through which the vectors of the active space are read: replaced where another one is promoted."""

import psycopg
from psycopg import sql

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import SpaceError

statement = statements_of(__name__)


def replace(connection: Connection, vectors: sql.Identifier, element_type: str) -> None:
    """Have the views show the vectors of that table.

    Where these are of another element type, the views are made anew, with their owner, grants and comments:
    SpaceError where views of somebody else are built on them.
    """
    names = {"vectors": vectors, "element_type": sql.Identifier(element_type)}
    is_other = _element_type(connection) != element_type
    if is_other:
        _drop(connection, element_type)
    connection.execute(statement("replace_vectors").format(**names))
    connection.execute(statement("replace_view").format(**names))
    if is_other:
        connection.execute(statement("dress_views"))


def _element_type(connection: Connection) -> str:
    row = connection.execute(statement("views_element_type")).fetchone()
    return str(row[0]) if row else ""


def _drop(connection: Connection, element_type: str) -> None:
    try:
        connection.execute(statement("drop_views"))
    except psycopg.errors.DependentObjectsStillExist as error:
        raise SpaceError(
            f"its vectors are of the type {element_type}, so the views reference_embeddings and reference_vectors "
            f"have to be made anew, and others are built on them: drop those first ({error.diag.message_detail})"
        ) from None
