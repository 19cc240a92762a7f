"""What a source's records are made of, without their contents, and what of it is in the database already.

For a plan, which changes nothing: all of this reads, and takes no lock that anybody could wait for. An outline is
kept in a file that SQLite makes for it and removes with it: a database that may only be read takes no temporary
table, where there is no database yet there is none to take it, and memory is not to grow with the source.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

from bootstrap_assets.corpus.records import Finding, ParsedDocument
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import FormatError
from bootstrap_assets.texts.content import content_hash, estimate_tokens

statement = statements_of(__name__)

_AT_ONCE = 5_000

_TABLES = """
CREATE TABLE documents (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE records (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE texts (hash BLOB PRIMARY KEY, tokens INTEGER) WITHOUT ROWID;
CREATE TABLE parts (whole BLOB, hash BLOB, tokens INTEGER, PRIMARY KEY (whole, hash)) WITHOUT ROWID;
"""


class Outline:
    """The ids of a source's records, its distinct texts, and the parts of those that were cut.

    Tables of `file`: `texts` and `parts` have estimated tokens by hash (32 bytes); a part may be a text of the
    source, too. To be closed (`contextlib.closing`), in the thread that made it.
    """

    def __init__(self) -> None:
        self.file = sqlite3.connect("", isolation_level=None)  # no name: of this connection alone
        self.file.execute("PRAGMA journal_mode = OFF")
        self.file.executescript(_TABLES)

    def close(self) -> None:
        """Remove it."""
        self.file.close()

    def clear(self) -> None:
        """Make it one of no records, for another source."""
        for table in ("documents", "records", "texts", "parts"):
            self.file.execute(f"DELETE FROM {table}")

    @property
    def records(self) -> int:
        """How many records there are."""
        return self._count("records")

    @property
    def texts(self) -> int:
        """How many distinct texts they have."""
        return self._count("texts")

    def add(self, table: str, id_: UUID) -> bool:
        """Enter a document or a record; False where it is there."""
        return self._insert(f"INSERT OR IGNORE INTO {table} VALUES (?)", id_.bytes)

    def add_text(self, digest: bytes, tokens: int) -> bool:
        """Enter a text with its tokens; False where it is there."""
        return self._insert("INSERT OR IGNORE INTO texts VALUES (?, ?)", digest, tokens)

    def add_parts(self, whole: bytes, parts: Iterable[str]) -> None:
        """Enter what a text was cut into."""
        rows = ((whole, content_hash(part), estimate_tokens(part)) for part in parts)
        self.file.executemany("INSERT OR IGNORE INTO parts VALUES (?, ?, ?)", rows)

    def without(self, ids: Iterable[UUID]) -> tuple[int, int]:
        """How many ids these are, and how many of them are of no record here."""
        query, count, foreign = "SELECT 1 FROM records WHERE id = ?", 0, 0
        for id_ in ids:
            count += 1
            foreign += self.file.execute(query, (id_.bytes,)).fetchone() is None
        return count, foreign

    def _insert(self, query: str, *values: object) -> bool:
        return self.file.execute(query, values).rowcount > 0

    def _count(self, table: str) -> int:
        [count] = self.file.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(count)


Cut = Callable[[str], Iterable[str]]
"""Cuts a text into the passages it is pooled from."""


def parse_into(
    outline: Outline, source: str, entries: Iterable[ParsedDocument | Finding], cut: Cut, limit: int
) -> None:
    """Enter what a parser yields; texts above `limit` estimated tokens are cut.

    FormatError where two entries have one id, as a load has it.
    """
    for entry in entries:
        if isinstance(entry, Finding):
            continue
        _add_once(outline, source, "documents", entry.document.id, entry.document.source_id)
        for record in entry.records:
            _add_once(outline, source, "records", record.id, record.source_id)
            digest, tokens = content_hash(record.content), estimate_tokens(record.content)
            if outline.add_text(digest, tokens) and tokens > limit:
                outline.add_parts(digest, cut(record.content))


def _add_once(outline: Outline, source: str, table: str, id_: UUID, name: str) -> None:
    if not outline.add(table, id_):
        raise FormatError(f"{source}: two entries have one id: {name}")


def read_into(outline: Outline, connection: Connection, source: str) -> None:
    """Enter what is in the corpus, where a text's parts are not cut yet."""
    for id_ in _stored_ids(connection, source):
        outline.add("records", id_)
    for digest, tokens in _rows(connection, "outline_texts", source):
        outline.add_text(digest, tokens)


def vanishing(connection: Connection, source: str, outline: Outline) -> tuple[int, int]:
    """How many records of a source are in the corpus, and how many of them are not in the outline."""
    return outline.without(_stored_ids(connection, source))


def _stored_ids(connection: Connection, source: str) -> Iterator[UUID]:
    return (id_ for id_, _ in _rows(connection, "stored_records", source))


def _rows(connection: Connection, name: str, source: str) -> Iterator[tuple[Any, ...]]:
    with connection.cursor(name=name) as cursor:
        cursor.itersize = _AT_ONCE
        yield from cursor.execute(statement(name), {"source": source})
