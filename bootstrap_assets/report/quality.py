"""The figures of the last evaluation, as `bootstrap evaluate` stored them in embedding_spaces.quality.

Whatever is missing there is missing here; nothing of it has to be there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.evaluation import evaluation

statement = statements_of(__name__)

MODES = {
    "vector": "meaning (vectors)",
    "text": "words (BM25)",
    "text_widened": "words and related words",
    "hybrid": "all together (hybrid)",
}
"""The lists that are shown, and what they are called. Documents stored before may lack `text_widened`."""

METRICS = {
    "R@5": ("R@5",),
    "R@10": ("R@10",),
    "P@5": ("P@5",),
    "P@10": ("P@10",),
    "MRR": ("MRR", "RR@10", "RR"),
    "nDCG@10": ("nDCG@10",),
}
"""The metrics that are shown, with the names they may have."""


@dataclass(frozen=True, slots=True)
class Score:
    """A mean, 0 to 1, and the ends of its confidence interval where they are known."""

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """What the index finds at one effort: shares of the true nearest 10 and 100, and milliseconds a query."""

    ef_search: int
    recall_10: float | None = None
    recall_100: float | None = None
    milliseconds: float | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A data set's questions: scores by mode and metric, and rows of its parts (hypotheses, categories)."""

    scores: Mapping[str, Mapping[str, Score]]
    parts: Sequence[tuple[str, int, Mapping[str, Score]]] = ()
    questions: int | None = None
    contracts: int | None = None

    @property
    def lists(self) -> list[str]:
        """What the lists are called that there are scores of."""
        return [MODES[mode] for mode in self.scores]

    @property
    def metrics(self) -> list[str]:
        """The metrics that any mode has a score of."""
        return [name for name in METRICS if any(name in scores for scores in self.scores.values())]

    @property
    def part_metrics(self) -> list[str]:
        """The metrics that any part has a score of."""
        return [name for name in METRICS if any(name in scores for _, _, scores in self.parts)]


@dataclass(frozen=True, slots=True)
class Quality:
    """All that is known of how good the search is; `failures`: what is not as it should be, in words.

    `outdated`: it was measured, but on another state of the corpus. `invented`: the sources that held the sample
    when it was measured, with what to say of them.
    """

    evaluated_at: str | None = None
    ef_search: int | None = None
    curve: Sequence[Point] = ()
    tasks: Mapping[str, Task] = field(default_factory=dict)
    failures: Sequence[str] = ()
    outdated: bool = False
    invented: Mapping[str, str] = field(default_factory=dict)


def read(connection: Connection, space: Space) -> Quality:
    """The quality of a space."""
    row = connection.execute(statement("report_quality"), {"space": space.id}).fetchone()
    document = row[0] if row else {}
    found = parse(document)
    outdated = bool(found.evaluated_at) and not evaluation.is_of_this_corpus(connection, document)
    return replace(found, outdated=outdated)


def parse(document: Any) -> Quality:
    """The quality that a JSON document tells; what it does not tell, or tells in another way, is left out."""
    told = _mapping(document)
    tasks = {
        "contract_nli": _task(told.get("contract_nli"), "by_hypothesis", ("hypothesis", "hypothesis_id")),
        "cuad": _task(told.get("cuad"), "by_category", ("category",)),
    }
    return Quality(
        evaluated_at=str(told["evaluated_at"]) if told.get("evaluated_at") else None,
        ef_search=_whole(told.get("ef_search")),
        curve=_curve(told.get("ann")),
        tasks={name: task for name, task in tasks.items() if task},
        failures=[str(failure) for failure in _list(told.get("failures"))],
        invented={str(name): str(origin) for name, origin in _mapping(told.get("invented")).items()},
    )


def _curve(rows: Any) -> list[Point]:
    points = [
        Point(
            int(effort),
            _number(row.get("recall@10")),
            _number(row.get("recall@100")),
            _number(row.get("ms")),
        )
        for row in map(_mapping, _list(rows))
        if (effort := _number(row.get("ef_search"))) is not None
    ]
    return sorted(points, key=lambda point: point.ef_search)


def _task(told: Any, parts: str, names: Sequence[str]) -> Task | None:
    task = _mapping(told)
    scores = {mode: found for mode in MODES if (found := _scores(task.get(mode)))}
    rows = [
        (_name(row, names), _whole(row.get("queries")) or 0, _scores(row))
        for row in map(_mapping, _list(task.get(parts)))
    ]
    if not scores and not rows:
        return None
    return Task(scores, rows, _whole(task.get("queries")), _whole(task.get("contracts")))


def _name(row: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((str(row[name]) for name in names if row.get(name) is not None), "?")


def _scores(told: Any) -> dict[str, Score]:
    values = _mapping(told)
    found = {
        metric: _score(next((values[name] for name in names if name in values), None))
        for metric, names in METRICS.items()
    }
    return {metric: score for metric, score in found.items() if score}


def _score(value: Any) -> Score | None:
    interval = _mapping(value)
    mean = _number(interval.get("mean") if interval else value)
    return Score(mean, _number(interval.get("low")), _number(interval.get("high"))) if mean is not None else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
