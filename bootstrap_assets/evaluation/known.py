"""Questions that labels know: scorers trained on some contracts, and how they rank what is in others.

ContractNLI's contracts of one split are ranked by what the other splits taught, its pieces being the candidates.
CUAD has no splits: each fifth of its contracts is ranked by what the others taught, with sections as candidates,
of which each is as likely as its likeliest piece. A contract is never ranked by a scorer that saw it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import numpy.typing as npt

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.evaluation.document import Scores
from bootstrap_assets.evaluation.intervals import intervals
from bootstrap_assets.evaluation.metrics import measure
from bootstrap_assets.labels import lessons
from bootstrap_assets.labels.lessons import Lesson, Numbers
from bootstrap_assets.labels.pieces import Stretch
from bootstrap_assets.labels.scorers import FOLDS, folds_of, train
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.stopping import Stop
from bootstrap_assets.texts.content import content_hash

statement = statements_of(__name__)

METRICS = ("R@5", "R@10", "MRR", "mAP", "P@R80")


@dataclass(frozen=True, slots=True)
class Known:
    """The scores of both data sets; None where they were not asked about, or cannot be measured."""

    contract_nli: Scores | None = None
    cuad: Scores | None = None


def measure_known(connection: Connection, split: str, stop: Stop) -> Known:
    """Train and rank; some minutes. MissingExtraError without the extra `labels`."""
    return Known(contract_nli(connection, split, stop), cuad(connection, stop))


Section = tuple[Stretch, bytes]
"""Where a candidate stands in its contract, and the hash of its text."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A question about a contract: the candidates that are right, at least one, and their order."""

    contract: str
    relevant: frozenset[bytes]
    ranked: Sequence[bytes]


def contract_nli(connection: Connection, split: str, stop: Stop) -> Scores | None:
    """The scores on one split, by what the others taught; None where either has no contract."""
    lesson = lessons.read(connection, SOURCES["contract_nli"])
    if lesson is None:
        return None
    is_test = np.array([contract.split == split for contract in lesson.contracts])
    if is_test.all() or not is_test.any():
        return None
    return scores_of(list(_answers(lesson, np.flatnonzero(is_test), {}, stop)))


def cuad(connection: Connection, stop: Stop) -> Scores | None:
    """The scores on all contracts, ranked by what the other fifths taught; None where there is none."""
    lesson = lessons.read(connection, SOURCES["cuad"])
    if lesson is None or len(lesson.contracts) < FOLDS:
        return None
    sections = sections_of(connection)
    parts = {int(contract): fold for contract, fold in zip(lesson.owner, folds_of(lesson), strict=True)}
    answers = [
        answer
        for fold in sorted(set(parts.values()))
        for answer in _answers(lesson, np.array([it for it in sorted(parts) if parts[it] == fold]), sections, stop)
    ]
    return scores_of(answers)


def sections_of(connection: Connection) -> dict[UUID, list[Section]]:
    """The sections of each of CUAD's contracts, in order."""
    sections: dict[UUID, list[Section]] = {}
    for document, digest, start, end in connection.execute(statement("cuad_sections")):
        sections.setdefault(document, []).append(((start, end), bytes(digest)))
    return sections


def scores_of(answers: Sequence[Answer]) -> Scores | None:
    """Mean and interval by metric; None where there is no answer."""
    answers = [answer for answer in answers if answer.relevant]
    if not answers:
        return None
    values = measure(METRICS, [it.relevant for it in answers], [it.ranked for it in answers])
    means = intervals(values, [it.contract for it in answers])
    return {metric: mean.rounded() for metric, mean in zip(METRICS, means, strict=True)}


def _answers(
    lesson: Lesson, contracts: Numbers, sections: dict[UUID, list[Section]], stop: Stop
) -> Iterator[Answer]:
    """What scorers of all other contracts say of these, for each label that is in them."""
    others = np.setdiff1d(np.arange(len(lesson.contracts)), contracts)
    scorers, test = train(lesson.part(others), stop=stop), lesson.part(contracts)
    columns = scorers.probabilities(scorers.features.view(test.texts, test.owner))
    place = {scorer.label: number for number, scorer in enumerate(scorers.scorers)}
    for label, examples in test.examples.items():
        right = np.zeros(len(test.texts), dtype=np.bool_)
        right[examples.pieces] = True
        scores = columns[:, place[label]] if label in place else np.zeros(len(right))
        for number in np.unique(test.owner[right]):
            yield _answer(test, int(number), right, scores, sections)


def _answer(
    lesson: Lesson,
    number: int,
    right: npt.NDArray[np.bool_],
    scores: npt.NDArray[np.float64],
    sections: dict[UUID, list[Section]],
) -> Answer:
    contract = lesson.contracts[number]
    first = int(np.searchsorted(lesson.owner, number))
    own = [(piece, content_hash(contract.text[slice(*piece)])) for piece in contract.pieces]
    best: dict[bytes, float] = {}
    relevant = set()
    for (start, end), digest in sections.get(contract.id, own):
        rows = [first + row for row, piece in enumerate(contract.pieces) if piece[0] < end and start < piece[1]]
        best[digest] = max([best.get(digest, 0.0), *(float(scores[row]) for row in rows)])
        if any(right[row] for row in rows):
            relevant.add(digest)
    return Answer(contract.source_id, frozenset(relevant), sorted(best, key=lambda it: -best[it]))
