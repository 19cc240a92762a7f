"""The scores that an evaluation is compared with, question by question, and what has fallen by more than noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from psycopg.types.json import Jsonb

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.evaluation.intervals import Interval, intervals
from bootstrap_assets.evaluation.ranking import LISTS
from bootstrap_assets.evaluation.tasks import Task

statement = statements_of(__name__)

TOLERATED = 0.005
"""A fall of a mean that nobody would notice, however sure it is."""

FEWEST = 10
"""Contracts below which a fall is not judged: an interval drawn from so few says nothing."""

Scores = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]]
"""By task, list, contract, label and metric."""


@dataclass(frozen=True, slots=True)
class Fall:
    """A mean that is lower than it was: over the questions that both evaluations asked."""

    task: str
    list: str
    metric: str
    before: float
    now: float
    difference: Interval

    def __str__(self) -> str:
        by = self.difference
        return (
            f"{self.task}: {self.metric} of {self.list} fell from {self.before:.3f} to {self.now:.3f} "
            f"({by.mean:+.3f}, 95 % interval {by.low:+.3f} to {by.high:+.3f})"
        )


@dataclass(frozen=True, slots=True)
class Baseline:
    """Scores as they were: in which space, by which functions (a digest), over which corpus (its version)."""

    space: str
    search: str
    corpus: str
    scores: Scores
    measured_at: datetime


def stored(connection: Connection) -> Baseline | None:
    """The baseline; None before the first."""
    row = connection.execute(statement("baseline")).fetchone()
    return Baseline(*row) if row else None


def store(connection: Connection, space: Space, tasks: Mapping[str, Task]) -> None:
    """Make these scores the baseline."""
    parameters = {"space": space.name, "search": search_functions(connection), "scores": Jsonb(_scores(tasks))}
    connection.execute(statement("set_baseline"), parameters)


def corpus_version(connection: Connection) -> str:
    """Another text as soon as texts came or went."""
    [version] = connection.execute(statement("corpus_version")).fetchone() or ("",)
    return str(version)


def search_functions(connection: Connection) -> str:
    """A digest of the SQL functions that search: another one where they were changed."""
    [digest] = connection.execute(statement("search_functions")).fetchone() or ("",)
    return str(digest)


def falls(baseline: Baseline, tasks: Mapping[str, Task]) -> list[Fall]:
    """What is worse than it was: the whole interval of the difference lies below 0, and it is no trifle.

    A task that shares fewer than `FEWEST` contracts with the baseline is not judged.
    """
    return [
        fall
        for name, task in tasks.items()
        for which in LISTS
        for fall in _compare(name, which, task, baseline.scores.get(name, {}).get(which, {}))
        if fall.difference.high < 0 and fall.difference.mean < -TOLERATED
    ]


def shared(baseline: Baseline, tasks: Mapping[str, Task]) -> int:
    """How many contracts both have."""
    before = {contract for name in tasks for by in baseline.scores.get(name, {}).values() for contract in by}
    return len(before & {query.contract for task in tasks.values() for query in task.queries})


def _compare(
    name: str, which: str, task: Task, before: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> Sequence[Fall]:
    rows = [row for row, query in enumerate(task.queries) if query.label in before.get(query.contract, {})]
    queries = [task.queries[row] for row in rows]
    metrics = [metric for metric in task.metrics if all(metric in before[q.contract][q.label] for q in queries)]
    if not metrics or len({query.contract for query in queries}) < FEWEST:
        return []
    old = np.array([[before[query.contract][query.label][metric] for metric in metrics] for query in queries])
    new = task.scores[which][rows][:, [task.metrics.index(metric) for metric in metrics]]
    changes = intervals(new - old, [query.contract for query in queries])
    means = zip(metrics, old.mean(axis=0), new.mean(axis=0), changes, strict=True)
    return [Fall(name, which, metric, float(was), float(now), by) for metric, was, now, by in means]


def _scores(tasks: Mapping[str, Task]) -> dict[str, Any]:
    return {name: {which: _by_contract(task, which) for which in LISTS} for name, task in tasks.items()}


def _by_contract(task: Task, which: str) -> dict[str, dict[str, dict[str, float]]]:
    contracts: dict[str, dict[str, dict[str, float]]] = {}
    for query, values in zip(task.queries, task.scores[which], strict=True):
        scores = {metric: round(float(value), 4) for metric, value in zip(task.metrics, values, strict=True)}
        contracts.setdefault(query.contract, {})[query.label] = scores
    return contracts
