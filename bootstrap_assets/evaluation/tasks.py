"""A data set's questions with the scores of every list: means with intervals, differences, parts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bootstrap_assets.evaluation.intervals import Interval, Values, intervals
from bootstrap_assets.evaluation.labels import Query
from bootstrap_assets.evaluation.metrics import measure
from bootstrap_assets.evaluation.ranking import LISTS, Ranked
from bootstrap_assets.evaluation.scores_of_tasks import ListScores, Scores, TaskScores

PARTS = ("vector", "text")
"""The lists that the hybrid is fused from, as they would be by themselves."""


class LabelScores(NamedTuple):
    """The hybrid's mean scores by metric over the questions of one label."""

    label: str
    queries: int
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Task:
    """Questions of a data set; for each list of hits a row of scores per question, a column per metric."""

    metrics: tuple[str, ...]
    queries: Sequence[Query]
    scores: Mapping[str, Values] = field(repr=False)

    def means(self, name: str, rows: Sequence[int] | None = None) -> dict[str, Interval]:
        """A list's scores by metric, over all questions or those in some rows."""
        return self._intervals(self.scores[name], rows)

    def difference(self, other: str) -> dict[str, Interval]:
        """By how much the hybrid is better than another list, question by question."""
        return self._intervals(self.scores["hybrid"] - self.scores[other])

    @property
    def beaten(self) -> dict[str, list[str]]:
        """For each part of the hybrid the metrics in which the hybrid is not better by more than noise."""
        return {part: [name for name, by in self.difference(part).items() if by.low <= 0] for part in PARTS}

    def list_scores(self, rows: Sequence[int] | None = None) -> ListScores:
        """Every list's scores as they are kept, over all questions or those in some rows."""
        means = {name: _rounded(self.means(name, rows)) for name in LISTS}
        return ListScores(queries=len(self.queries if rows is None else rows), **means)

    def scores_of_task(self) -> TaskScores:
        """The lists' scores and their differences as they are kept."""
        return TaskScores(
            **dict(self.list_scores()),
            contracts=len({query.contract for query in self.queries}),
            hybrid_minus_text=_rounded(self.difference("text")),
            hybrid_minus_vector=_rounded(self.difference("vector")),
            hybrid_minus_text_widened=_rounded(self.difference("text_widened")),
        )

    def by(self, key: Callable[[Query], Any]) -> dict[Any, list[int]]:
        """Rows of the questions that agree in something, by that."""
        rows: dict[Any, list[int]] = {}
        for row, query in enumerate(self.queries):
            rows.setdefault(key(query), []).append(row)
        return rows

    def labels(self) -> list[LabelScores]:
        """For each label the hybrid's mean scores and the number of questions, the worst first (by R@5)."""
        means = {label: self.scores["hybrid"][rows].mean(axis=0) for label, rows in self.by(_label).items()}
        counts = {label: len(rows) for label, rows in self.by(_label).items()}
        worst = sorted(means, key=lambda label: (means[label][0], label))
        return [
            LabelScores(label, counts[label], dict(zip(self.metrics, map(float, means[label]), strict=True)))
            for label in worst
        ]

    def _intervals(self, values: Values, rows: Sequence[int] | None = None) -> dict[str, Interval]:
        rows = list(range(len(self.queries)) if rows is None else rows)
        means = intervals(values[rows], [self.queries[row].contract for row in rows])
        return dict(zip(self.metrics, means, strict=True))


def score(metrics: Sequence[str], queries: Sequence[Query], ranked: Ranked) -> Task:
    """Measure every list."""
    relevant = [query.relevant for query in queries]
    return Task(tuple(metrics), queries, {name: measure(metrics, relevant, ranked[name]) for name in LISTS})


def _label(query: Query) -> str:
    return query.label


def _rounded(scores: Scores) -> Scores:
    return {metric: interval.rounded() for metric, interval in scores.items()}
