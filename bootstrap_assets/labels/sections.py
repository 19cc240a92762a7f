"""Whether a section of a contract has a label: what its pieces say of it together, and the sections around it.

A label that is found in a contract stands in one of its sections, cut as the corpus cuts them. The likeliest piece
alone says less of it than what all pieces of the section add up to, and how that compares with the rest of the
contract. A regression of these, for each label, gives a probability, learnt from probabilities of pieces by what
was not trained on their contract. Where a section stands is no sign: a clause by itself stands first and last.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bootstrap_assets.labels import calibration
from bootstrap_assets.labels.calibration import (
    FLOOR,
    Column,
    Labels,
    Reliability,
    Signs,
    Weights,
    bounds,
    logistic,
    signs_around,
)
from bootstrap_assets.labels.features import Arrays
from bootstrap_assets.labels.lessons import Lesson, Numbers
from bootstrap_assets.labels.pieces import Stretch
from bootstrap_assets.texts.passages import Passage, cut

PENALTY = 0.1
"""`C` of the regression, of signs of one scale; .02 and .5 are within noise of it."""

LEAST = 1e-5
"""A probability below which pieces are alike."""


@dataclass(frozen=True)
class Sections:
    """Sections of contracts, in order: the pieces of each are those from `first` up to before `end`.

    `owner` tells contracts apart.
    """

    first: Numbers
    end: Numbers
    owner: Numbers

    @classmethod
    def of(cls, texts: Sequence[str], pieces: Sequence[Sequence[Stretch]]) -> "Sections":
        """The sections of texts, each with its pieces in order; what shares nothing with a piece is left out."""
        return cls.of_passages([cut(text) for text in texts], pieces)

    @classmethod
    def of_passages(cls, passages: Sequence[Sequence[Passage]], pieces: Sequence[Sequence[Stretch]]) -> "Sections":
        """`of` texts that were cut before."""
        rows = [row for number, some in enumerate(pieces) for row in _rows(number, passages[number], some)]
        shifts = np.cumsum([0, *(len(some) for some in pieces)])
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        return cls(table[:, 1] + shifts[table[:, 0]], table[:, 2] + shifts[table[:, 0]], table[:, 0])

    @classmethod
    def of_lesson(cls, lesson: Lesson) -> "Sections":
        """Those of a lesson's contracts."""
        contracts = lesson.contracts
        return cls.of([it.text for it in contracts], [it.pieces for it in contracts])

    def most(self, column: Column) -> Column:
        """For each section the most that one of its pieces has."""
        return np.maximum.reduceat(np.append(column, FLOOR), self._cuts())[::2] if len(self.first) else column[:0]

    def sums(self, column: Column) -> Column:
        """For each section the sum of what its pieces have."""
        return np.add.reduceat(np.append(column, 0.0), self._cuts())[::2] if len(self.first) else column[:0]

    def _cuts(self) -> Numbers:
        return np.column_stack([self.first, self.end]).ravel()


def _rows(number: int, passages: Sequence[Passage], pieces: Sequence[Stretch]) -> Iterable[tuple[int, int, int]]:
    starts, ends = np.array(pieces, dtype=np.int64).reshape(-1, 2).T
    for passage in passages:
        first, end = np.searchsorted(ends, passage.start, "right"), np.searchsorted(starts, passage.end)
        if first < end:
            yield number, int(first), int(end)


def signs_of(columns: Signs, probabilities: Column, sections: Sections) -> Signs:
    """What pieces, by their signs and probabilities, say of each section."""
    sure = np.clip(probabilities, LEAST, 1 - LEAST)
    likeliest = sections.most(np.log(sure / (1 - sure)))
    total = np.log(sections.sums(probabilities) + LEAST)
    scores, around = sections.most(columns[:, 0]), sections.most(columns[:, -5])
    compared = [
        sign
        for column in (likeliest, around)
        for sign in (*signs_around(column, sections.owner), np.log1p(_ranks(column, sections.owner)))
    ]
    return np.column_stack([scores, total, *compared]).astype(np.float64)


def _ranks(column: Column, owner: Numbers) -> Numbers:
    """The place of each section among those of its contract, from 0, the one that has most first."""
    order = np.lexsort((-column, owner))
    ranks = np.zeros(len(column), dtype=np.int64)
    ranks[order] = np.arange(len(column)) - bounds(owner)[0]
    return ranks


@dataclass(frozen=True)
class OfSections:
    """A label's regression of sections, and by step of what it says how often it was right."""

    weights: Weights
    reliability: Reliability

    def probabilities(self, columns: Signs, probabilities: Column, sections: Sections) -> Column:
        """The probability of each section, before the sureness of all labels is put right."""
        return self.weights.probabilities(signs_of(columns, probabilities, sections))


@dataclass(frozen=True)
class Lecture:
    """What a label's regression is learnt from: signs of sections, which are right, the part of each contract."""

    signs: Signs
    right: Labels
    folds: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls, columns: Signs, untouched: Column, right: Labels, folds: npt.NDArray[np.int64], sections: Sections
    ) -> "Lecture":
        """From pieces: their signs, probabilities by what was not trained on them, and which are right."""
        has = sections.most(right.astype(np.float64)) > 0
        return cls(signs_of(columns, untouched, sections), has, folds[sections.first])

    def learn(self) -> tuple[OfSections, Column] | None:
        """The regression, and probabilities by what was learnt without a section's part; None without examples."""
        if not self.right.any() or self.right.all():
            return None
        untouched = np.zeros(len(self.right))
        for fold in np.unique(self.folds):
            rows = self.folds == fold
            if 0 < self.right[~rows].sum() < (~rows).sum():
                untouched[rows] = _fit(self.signs[~rows], self.right[~rows]).probabilities(self.signs[rows])
        return OfSections(_fit(self.signs, self.right), Reliability.of(untouched, self.right)), untouched


def _fit(columns: Signs, right: Labels) -> Weights:
    """Signs are brought to one scale, and the weights back to theirs."""
    mean, scale = columns.mean(axis=0), columns.std(axis=0) + 1e-9
    rows = np.arange(len(right))
    weights, bias = logistic(
        (columns - mean) / scale, right, rows, np.ones(len(right)), C=PENALTY, intercept_scaling=10
    )
    return Weights(weights / scale, bias - float(mean @ (weights / scale)))


PREFIX = "section_"
"""What is before the names of a section's arrays among a scorer's."""


def arrays_of(regression: OfSections | None) -> Arrays:
    """As they are stored, among a scorer's own; none where there is no regression."""
    arrays = calibration.arrays_of(regression.weights, regression.reliability) if regression else {}
    return {PREFIX + name: array for name, array in arrays.items()}


def from_arrays(arrays: Arrays) -> OfSections | None:
    """What `arrays_of` gave."""
    own = {name.removeprefix(PREFIX): array for name, array in arrays.items() if name.startswith(PREFIX)}
    return OfSections(*calibration.from_arrays(own)) if own else None
