"""How much the index finds of what an exact search finds, for vectors of the corpus itself, each without itself.

The index is searched as anybody would search it, `ORDER BY embedding <=> query LIMIT k`, with some effort
(hnsw.ef_search); the server's own clock times it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.search.exact import Distances, blocks, nearest, recall, sample

statement = statements_of(__name__)

MIN_RECALL = 0.95

RECALL_QUERIES = 50

RECALL_AT = 10

EF_SEARCH = 100
"""The search's effort until an evaluation has found out which is enough (`reference_rank`)."""


@dataclass(frozen=True)
class Recall:
    """Share of the true nearest `k` that the index finds, for each query (the hash of the text it is of)."""

    k: int
    shares: Mapping[bytes, float]

    @cached_property
    def mean(self) -> float:
        """The mean share, 0 to 1; 1 where there was nothing to find."""
        return float(np.mean(list(self.shares.values()))) if self.shares else 1.0

    @property
    def worst(self) -> list[tuple[bytes, float]]:
        """The queries that found least."""
        return sorted(((q, share) for q, share in self.shares.items() if share < 1), key=lambda pair: pair[1])


@dataclass(frozen=True, slots=True)
class Trial:
    """What the index found with one effort: recall by depth, and each query's milliseconds."""

    effort: int
    recall: Mapping[int, Recall]
    milliseconds: Sequence[float]


def measure_recall(
    connection: Connection, space: Space, *, queries: int = RECALL_QUERIES, k: int = RECALL_AT
) -> Recall:
    """Compare the index, with the search's effort, with an exact search, for vectors of the corpus itself."""
    row = connection.execute(statement("search_effort"), {"id": space.id}).fetchone()
    effort = row[0] if row and row[0] else EF_SEARCH
    [trial] = trials(connection, space, queries=queries, efforts=[effort], depths=[k])
    return trial.recall[k]


def trials(
    connection: Connection, space: Space, *, queries: int, efforts: Sequence[int], depths: Sequence[int]
) -> Iterator[Trial]:
    """Search the index with one effort after another; what is set for it lasts as long as the transaction."""
    hashes, vectors = sample(connection, space, queries)
    limits = nearest(blocks(connection, space), hashes, vectors, depth=max(depths))
    _force_index(connection, space)
    for effort in efforts:
        answers = _nearest(connection, space, hashes, max(depths), effort)
        recalls = {depth: Recall(depth, _shares(hashes, limits, answers, depth)) for depth in depths}
        yield Trial(effort, recalls, [ms for _, _, ms in answers])


def _force_index(connection: Connection, space: Space) -> None:
    """Small tables too: what is measured is the index, not what the planner thinks of it."""
    for name, value in (("enable_seqscan", "off"), ("hnsw.iterative_scan", "off"), ("jit", "off")):
        _set(connection, name, value)
    connection.execute(statement("create_nearest").format(vectors=space.vectors))


def _set(connection: Connection, name: str, value: str) -> None:
    connection.execute("SELECT set_config(%s, %s, true)", (name, value))


def _nearest(
    connection: Connection, space: Space, hashes: Sequence[bytes], depth: int, effort: int
) -> list[tuple[Any, ...]]:
    """For each query the hashes and distances of its nearest, itself perhaps among them, and the milliseconds."""
    _set(connection, "hnsw.ef_search", str(effort))
    parameters = {"hashes": list(hashes), "k": depth + 1}
    return connection.execute(statement("nearest").format(vectors=space.vectors), parameters).fetchall()


def _shares(
    hashes: Sequence[bytes], limits: Distances, answers: Sequence[tuple[Any, ...]], depth: int
) -> dict[bytes, float]:
    """By query; one that has no others has nothing to find, and is left out."""
    shares = {}
    for digest, limit, (names, distances, _) in zip(hashes, limits, answers, strict=True):
        true = limit[np.isfinite(limit)][:depth]
        if len(true):
            others = [far for name, far in zip(names or (), distances or (), strict=True) if name != digest]
            shares[digest] = recall(others[:depth], true)
    return shares
