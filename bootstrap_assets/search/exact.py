"""The true nearest, by comparing with every vector in one reading of the table: what an index is judged by."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.embedding.vectors import Vectors

statement = statements_of(__name__)

TIE = 1e-6
"""Texts that differ in a comma may be equally far: a distance by so much greater is as good."""

_BLOCK = 8_192
"""Vectors that are compared at once: at 1,024 dimensions 32 MB, and 16 MB for their distances to 500 queries."""

Distances = npt.NDArray[np.float32]


def blocks(connection: Connection, space: Space) -> Iterator[tuple[list[bytes], Vectors]]:
    """All vectors of a space, some thousand at a time, with their texts' hashes."""
    with connection.cursor(name="all_vectors", binary=True) as cursor:
        cursor.execute(statement("all_vectors").format(vectors=space.vectors))
        while rows := cursor.fetchmany(_BLOCK):
            yield [bytes(digest) for digest, _ in rows], np.stack([vector.to_numpy() for _, vector in rows])


def sample(connection: Connection, space: Space, queries: int) -> tuple[list[bytes], Vectors]:
    """Some vectors of a space, in effect a random sample and the same each time, with their texts' hashes."""
    query = statement("some_vectors").format(vectors=space.vectors)
    rows = connection.execute(query, {"queries": queries}).fetchall()
    vectors = [vector.to_numpy() for _, vector in rows]
    shape = len(rows), space.dimensions
    return [bytes(digest) for digest, _ in rows], np.array(vectors, dtype=np.float32).reshape(shape)


def recall(distances: Sequence[float], true: Distances) -> float:
    """The share of the true nearest that is as near as they; 1 where there was nothing to find."""
    return sum(far <= true[-1] + TIE for far in distances) / len(true) if len(true) else 1.0


def nearest(
    table: Iterator[tuple[list[bytes], Vectors]], hashes: Sequence[bytes], queries: Vectors, *, depth: int
) -> Distances:
    """The cosine distances of the true nearest of each query, ascending: shape (queries, at most `depth`).

    A query does not count itself, the vector of its own text, which `hashes` identifies. What does not
    exist is infinitely far.
    """
    rows = {digest: row for row, digest in enumerate(hashes)}
    unit = _unit(queries)
    best = np.empty((len(hashes), 0), dtype=np.float32)
    for names, vectors in table:
        distances = 1 - unit @ _unit(vectors).T
        for column, name in enumerate(names):
            if name in rows:
                distances[rows[name], column] = np.inf  # itself
        best = np.concatenate([best, distances], axis=1)
        if best.shape[1] > depth:
            best = np.partition(best, depth - 1, axis=1)[:, :depth]
    return np.sort(best, axis=1)


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
