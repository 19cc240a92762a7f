"""Confidence intervals by the bootstrap: contracts are drawn again and again, with all their questions.

Questions of one contract go well or badly together, so to draw single questions would give intervals that are too
narrow (Efron and Tibshirani 1993, section 8; Sakai 2006 for its use on rankings).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DRAWS = 2_000
SEED = 20_090_719
CONFIDENCE = 0.95

Values = npt.NDArray[np.float64]
"""A row for each question, a column for each metric."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the ends of its 95 % interval."""

    mean: float
    low: float
    high: float

    def rounded(self) -> "Interval":
        """As it is kept: to four digits."""
        return Interval(round(self.mean, 4), round(self.low, 4), round(self.high, 4))


def intervals(values: Values, groups: Sequence[str]) -> list[Interval]:
    """For each column its mean over the rows, and what the mean of other contracts might have been.

    `groups`: the contract of each row. ValueError where there is no row.
    """
    if not len(values):
        raise ValueError("there is nothing to take a mean of")
    _, members = np.unique(np.asarray(groups), return_inverse=True)
    rows = np.bincount(members)
    sums = np.zeros((len(rows), values.shape[1]))
    np.add.at(sums, members, values)
    draws = np.random.default_rng(SEED).multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=DRAWS)
    means = (draws @ sums) / (draws @ rows)[:, np.newaxis]
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means, [tail, 100 - tail], axis=0)
    ends = zip(values.mean(axis=0), low, high, strict=True)
    return [Interval(*(float(value) for value in column)) for column in ends]
