"""The scorers of labels against a baseline: whether they order contracts that they were not trained on as well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from psycopg.types.json import Jsonb

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.evaluation.baseline import FEWEST, TOLERATED, Fall
from bootstrap_assets.evaluation.intervals import intervals
from bootstrap_assets.labels import store

statement = statements_of(__name__)

Scores = Mapping[str, Mapping[str, Mapping[str, float]]]
"""By source, label and contract: the average precision of what was not trained on that contract."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What fell by more than noise since the baseline; `measured_at` is None where there was none before."""

    measured_at: datetime | None
    falls: tuple[Fall, ...]
    scorers: int


def judge(connection: Connection, *, accept: bool = False) -> Judgement:
    """Compare the scorers with the baseline; they become it where there is none, or `accept` says so.

    Those of a source that has no contract and label in common with it, such as one that came later, join it.
    """
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for entry in store.listing(connection):
        scores.setdefault(entry.source, {})[entry.label] = dict(entry.quality["scores"])
    row = connection.execute(statement("label_baseline")).fetchone()
    if scores and (accept or row is None):
        connection.execute(statement("set_label_baseline"), {"scores": Jsonb(scores)})
    number = sum(map(len, scores.values()))
    if row is None:
        return Judgement(None, (), number)
    pairs = {source: _pairs(labels, row[0].get(source, {})) for source, labels in scores.items()}
    apart = {source: scores[source] for source, several in pairs.items() if not several}
    if apart and not accept:
        connection.execute(statement("join_label_baseline"), {"scores": Jsonb(apart)})
    falls = [_fall(source, several) for source, several in pairs.items()]
    return Judgement(row[1], tuple(fall for fall in falls if fall), number)


def _pairs(
    labels: Mapping[str, Mapping[str, float]], before: Mapping[str, Mapping[str, float]]
) -> list[tuple[str, float, float]]:
    """The questions that both have: of which contract, how it was answered before, and now."""
    return [
        (contract, before[label][contract], score)
        for label, by_contract in labels.items()
        for contract, score in by_contract.items()
        if contract in before.get(label, {})
    ]


def _fall(source: str, pairs: Sequence[tuple[str, float, float]]) -> Fall | None:
    """A fall of the mean over the questions that both have; too few contracts are not judged."""
    if len({contract for contract, _, _ in pairs}) < FEWEST:
        return None
    old, new = (np.array([pair[place] for pair in pairs]) for place in (1, 2))
    [by] = intervals((new - old)[:, np.newaxis], [contract for contract, _, _ in pairs])
    fall = Fall(source, "scorers", "mAP", float(old.mean()), float(new.mean()), by)
    return fall if by.high < 0 and by.mean < -TOLERATED else None
