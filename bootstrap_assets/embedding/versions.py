"""Versions of what a space holds: equal content has equal versions."""

from bootstrap_assets.corpus.overview import version_of
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.spaces import Space

statement = statements_of(__name__)


def batch_versions(connection: Connection, space: Space, source: str, count: int) -> list[str]:
    """A version for each of `count` batches: of the hashes of the source's texts in it, and the space.

    It changes with a text that comes or goes, and with the model; a batch without texts has one too.
    """
    rows = connection.execute(statement("batch_versions"), {"source": source, "count": count})
    digests: dict[int, str] = dict(rows.fetchall())
    return [version_of(f"{space.name}\n{digests.get(batch, '')}".encode()) for batch in range(count)]


def vectors_version(connection: Connection, space: Space) -> str:
    """The version of what an index of a space covers."""
    row = connection.execute(statement("vectors_version").format(vectors=space.vectors)).fetchone()
    return version_of(f"{space.name}\n{row[0] if row else ''}".encode())
