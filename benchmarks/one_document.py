"""One changed document in corpora of 1,000, 10,000 and 100,000 texts: the time it takes, which must not grow.

    make bench-document

A document of ten clauses, one of forty of a source beside a corpus of so many texts, changes by one clause.
Medians over so many changes, in milliseconds, on a PostgreSQL that is started for this and syncs to no disk:
`store`, the transaction of the load; `load`, all of it, with its words settled and progress told; `embed`, the
changed text by the local model, from the question of what is missing to the vector stored in the index; `search`,
by text and vector, which has to find it.
"""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.search import corpus_of
from bootstrap_assets import pipeline
from bootstrap_assets.corpus import load as corpus_store
from bootstrap_assets.corpus import settlement
from bootstrap_assets.corpus.records import Document, Granularity, ParsedDocument, Record
from bootstrap_assets.corpus.scope import Scope
from bootstrap_assets.corpus.staging import stage
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.operations import progress
from bootstrap_assets.search.query import search

SIZES = (1_000, 10_000, 100_000)
CLAUSES = 10
CHANGES = 40
DOCUMENTS = 40
SOURCE = "changed"
PARTS = ("store", "load", "embed", "search")


def word(number: int, version: int) -> str:
    """A word that no other document has, and no other version."""
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:06}{version:04}")


def document(number: int, version: int = 0) -> ParsedDocument:
    """A document of ten clauses, all distinct; another version has another first clause."""
    said = [
        f"Clause {clause} of agreement {number} caps the liability of party {number * 7}. " * 6
        for clause in range(CLAUSES)
    ]
    said[0] = f"{word(number, version)} is the word of agreement {number}. {said[0]}"
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


def measure(corpus: Corpus) -> dict[str, float]:
    """The median of each part of one changed document, in milliseconds."""
    pipeline.load_documents(corpus, SOURCE, [document(number) for number in range(DOCUMENTS)])
    pipeline.embed_documents(corpus, SOURCE, [str(number) for number in range(DOCUMENTS)])
    changes = list(_changes(corpus))
    return {name: 1000 * statistics.median(took[name] for took in changes) for name in PARTS}


def _changes(corpus: Corpus) -> Iterator[dict[str, float]]:
    """What each of some changes of one document takes, in seconds, by what is done."""
    for version in range(1, CHANGES + 1):
        number = version * 7 % DOCUMENTS
        took: dict[str, float] = {}
        with (
            stage(SOURCE, [document(number, CHANGES + version)]) as staging,
            timed(took, "store"),
            corpus.database.connection() as connection,
        ):
            loaded = corpus_store.store(connection, staging, Scope(SOURCE, (str(number),)))
            progress.record_documents(connection, SOURCE, loaded)
        settlement.settle(corpus.database)
        with timed(took, "load"):
            pipeline.load_documents(corpus, SOURCE, [document(number, version)])
        with timed(took, "embed"):
            embedded = pipeline.embed_documents(corpus, SOURCE, [str(number)])
        query = word(number, version)
        with timed(took, "search"):
            [hit] = search(corpus.database, corpus.settings, query, k=1)
        if loaded.changed < 1 or embedded.texts != 1 or query not in hit.content:
            raise AssertionError(f"not changed, embedded or found: {hit.content[:60]}")
        yield took


@contextmanager
def timed(took: dict[str, float], name: str) -> Iterator[None]:
    """Enter how long the block takes."""
    started = time.perf_counter()
    yield
    took[name] = time.perf_counter() - started


def main() -> None:
    """Print the table."""
    print(f"{'texts':>10}" + "".join(f"{name + ' ms':>12}" for name in PARTS))
    for texts in SIZES:
        with corpus_of(texts) as (corpus, _language):
            print(f"{texts:>10,}" + "".join(f"{took:>12.1f}" for took in measure(corpus).values()), flush=True)


if __name__ == "__main__":
    main()
