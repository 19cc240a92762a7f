"""A data set's questions with the scores of every list: means with intervals, differences, parts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bootstrap_assets.evaluation.intervals import Interval, Values, intervals
from bootstrap_assets.evaluation.labelled import Query
from bootstrap_assets.evaluation.metrics import measure
from bootstrap_assets.evaluation.ranking import LISTS, Ranked

PARTS = ("vector", "text")
"""The lists that the hybrid is fused from, as they would be by themselves."""


@dataclass(frozen=True)
class Task:
    """Questions of a data set; for each list of hits a row of scores per question, a column per metric."""

    metrics: tuple[str, ...]
    queries: Sequence[Query]
    scores: Mapping[str, Values] = field(repr=False)

    def means(self, name: str, chosen: Sequence[int] | None = None) -> dict[str, Interval]:
        """A list's scores by metric, over all questions or those in some rows."""
        return self._intervals(self.scores[name], chosen)

    def difference(self, other: str) -> dict[str, Interval]:
        """By how much the hybrid is better than another list, question by question."""
        return self._intervals(self.scores["hybrid"] - self.scores[other])

    @property
    def beaten(self) -> dict[str, list[str]]:
        """For each part of the hybrid the metrics in which the hybrid is not better by more than noise."""
        return {part: [name for name, by in self.difference(part).items() if by.low <= 0] for part in PARTS}

    def document(self) -> dict[str, Any]:
        """As it is stored and read."""
        return {
            **{name: _rounded(self.means(name)) for name in LISTS},
            "queries": len(self.queries),
            "contracts": len({query.contract for query in self.queries}),
            "hybrid_minus_text": _rounded(self.difference("text")),
            "hybrid_minus_vector": _rounded(self.difference("vector")),
            "hybrid_minus_text_widened": _rounded(self.difference("text_widened")),
        }

    def by(self, key: Callable[[Query], Any]) -> dict[Any, list[int]]:
        """Rows of the questions that agree in something, by that."""
        rows: dict[Any, list[int]] = {}
        for row, query in enumerate(self.queries):
            rows.setdefault(key(query), []).append(row)
        return rows

    def labels(self) -> list[dict[str, Any]]:
        """For each label the hybrid's mean scores and the number of questions, the worst first (by R@5)."""
        means = {label: self.scores["hybrid"][rows].mean(axis=0) for label, rows in self.by(_label).items()}
        counts = {label: len(rows) for label, rows in self.by(_label).items()}
        worst = sorted(means, key=lambda label: (means[label][0], label))
        return [
            {"label": label, "queries": counts[label]}
            | {name: round(float(value), 4) for name, value in zip(self.metrics, means[label], strict=True)}
            for label in worst
        ]

    def _intervals(self, values: Values, chosen: Sequence[int] | None = None) -> dict[str, Interval]:
        rows = list(range(len(self.queries)) if chosen is None else chosen)
        found = intervals(values[rows], [self.queries[row].contract for row in rows])
        return dict(zip(self.metrics, found, strict=True))


def score(metrics: Sequence[str], queries: Sequence[Query], ranked: Ranked) -> Task:
    """Measure every list."""
    relevant = [query.relevant for query in queries]
    return Task(tuple(metrics), queries, {name: measure(metrics, relevant, ranked[name]) for name in LISTS})


def _label(query: Query) -> str:
    return query.label


def _rounded(found: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    return {name: interval.rounded() for name, interval in found.items()}
