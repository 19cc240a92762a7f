"""From a scorer's scores to probabilities, learnt on contracts that the scorer was not trained on.

The score of a piece alone says little: what its neighbours score, whether it is the best of its contract, and
where in it it stands say more (signs). A logistic regression of these, for each label, gives a probability; what
all labels of a source together show then puts right how sure that is (`sureness`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bootstrap_assets.labels.features import Arrays, View
from bootstrap_assets.labels.lessons import Numbers

FLOOR = -9.0
"""The score of what is not there, such as the piece before the first."""

AROUND = 4
"""Pieces on either side that say whether this one is the best around."""

ENOUGH = 8
"""Pieces with a label from which on all signs are weighed; below, the score alone."""

BINS = 50
"""Steps of the probability in which right and wrong are counted."""

MANY = 5_000
"""Pieces from which on not all of those without a label are learnt from."""

Column = npt.NDArray[np.float64]
"""A number for each piece."""

Labels = npt.NDArray[np.bool_]
"""For each piece whether it has a label."""

Signs = npt.NDArray[np.float64]
"""A row for each piece, a column for each sign."""


def logistic(columns: Any, right: Labels, rows: Numbers, counts: Column, **options: float) -> tuple[Column, float]:
    """Weights and bias of a logistic regression of some rows, of which each counts as much as `counts` says."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(solver="liblinear", **options)
    model.fit(columns[rows], right[rows], sample_weight=counts)
    return model.coef_[0], float(model.intercept_[0])


def signs(scores: Column, scores_around: Column, view: View) -> Signs:
    """What the scores of consecutive pieces, and those of their stretches, say of each piece."""
    owner = view.owner
    first, last = bounds(owner)
    place = np.arange(len(scores)) - first
    share = place / (last - first)
    starts, contracts = np.unique(first, return_inverse=True)
    near = [shifted(scores, owner, by) for by in range(-AROUND, AROUND + 1)]
    best = np.maximum.reduceat(scores, starts)[contracts]
    order = (place < 2, place < 6, place < 20, share > 0.9, share)
    neighbours = (near[AROUND - 1], near[AROUND + 1], near[AROUND - 2], near[AROUND + 2])
    around = (np.max(near, axis=0), best, scores - best)
    stretches = np.column_stack(signs_around(scores_around, view.owners))[view.stretch]
    return np.column_stack([scores, *neighbours, *around, *order, stretches]).astype(np.float64)


def signs_around(scores: Column, owner: Numbers) -> list[Column]:
    """What the scores of consecutive stretches say of each: its own, the best of its contract, the neighbours'."""
    best = np.full(int(owner.max(initial=-1)) + 1, FLOOR)
    np.maximum.at(best, owner, scores)
    return [scores, best[owner], scores - best[owner], *(shifted(scores, owner, by) for by in (-1, 1))]


def bounds(owner: Numbers) -> tuple[Numbers, Numbers]:
    """For each piece the number of the first piece of its contract, and of the one behind the last."""
    starts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    lengths = np.diff(np.r_[starts, len(owner)])
    return np.repeat(starts, lengths), np.repeat(starts + lengths, lengths)


def shifted(scores: Column, owner: Numbers, by: int) -> Column:
    """For each piece the score of the one `by` places further on in its contract."""
    places = np.arange(len(scores)) + by
    inside = np.clip(places, 0, len(scores) - 1)
    is_there = (places == inside) & (owner[inside] == owner)
    return np.where(is_there, scores[inside], FLOOR)


@dataclass(frozen=True)
class Weights:
    """Weights of the signs, and what is added to them: a score that grows with the probability."""

    signs: npt.NDArray[np.float64]
    bias: float

    def probabilities(self, columns: Signs) -> Column:
        """The probability of each piece of these signs, before the sureness of all labels is put right."""
        logits = np.clip(columns[:, : len(self.signs)] @ self.signs + self.bias, -30, 30)
        return np.asarray(1 / (1 + np.exp(-logits)))

    @classmethod
    def fit(cls, columns: Signs, right: Labels) -> "Weights":
        """Learn from the signs of pieces, each scored by what was not trained on its contract.

        Of many pieces without the label every eighth is taken, unless it scores as some piece with the label does.
        """
        if right.all() or not right.any():
            return cls(np.ones(1), -FLOOR if right.any() else FLOOR)
        is_near = columns[:, 0] >= np.quantile(columns[right, 0], 0.05)
        step = 8 if len(right) > MANY else 1
        rows = np.flatnonzero(right | is_near | (np.arange(len(right)) % step == 0))
        counts = np.where((right | is_near)[rows], 1.0, step)
        if right.sum() < ENOUGH:
            columns = columns[:, :1]
        return cls(*logistic(columns, right, rows, counts, C=0.3, intercept_scaling=10))


@dataclass(frozen=True)
class Reliability:
    """By step of the probability: pieces that it was said of, and those of them that it was right of."""

    counts: npt.NDArray[np.int64]
    hits: npt.NDArray[np.int64]

    @classmethod
    def of(cls, probabilities: Column, right: Labels) -> "Reliability":
        """Count."""
        steps = np.minimum((probabilities * BINS).astype(int), BINS - 1)
        return cls(np.bincount(steps, minlength=BINS), np.bincount(steps, right, BINS).astype(np.int64))

    @classmethod
    def together(cls, several: "Sequence[Reliability]") -> "Reliability":
        """Those of several labels, as one."""
        nothing = np.zeros(BINS, dtype=np.int64)
        return cls(sum((it.counts for it in several), nothing), sum((it.hits for it in several), nothing))


def sureness(reliability: Reliability) -> Callable[[Column], Column]:
    """What a probability should be, from what was right: never falling, and the order of two stays."""
    from sklearn.isotonic import IsotonicRegression

    some = reliability.counts > 0
    if reliability.hits.sum() < BINS:
        return lambda probabilities: probabilities
    middles = (np.arange(BINS)[some] + 0.5) / BINS
    shares = reliability.hits[some] / reliability.counts[some]
    model = IsotonicRegression(y_min=0, y_max=1).fit(middles, shares, sample_weight=reliability.counts[some])
    levels = model.predict(middles)
    points, heights = np.r_[0, middles, 1], np.r_[0, levels, max(levels[-1], 0.99)]
    return lambda probabilities: 0.99 * np.interp(probabilities, points, heights) + 0.01 * probabilities


def cross_checked(several: Sequence[Reliability]) -> Reliability:
    """By step of what is said in the end, how often it was right: each label put right by what the others show."""
    middles = (np.arange(BINS) + 0.5) / BINS
    checked = [Reliability.together([])]
    for number, own in enumerate(several):
        others = Reliability.together([*several[:number], *several[number + 1 :]])
        steps = np.minimum((sureness(others)(middles) * BINS).astype(int), BINS - 1)
        counts, hits = (np.bincount(steps, column, BINS).astype(np.int64) for column in (own.counts, own.hits))
        checked.append(Reliability(counts, hits))
    return Reliability.together(checked)


def arrays_of(weights: Weights, reliability: Reliability) -> Arrays:
    """As they are stored."""
    return {
        "signs": weights.signs,
        "bias": np.array([weights.bias]),
        "counts": reliability.counts,
        "hits": reliability.hits,
    }


def from_arrays(arrays: Arrays) -> tuple[Weights, Reliability]:
    """What `arrays_of` gave."""
    bias: Any = arrays["bias"][0]
    return Weights(arrays["signs"], float(bias)), Reliability(arrays["counts"], arrays["hits"])
