"""A million texts: searches, what of the exact answer they find, and one changed document, against 24,000."""

import statistics
from collections.abc import Iterator

from pgvector.psycopg import register_vector

from benchmarks import exact, one_document, search
from benchmarks.figures import Figure, times
from bootstrap_assets.database.connection import connect

SMALL, LARGE = 24_000, 1_000_000
COMPARED = 12
"""Queries whose exact answer is looked for; each takes seconds."""


def measure(small: int = SMALL, large: int = LARGE) -> Iterator[Figure]:
    with search.corpus_of(small) as (corpus, _language):
        before = one_document.measure(corpus)
    with search.corpus_of(large) as (corpus, language):
        for figure in search.searches(corpus, language):
            yield Figure(figure.what, figure.value, figure.unit, _most(figure.what))
        with connect(corpus.database.url) as connection:
            register_vector(connection)
            queries = search.queries(connection, language)
        for candidates in (100, 400):
            share = exact.recall(corpus.database.url, queries[:COMPARED], candidates)
            yield Figure(f"hybrid, {candidates} candidates, of the exact first ten", 100 * share, "%")
        took = search.client(corpus.database.url, exact.hybrid(400), queries, 0)
        yield Figure("hybrid, 400 candidates, 1 client, p50", statistics.median(took), "ms")
        after = one_document.measure(corpus)
    changed = sum(after[part] for part in ("load", "embed"))
    yield Figure("one changed document, loaded and embedded", changed, "ms")
    same = sum(before[part] for part in ("load", "embed"))
    yield times("  beside so many texts", changed, same, 2, f"beside {small:,}")


def _most(what: str) -> float | None:
    return {"hybrid, 1 client, p50": 60.0, "hybrid, 1 client, p95": 150.0}.get(what)
