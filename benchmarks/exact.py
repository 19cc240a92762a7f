"""How much of the exact answer a hybrid search finds: the nearest of all vectors, and BM25 of all texts."""

from collections.abc import Sequence
from typing import Any

import psycopg
from pgvector.psycopg import register_vector

from benchmarks.search import SEARCHES
from bootstrap_assets.database.connection import connect

ALL_VECTORS = """
CREATE OR REPLACE FUNCTION reference_nearest(
    vectors regclass, asked vector, filters reference_filters, wanted integer
) RETURNS bytea[] LANGUAGE plpgsql STABLE AS $$
DECLARE near bytea[];
BEGIN
    EXECUTE format('SELECT array_agg(n.content_hash) FROM (SELECT v.content_hash FROM %s v WHERE EXISTS (
        SELECT FROM reference_records r WHERE r.content_hash = v.content_hash
          AND reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, $2))
        ORDER BY (v.embedding <=> $1) + 0 LIMIT $3) n', vectors) INTO near USING asked, filters, wanted;
    RETURN coalesce(near, '{}');
END $$"""

ALL_TEXTS = """
CREATE OR REPLACE FUNCTION reference_text_candidates(
    words text[], weights double precision[], filters reference_filters, candidates integer
) RETURNS bytea[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(c.content_hash), '{}') FROM (
        SELECT w.content_hash FROM reference_text_words w, reference_asked(words, weights) asked
        WHERE (w.pile = '/section' OR w.pile = '' AND (filters).granularities IS DISTINCT FROM '{section}')
          AND (w.impacts <#> asked) < 0 AND EXISTS (
            SELECT FROM reference_records r WHERE r.content_hash = w.content_hash AND reference_passes(
                r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters))
        ORDER BY (w.impacts <#> asked), w.content_hash LIMIT candidates) c
$$"""


def recall(url: str, queries: Sequence[dict[str, Any]], candidates: int = 100) -> float:
    """The share of the exact first ten that the hybrid search has among its own; so many candidates for both."""
    with connect(url) as connection:
        register_vector(connection)
        found = [_hits(connection, query, candidates) for query in queries]
        for function in (ALL_VECTORS, ALL_TEXTS):
            connection.execute(function.encode())
        exact = [_hits(connection, query, candidates) for query in queries]
        connection.rollback()
    return sum(len(a & b) for a, b in zip(found, exact, strict=True)) / sum(map(len, exact))


def _hits(connection: psycopg.Connection[Any], query: dict[str, Any], candidates: int) -> set[bytes]:
    return {row[0] for row in connection.execute(hybrid(candidates).encode(), query)}


def hybrid(candidates: int) -> str:
    """The hybrid search for the hashes of its hits, with so many candidates of each kind."""
    search = SEARCHES["hybrid"].replace("SELECT rank", "SELECT content_hash")
    return search.replace(", categories", f", candidates => {candidates}, categories")
