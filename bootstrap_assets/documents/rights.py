"""The rights of an application's role: it reads, and row security decides what."""

from psycopg import sql

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import ConfigurationError

statement = statements_of(__name__)

READABLE = (
    *(
        "reference_documents",
        "reference_records",
        "reference_texts",
        "reference_text_parts",
        "reference_connections",
    ),
    *(
        "reference_embeddings",
        "reference_vectors",
        "reference_lexemes",
        "reference_text_totals",
        "document_states",
        "document_labels",
        "embedding_spaces",
    ),
    *("repositories", "index_jobs", "repository_snapshots", "repository_files"),
    *("repository_symbols", "repository_references", "repository_dependencies"),
)
"""Tables and views that an application's role may read."""


def grant(connection: Connection, role: str) -> None:
    """Let a role of PostgreSQL read; ConfigurationError where there is none, or where no seal holds it."""
    row = connection.execute(statement("role"), {"role": role}).fetchone()
    if row is None:
        raise ConfigurationError(f"there is no role {role!r} in this server: CREATE ROLE makes one")
    if any(row):
        raise ConfigurationError(
            f"{role!r} is a superuser, bypasses row security or owns the corpus: nothing would be sealed from it"
        )
    name, schema = sql.Identifier(role), sql.Identifier(_schema(connection))
    tables = [sql.Identifier(table) for table in (*READABLE, *_vectors(connection))]
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, name))
    connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(sql.SQL(", ").join(tables), name))


def _schema(connection: Connection) -> str:
    row = connection.execute("SELECT current_schema()").fetchone()
    assert row is not None
    return str(row[0])


def _vectors(connection: Connection) -> list[str]:
    return [row[0] for row in connection.execute(statement("tables_of_spaces"))]
