"""The index against an exact search: the share of the true nearest that it finds, by effort, and in what time."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from bootstrap_assets.database.connection import Database
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.errors import SchemaError
from bootstrap_assets.evaluation.document import Point
from bootstrap_assets.search import index
from bootstrap_assets.search.recall import Trial, trials

EFFORTS = (10, 20, 40, 80, 120, 200, 400)
QUERIES = 500
DEPTHS = (10, 100)
LEAST = 100
"""A search asks for the nearest 100, so less effort than that changes nothing: the scan goes on by itself."""
TARGET_RECALL = 0.99
"""Recall@10 that the search's own effort has to reach."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Efforts in rising order, each measured over `queries` queries."""

    points: tuple[Point, ...]
    queries: int

    @property
    def operating_point(self) -> Point:
        """The least effort that finds enough, of those that a search can make; the greatest where none does."""
        enough = (it for it in self.points if it.recall_10 >= TARGET_RECALL and it.ef_search >= LEAST)
        return next(enough, self.points[-1])

    @property
    def ok(self) -> bool:
        """Whether the index finds enough at all."""
        return self.operating_point.recall_10 >= TARGET_RECALL


def curve(database: Database, space: Space, *, queries: int = QUERIES) -> Curve:
    """Measure the index of a space; SchemaError where it has none."""
    if not database.transact(partial(index.index_state, space=space)).valid:
        raise SchemaError(f"there is no valid index over {space.name}: `bootstrap spaces build` builds it")
    efforts = (EFFORTS[-1], *EFFORTS)  # the first only warms the cache
    with database.connection() as connection:
        _, *measured = trials(connection, space, queries=queries, efforts=efforts, depths=DEPTHS)
        connection.rollback()
    return Curve(tuple(map(_point, measured)), len(measured[0].milliseconds))


def _point(trial: Trial) -> Point:
    recall_10, recall_100 = (trial.recall[depth].mean for depth in DEPTHS)
    median, late = np.percentile(trial.milliseconds, [50, 95])
    return Point(
        ef_search=trial.effort, recall_10=recall_10, recall_100=recall_100, ms=float(median), ms_p95=float(late)
    )
