"""The index against an exact search: the share of the true nearest that it finds, by effort, and in what time.

The queries are vectors of the corpus itself, each without itself. The index is asked as PostgreSQL would be by
anybody, `ORDER BY embedding <=> query LIMIT k`, with one effort (hnsw.ef_search) after another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.errors import SchemaError
from bootstrap_assets.evaluation.document import Point
from bootstrap_assets.search import index
from bootstrap_assets.search.exact import Distances, blocks, drawn, nearest, recall

statement = statements_of(__name__)

EFFORTS = (10, 20, 40, 80, 120, 200, 400)
QUERIES = 500
DEPTHS = (10, 100)
LEAST = 100
"""A search asks for the nearest 100, so less effort than that changes nothing: the scan goes on by itself."""
WANTED = 0.99
"""Recall@10 that the search's own effort has to reach."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Efforts in rising order, over so many queries."""

    points: tuple[Point, ...]
    queries: int

    @property
    def chosen(self) -> Point:
        """The least effort that finds enough, of those that a search can make; the greatest where none does."""
        enough = (it for it in self.points if it.recall_10 >= WANTED and it.ef_search >= LEAST)
        return next(enough, self.points[-1])

    @property
    def ok(self) -> bool:
        """Whether the index finds enough at all."""
        return self.chosen.recall_10 >= WANTED


def curve(database: Database, space: Space, *, queries: int = QUERIES) -> Curve:
    """Measure the index of a space; SchemaError where it has none."""
    if not database.transact(partial(index.index_state, space=space)).valid:
        raise SchemaError(f"there is no valid index over {space.name}: `bootstrap spaces build` builds it")
    with database.connection() as connection:
        hashes, asked = drawn(connection, space, queries)
        limits = nearest(blocks(connection, space), hashes, asked, depth=DEPTHS[-1])
        _force_index(connection, space)
        _nearest(connection, space, hashes, EFFORTS[-1])  # warms the cache
        points = tuple(_point(connection, space, hashes, limits, effort) for effort in EFFORTS)
        connection.rollback()
    return Curve(points, len(hashes))


def _force_index(connection: Connection, space: Space) -> None:
    """Small tables too: what is measured is the index, not what the planner thinks of it."""
    for name, value in (("enable_seqscan", "off"), ("hnsw.iterative_scan", "off"), ("jit", "off")):
        _set(connection, name, value)
    connection.execute(statement("create_nearest").format(vectors=space.vectors))


def _set(connection: Connection, name: str, value: str) -> None:
    connection.execute("SELECT set_config(%s, %s, true)", (name, value))


def _nearest(connection: Connection, space: Space, hashes: Sequence[bytes], effort: int) -> list[tuple[Any, ...]]:
    _set(connection, "hnsw.ef_search", str(effort))
    named = {"hashes": list(hashes), "k": DEPTHS[-1] + 1}
    return connection.execute(statement("nearest").format(vectors=space.vectors), named).fetchall()


def _point(connection: Connection, space: Space, hashes: Sequence[bytes], limits: Distances, effort: int) -> Point:
    shares: dict[int, list[float]] = {depth: [] for depth in DEPTHS}
    times = []
    answers = _nearest(connection, space, hashes, effort)
    for digest, true, (names, distances, ms) in zip(hashes, limits, answers, strict=True):
        others = [far for name, far in zip(names or (), distances or (), strict=True) if name != digest]
        times.append(ms)
        for depth, share in shares.items():
            share.append(recall(others[:depth], true[np.isfinite(true)][:depth]))
    recall_10, recall_100 = (float(np.mean(share)) for share in shares.values())
    median, late = np.percentile(times, [50, 95])
    return Point(
        ef_search=effort, recall_10=recall_10, recall_100=recall_100, ms=float(median), ms_p95=float(late)
    )
