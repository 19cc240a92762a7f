"""One changed document in corpora of 1,000, 10,000 and 100,000 texts: time of database work, which must not grow.

    make bench-document

A document of ten clauses changes by one clause. The median of so many changes, in milliseconds: the transaction
from the copying of what was staged to the commit, on a PostgreSQL that is started for this and syncs to no disk.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bootstrap_assets.corpus import load as corpus_store
from bootstrap_assets.corpus.records import Document, Granularity, ParsedDocument, Record
from bootstrap_assets.corpus.scope import Scope
from bootstrap_assets.corpus.staging import stage
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Database
from bootstrap_assets.database.embedded import server
from bootstrap_assets.operations import progress

SIZES = (1_000, 10_000, 100_000)
CLAUSES = 10
CHANGES = 40
SOURCE = "made_up"


def document(number: int, version: int = 0) -> ParsedDocument:
    """A document of ten clauses, all distinct; another version has another first clause."""
    said = [
        f"Clause {clause} of agreement {number} caps the liability of party {number * 7}. " * 6
        for clause in range(CLAUSES)
    ]
    said[0] = f"Version {version} of agreement {number}. {said[0]}"
    whole = Document(
        SOURCE, f"{number}", f"Agreement {number}", "\n".join(said), "CC0", "nobody", "https://example.invalid/"
    )
    records, start = [], 0
    for clause, text in enumerate(said):
        end = start + len(text)
        records.append(
            Record(
                SOURCE,
                f"{number}__{clause}",
                whole.id,
                Granularity.CLAUSE,
                text,
                start,
                end,
                category=f"Kind {clause}",
            )
        )
        start = end + 1
    return ParsedDocument(whole, tuple(records))


def fill(database: Database, texts: int) -> None:
    """Bring the corpus to so many texts."""
    documents = (document(number) for number in range(texts // CLAUSES))
    with database.connection() as connection:
        corpus_store.load(connection, documents, Scope(SOURCE))
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def seconds(database: Database, texts: int) -> Iterator[float]:
    """What each of some changes of one document takes."""
    for version in range(1, CHANGES + 1):
        number = version * 7 % (texts // CLAUSES)
        with stage(SOURCE, [document(number, version)]) as staging:
            started = time.perf_counter()
            with database.connection() as connection:
                loaded = corpus_store.store(connection, staging, Scope(SOURCE, (str(number),)))
                progress.record_documents(connection, SOURCE, loaded)
            yield time.perf_counter() - started
        if loaded.changed < 1:
            raise AssertionError("nothing was changed")


def main() -> None:
    """Print the table."""
    home = Path(tempfile.mkdtemp(prefix="bootstrap-bench-"))
    try:
        url = server.start(home)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        schema.upgrade(url)
        print(f"{'texts':>10} {'median ms':>10} {'slowest ms':>11}")
        for texts in SIZES:
            with Database(url) as database:
                fill(database, texts)
                taken = [1000 * one for one in seconds(database, texts)]
            print(f"{texts:>10,} {statistics.median(taken):>10.1f} {max(taken):>11.1f}", flush=True)
    finally:
        server.stop(home)
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
