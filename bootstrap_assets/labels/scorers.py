"""Training: for each label of a lesson a linear scorer, its calibration, and how good it is where it never was."""

import hashlib
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from bootstrap_assets.errors import StoppedError
from bootstrap_assets.extras import needs_extra
from bootstrap_assets.labels.calibration import (
    FLOOR,
    Column,
    Labels,
    Reliability,
    Signs,
    Weights,
    logistic,
    signs,
    sureness,
)
from bootstrap_assets.labels.features import Features, Matrix, View
from bootstrap_assets.labels.lessons import Examples, Lesson, Numbers
from bootstrap_assets.labels.quality import Quality, quality_of
from bootstrap_assets.labels.sections import Lecture, OfSections, Sections
from bootstrap_assets.sources.spec import Label
from bootstrap_assets.stopping import Stop

FOLDS = 5
"""Parts of the contracts; each is scored by what was trained on the others."""

FEWEST = 2
"""Contracts with a label, at least: of one contract nothing can be tried on another."""

PENALTY = 10.0
"""`C` of the logistic regression; 3 and 50 are within noise of it."""

MANY = 12_000
"""Pieces without a label from which on every third is taken, and counts threefold."""

PENALTY_AROUND, SCALE = 0.5, 4.0
"""`C` of what scores stretches, and what its margin is multiplied by."""

THREADS = 2

Coefficients = npt.NDArray[np.float32]
"""A weight for each feature; the last is added to the rest."""


@dataclass(frozen=True)
class Scorer:
    """A label's scorer; `classes` tells its evidence apart, None where all is of one class or the label has none.

    `coefficients` weigh what is seen of a piece, `around` the words of its stretch. `usual`: the share of
    Entailment among its evidence. `sections`: what tells sections that have it; None of a hypothesis, for what is
    said of one its pieces say.
    """

    label: str
    wording: str
    digest: str
    coefficients: Coefficients
    around: Coefficients
    weights: Weights
    reliability: Reliability
    quality: Quality
    classes: Coefficients | None = None
    usual: float = 1.0
    sections: OfSections | None = None


@dataclass(frozen=True)
class Scorers:
    """The scorers of a source, and what they see."""

    source: str
    features: Features
    scorers: Sequence[Scorer]

    def probabilities(self, view: View) -> npt.NDArray[np.float64]:
        """For each piece (rows) and scorer (columns) the probability that the label is the piece's."""
        if not self.scorers:
            return np.zeros((len(view.owner), 0))
        sure = sureness(Reliability.together([scorer.reliability for scorer in self.scorers]))
        columns = (sure(scorer.weights.probabilities(_signs_of(view, scorer))) for scorer in self.scorers)
        return np.column_stack(list(columns))

    def of_sections(self, view: View, sections: Sections) -> npt.NDArray[np.float64]:
        """For each section (rows) and scorer the probability that it has the label."""
        several = [scorer.sections.reliability for scorer in self.scorers if scorer.sections]
        sure = sureness(Reliability.together(several))
        columns = (sure(_of_sections(view, sections, scorer)) for scorer in self.scorers)
        return np.column_stack(list(columns)) if self.scorers else np.zeros((len(sections.first), 0))

    def entailments(self, view: View) -> npt.NDArray[np.float64]:
        """For each piece and scorer the probability that the piece, if it is evidence, entails."""
        columns = (_entailment(view.pieces, scorer) for scorer in self.scorers)
        return np.column_stack(list(columns)) if self.scorers else np.zeros((len(view.owner), 0))


def _of_sections(view: View, sections: Sections, scorer: Scorer) -> Column:
    """Without a regression a section is as likely as its likeliest piece."""
    columns = _signs_of(view, scorer)
    probabilities = scorer.weights.probabilities(columns)
    if scorer.sections is None:
        return sections.most(probabilities)
    return scorer.sections.probabilities(columns, probabilities, sections)


def _signs_of(view: View, scorer: Scorer) -> Signs:
    scores, around = scores_of(view.pieces, scorer.coefficients), scores_of(view.stretches, scorer.around)
    return signs(scores, around, view)


def scores_of(matrix: Matrix, coefficients: Coefficients) -> Column:
    """The score of each row."""
    return np.asarray(matrix @ coefficients[:-1] + coefficients[-1], dtype=np.float64)


def _entailment(matrix: Matrix, scorer: Scorer) -> Column:
    if scorer.classes is None:
        return np.full(matrix.shape[0], scorer.usual)
    return np.asarray(1 / (1 + np.exp(-scores_of(matrix, scorer.classes))))


def has_enough(lesson: Lesson, examples: Examples) -> bool:
    """Whether enough contracts have a label for a scorer of it."""
    return len(np.unique(lesson.owner[examples.pieces])) >= FEWEST


def train(
    lesson: Lesson,
    features: Features | None = None,
    *,
    only: Collection[str] | None = None,
    stop: Stop | None = None,
) -> Scorers:
    """Scorers of all labels, or `only` some, that have enough examples. The same lesson gives the same scorers.

    `features`: those of an earlier training on the same texts. StoppedError once `stop` is set.
    """
    with needs_extra("labels", "what the labels know"):
        import sklearn.linear_model  # noqa: F401  (its BLAS has to be there before its threads are limited)
        from threadpoolctl import threadpool_limits
    labels = [label for label in lesson.examples if only is None or label in only]
    labels = [label for label in labels if has_enough(lesson, lesson.examples[label])]
    with threadpool_limits(1), ThreadPoolExecutor(THREADS, thread_name_prefix="labels") as pool:
        features = features or Features.of(lesson.texts)
        view = features.view(lesson.texts, lesson.owner)
        sections = Sections.of_lesson(lesson) if lesson.kind is Label.CATEGORY else None
        work = partial(_train, lesson, view, folds_of(lesson), sections, stop or Stop())
        return Scorers(lesson.source, features, list(pool.map(work, labels)))


def folds_of(lesson: Lesson, count: int = FOLDS) -> Numbers:
    """For each piece the part that its contract is in: by its name's digest, so that one contract moves few."""
    names = [contract.source_id for contract in lesson.contracts]
    order = sorted(range(len(names)), key=lambda number: hashlib.sha256(names[number].encode()).digest())
    parts = np.zeros(len(names), dtype=np.int64)
    parts[order] = np.arange(len(names)) % count
    return parts[lesson.owner]


def _train(
    lesson: Lesson, view: View, folds: Numbers, sections: Sections | None, stop: Stop, label: str
) -> Scorer:
    """A scorer is the mean of those of the parts: so it scores as those did that it is calibrated by."""
    examples = lesson.examples[label]
    right = np.zeros(len(lesson.owner), dtype=np.bool_)
    right[examples.pieces] = True
    has, parts = (
        np.maximum.reduceat(column, np.unique(view.stretch, return_index=True)[1]) for column in (right, folds)
    )
    scores, coefficients = _by_parts(view.pieces, right, folds, stop)
    scores_around, around = _by_parts(view.stretches, has, parts, stop, _fit_around)
    columns = signs(scores, scores_around, view)
    untouched = _across(columns, right, folds)
    classes, usual = _classes(view.pieces, examples)
    learnt = Lecture.of(columns, untouched, right, folds, sections).learn() if sections else None
    verdicts = (untouched, lesson.owner)
    if sections and learnt:
        verdicts = (np.append(untouched, learnt[1]), np.append(lesson.owner, sections.owner))
    return Scorer(
        label=label,
        wording=examples.wording,
        digest=lesson.digest(label),
        coefficients=coefficients,
        around=around,
        weights=Weights.fit(columns, right),
        reliability=Reliability.of(untouched, right),
        quality=quality_of(lesson, examples, untouched, right, verdicts),
        classes=classes,
        usual=usual,
        sections=learnt[0] if learnt else None,
    )


def _by_parts(
    matrix: Matrix,
    right: Labels,
    folds: Numbers,
    stop: Stop,
    fit: Callable[[Matrix, Labels, Numbers], Coefficients] | None = None,
) -> tuple[Column, Coefficients]:
    """Scores of each part by what the others taught, and the mean of what they taught."""
    scores, models = np.full(len(right), FLOOR), []
    for fold in np.unique(folds):
        if stop.is_set():
            raise StoppedError
        others = np.flatnonzero(folds != fold)
        if right[others].any():
            models.append((fit or _fit)(matrix, right, others))
            scores[folds == fold] = scores_of(matrix[folds == fold], models[-1])
    return scores, np.mean(models, axis=0).astype(np.float32)


def _fit_around(matrix: Matrix, right: Labels, rows: Numbers) -> Coefficients:
    """Of stretches, which have many words each: a support vector machine, as good and faster. Its scores are put
    to the scale of the others. In its primal form it draws no lots: threads would make them others each time.
    """
    from sklearn.svm import LinearSVC

    if right[rows].all():
        return np.append(np.zeros(matrix.shape[1]), -FLOOR).astype(np.float32)
    model = LinearSVC(C=PENALTY_AROUND, dual=False)
    model.fit(matrix[rows], right[rows])
    return SCALE * np.append(model.coef_[0], model.intercept_[0]).astype(np.float32)


def _fit(matrix: Matrix, right: Labels, rows: Numbers) -> Coefficients:
    """Of many pieces without the label every third is taken, for the others say the same."""
    step = 3 if len(rows) > MANY else 1
    rows = rows[right[rows] | (rows % step == 0)]
    if right[rows].all():
        return np.append(np.zeros(matrix.shape[1]), -FLOOR).astype(np.float32)
    weights, bias = logistic(matrix, right, rows, np.where(right[rows], 1.0, step), C=PENALTY)
    return np.append(weights, bias).astype(np.float32)


def _across(columns: Signs, right: Labels, folds: Numbers) -> Column:
    """Probabilities of pieces by weights that were learnt without their part."""
    probabilities = np.zeros(len(right))
    for fold in np.unique(folds):
        rows = folds == fold
        probabilities[rows] = Weights.fit(columns[~rows], right[~rows]).probabilities(columns[rows])
    return probabilities


def _classes(matrix: Matrix, examples: Examples) -> tuple[Coefficients | None, float]:
    rows = np.array(sorted(examples.classes), dtype=np.int64)
    entails = np.zeros(matrix.shape[0], dtype=np.bool_)
    entails[[row for row in rows if examples.classes[row] == 1]] = True
    number = int(entails[rows].sum())
    return (_fit(matrix, entails, rows) if 0 < number < len(rows) else None), (number + 1) / (len(rows) + 2)
