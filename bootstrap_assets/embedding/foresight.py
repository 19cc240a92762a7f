"""What embedding an outline would find in a space. For a plan: all of this reads.

It is worked out in the outline's own file, beside what the database has of its texts; of neither is more than a
page in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import sql

from bootstrap_assets.corpus.outline import Outline
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.batches import Text
from bootstrap_assets.embedding.parts import cutter
from bootstrap_assets.embedding.spaces import Space

statement = statements_of(__name__)

_AT_ONCE = 5_000
_CUT_AT_ONCE = 200  # their contents are long

_NO_VECTORS = sql.SQL("(SELECT ''::bytea AS content_hash WHERE false)")

_TABLES = """
CREATE TABLE IF NOT EXISTS stored (hash BLOB PRIMARY KEY, tokens INTEGER, embedded INTEGER, dead INTEGER)
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sent (hash BLOB PRIMARY KEY, tokens INTEGER, source TEXT) WITHOUT ROWID;
DELETE FROM stored;
"""
"""`stored`: what the database has of a text: its tokens, whether it has a vector, whether it is a dead letter.
`sent`: what would be sent, for the first source that has it; it stays when the outline is cleared."""

_COUNTED = """
SELECT count(*) FILTER (WHERE embedded), count(*) FILTER (WHERE dead AND NOT embedded)
FROM texts JOIN stored USING (hash)
"""

_SEND = """
WITH sizes AS (
    SELECT t.hash, coalesce(s.tokens, t.tokens) AS tokens, coalesce(s.embedded, 0) AS embedded
    FROM texts t LEFT JOIN stored s ON s.hash = t.hash
), wanted AS (
    SELECT hash, tokens FROM sizes WHERE tokens <= :limit
    UNION SELECT p.hash, p.tokens FROM sizes k JOIN parts p ON p.whole = k.hash
    WHERE k.tokens > :limit AND NOT k.embedded
)
INSERT OR IGNORE INTO sent
SELECT w.hash, coalesce(s.tokens, w.tokens), :source FROM wanted w LEFT JOIN stored s ON s.hash = w.hash
WHERE NOT coalesce(s.embedded OR s.dead, 0)
"""
"""What is to be done for an outline, as the statements `plan` and `missing` have it."""

_PAGE = {
    "texts": "SELECT hash FROM texts WHERE hash > ? ORDER BY hash LIMIT ?",
    "parts": "SELECT DISTINCT hash FROM parts WHERE hash > ? ORDER BY hash LIMIT ?",
    "uncut": "SELECT hash FROM stored WHERE hash > ? AND tokens > {limit} AND NOT embedded"
    " AND NOT EXISTS (SELECT 1 FROM parts WHERE whole = stored.hash) ORDER BY hash LIMIT ?",
}


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What embedding would find: how many texts have a vector, and how many are dead letters."""

    already: int
    failed: int


def foresee(
    connection: Connection | None, space: Space | None, source: str, outline: Outline, *, limit: int
) -> Foreseen:
    """What embedding a source would find in a space (None: it was never made); texts above `limit` go in parts.

    `to_send` has what would be sent.
    """
    outline.file.executescript(_TABLES)
    if connection:
        _compare(connection, space, source, outline, "texts")
        _cut(connection, outline, limit)
        _compare(connection, space, source, outline, "parts")
    outline.file.execute(_SEND, {"limit": limit, "source": source})
    return Foreseen(*outline.file.execute(_COUNTED).fetchone())


def to_send(outline: Outline, source: str) -> Iterator[Text]:
    """What a source would send that none before it did, without contents, in the order in which it would be."""
    query = "SELECT hash, tokens FROM sent WHERE source = ? ORDER BY hash"
    return (Text(digest, "", tokens) for digest, tokens in outline.file.execute(query, (source,)))


def _cut(connection: Connection, outline: Outline, limit: int) -> None:
    """Cut the long texts of the corpus that have no vector and are not cut in the outline."""
    cut = cutter(limit)
    for hashes in _pages(outline, "uncut", _CUT_AT_ONCE, limit=limit):
        for digest, content in connection.execute(statement("contents"), {"hashes": hashes}):
            outline.add_parts(digest, cut(content))


def _compare(connection: Connection, space: Space | None, source: str, outline: Outline, table: str) -> None:
    """Enter what the database has of the texts of the outline, or of their parts."""
    query = statement("outline_known").format(vectors=space.vectors if space else _NO_VECTORS)
    parameters = {"source": source, "space": space.id if space else None}
    for hashes in _pages(outline, table, _AT_ONCE):
        rows = connection.execute(query, parameters | {"hashes": hashes}).fetchall()
        outline.file.executemany("INSERT OR IGNORE INTO stored VALUES (?, ?, ?, ?)", rows)


def _pages(outline: Outline, kind: str, size: int, **values: int) -> Iterator[list[bytes]]:
    """Hashes, ascending, so many at once."""
    query, last = _PAGE[kind].format(**values), b""
    while rows := outline.file.execute(query, (last, size)).fetchall():
        yield [digest for (digest,) in rows]
        last = rows[-1][0]
