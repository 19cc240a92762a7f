"""Dead letters: records that are not in the corpus, or have no vector, and why."""

from collections.abc import Sequence
from typing import Any

from psycopg.rows import dict_row

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.texts.content import clean_text

statement = statements_of(__name__)

MAX_MESSAGE = 500
"""Characters of an error's message that are kept."""


def bury(connection: Connection, space: Space, source: str, digest: bytes, stage: str, error: Exception) -> int:
    """Make a text a dead letter, one for each of its records in a source; returns how many records that are."""
    parameters = {
        "space": space.id,
        "source": source,
        "hash": digest,
        "stage": stage,
        "class": type(error).__name__,
        "message": clean_text(" ".join(str(error).split())[:MAX_MESSAGE]),
    }
    row = connection.execute(statement("bury_text"), parameters).fetchone()
    return int(row[0]) if row else 0


def spread(connection: Connection, space: Space, source: str) -> None:
    """Give records that share the text of a dead letter one of their own."""
    connection.execute(statement("spread_failures"), {"space": space.id, "source": source})


def resolve(connection: Connection, space: Space, hashes: Sequence[bytes]) -> None:
    """Close the dead letters of texts that have a vector now."""
    connection.execute(statement("resolve_texts"), {"space": space.id, "hashes": list(hashes)})


def listing(
    connection: Connection,
    *,
    source: str | None = None,
    error_class: str | None = None,
    number: int | None = None,
    closed: bool = False,
    space: Space | None = None,
) -> list[dict[str, Any]]:
    """Dead letters as dictionaries; `closed` gives those too that are resolved or ignored.

    `space`: without those of other spaces.
    """
    parameters: dict[str, Any] = {"source": source, "class": error_class, "id": number, "closed": closed}
    parameters["space"] = space.id if space else None
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement("list_failures"), parameters).fetchall()


def text_of(connection: Connection, source: str, digest: bytes) -> tuple[str, str | None, str | None] | None:
    """A dead letter's text, the title of its document and its place there."""
    parameters = {"source": source, "hash": digest}
    row = connection.execute(statement("failed_text"), parameters).fetchone()
    return (row[0], row[1], row[2]) if row else None


def ignore(
    connection: Connection,
    *,
    numbers: Sequence[int] | None = None,
    source: str | None = None,
    error_class: str | None = None,
) -> int:
    """Leave dead letters as they are from now on; returns how many."""
    parameters = {"ids": list(numbers) if numbers else None, "source": source, "class": error_class}
    return connection.execute(statement("ignore_failures"), parameters).rowcount


def hashes_by_source(
    connection: Connection, space: Space, *, source: str | None = None, error_class: str | None = None
) -> dict[str, list[bytes]]:
    """Texts of the open dead letters of a space, by source."""
    parameters = {"space": space.id, "source": source, "class": error_class}
    return {name: list(hashes) for name, hashes in connection.execute(statement("failed_hashes"), parameters)}


def by_batch(connection: Connection, space: Space, source: str, count: int) -> dict[int, int]:
    """The dead texts of a source, by batch out of `count`."""
    parameters = {"space": space.id, "source": source, "count": count}
    return dict(connection.execute(statement("failures_by_batch"), parameters).fetchall())
