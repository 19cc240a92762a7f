"""What is wrong with a finished corpus."""

import numpy as np
import psycopg
from pgvector.psycopg import register_vector

from tests.chaos.scene import BATCHES, VECTORS, Digest, Scene
from tests.fakes.voyage_server import vectors_of


def faults(scene: Scene, expected: Digest | None = None) -> list[str]:
    """What is wrong with a finished corpus: rows that differ, records without a vector, bad vectors, states."""
    found = []
    if expected is not None:
        found += [
            f"{table}: {got[0]} rows, not the {expected[table][0]} of an undisturbed run, or other contents"
            for table, got in scene.digest().items()
            if got != expected[table]
        ]
    return found + missing(scene) + bad_vectors(scene) + states(scene)


def missing(scene: Scene) -> list[str]:
    """Records without a vector, if any."""
    count = scene.one(
        "SELECT count(*) FROM reference_records r LEFT JOIN VECTORS v USING (content_hash) "
        "WHERE v.content_hash IS NULL"
    )
    return [f"{count} records have no vector"] if count else []


def own_batches(scene: Scene, source: str) -> list[int]:
    """The batches in which a source has records without a vector."""
    query = (
        "SELECT DISTINCT reference_batch(r.content_hash, %s) FROM reference_records r "
        "LEFT JOIN VECTORS v USING (content_hash) WHERE r.source = %s AND v.content_hash IS NULL"
    )
    return [row[0] for row in scene.rows(query, BATCHES, source)]


def bad_vectors(scene: Scene) -> list[str]:
    """Stored vectors that are not, value for value, what the provider gives for their text."""
    with psycopg.connect(scene.url) as connection:
        register_vector(connection)
        rows = connection.execute(
            f"SELECT t.content, v.embedding, v.pooled FROM {VECTORS} v JOIN reference_texts t USING (content_hash)"
        ).fetchall()
    if not rows:
        return []
    stored = np.stack([row[1].to_numpy() for row in rows])
    given = np.array([not row[2] for row in rows])
    expected = vectors_of([row[0] for row in rows], stored.shape[1])
    wrong = int((stored[given] != expected[given]).any(axis=1).sum())
    crooked = int((~(np.abs(np.linalg.norm(stored, axis=1) - 1) < 1e-3)).sum())
    return [f"{wrong} vectors are another text's"] * bool(wrong) + [
        f"{crooked} vectors have no length of 1"
    ] * bool(crooked)


def states(scene: Scene) -> list[str]:
    """What the tables of progress say against a complete corpus."""
    found = []
    for source, status, total, embedded in scene.rows(
        "SELECT source, status, total_records, embedded_records FROM bootstrap_progress"
    ):
        if status != "completed" or total != embedded:
            found.append(f"{source} is {status}, {embedded} of {total} records embedded")
    unfinished = scene.rows(
        "SELECT source || ' ' || string_agg(batch || ' ' || stage || ' ' || embedded || '/' || texts, ', ') "
        "FROM bootstrap_batches WHERE stage <> 'complete' GROUP BY source"
    )
    found += [f"batches are not complete: {row[0]}" for row in unfinished]
    dead = scene.one("SELECT count(*) FROM bootstrap_failures WHERE resolved_at IS NULL")
    if dead:
        found.append(f"{dead} dead letters")
    invalid = scene.one("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
    indexes = scene.one(
        "SELECT count(*) FROM pg_indexes WHERE tablename = %s AND indexdef LIKE '%%hnsw%%'", VECTORS
    )
    if invalid or indexes != 1:
        found.append(f"{indexes} HNSW indexes, {invalid} invalid")
    if not scene.one("SELECT count(*) FROM reference_embeddings"):
        found.append("nothing can be searched")
    return found
