"""How good a scorer is on contracts that it was not trained on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from bootstrap_assets.labels.calibration import Column, Labels
from bootstrap_assets.labels.lessons import Examples, Lesson, Numbers

LIKELY = 0.5
"""Probability from which on a label is said to be there."""


@dataclass(frozen=True)
class Quality:
    """How good a scorer is on contracts that it was not trained on.

    `recall`: of the contracts that have the label, the share in which it is said to be there. `precision`: of
    those where it is said, the share that has it; None where it is said of none. `scores`: by contract that has
    it, the average precision of its pieces' order. `remark`: what to say of these contracts where some are
    invented, else empty.
    """

    contracts: int
    pieces: int
    contradictions: int
    recall: float
    precision: float | None
    scores: Mapping[str, float] = field(repr=False)
    remark: str = ""

    @property
    def mean(self) -> float:
        """The mean average precision."""
        return float(np.mean(list(self.scores.values())))


def quality_of(
    lesson: Lesson, examples: Examples, probabilities: Column, right: Labels, verdicts: tuple[Column, Numbers]
) -> Quality:
    """How good a scorer is, by probabilities of pieces that were learnt without their contract.

    `verdicts`: the probabilities by which it is said that a contract has the label, and the contract of each.
    """
    has, is_there = np.unique(lesson.owner[right]), np.unique(verdicts[1][verdicts[0] >= LIKELY])
    both = len(np.intersect1d(has, is_there))
    return Quality(
        contracts=len(has),
        pieces=len(examples.pieces),
        contradictions=examples.contradictions,
        recall=both / len(has),
        precision=both / len(is_there) if len(is_there) else None,
        scores=dict(_by_contract(lesson, probabilities, right, has)),
        remark=lesson.remark,
    )


def _by_contract(
    lesson: Lesson, probabilities: Column, right: Labels, contracts: Numbers
) -> Iterator[tuple[str, float]]:
    for contract in contracts:
        rows = slice(*np.searchsorted(lesson.owner, [contract, contract + 1]))
        score = average_precision(probabilities[rows], right[rows])
        yield lesson.contracts[contract].source_id, round(score, 4)


def average_precision(probabilities: Column, right: Labels) -> float:
    """The mean, over what is right, of the precision at its rank; at least one has to be right."""
    hits = right[np.argsort(-probabilities, kind="stable")]
    precisions = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precisions[hits].mean())
