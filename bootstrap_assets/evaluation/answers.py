"""What scorers say of contracts that they were not trained on, as candidates of a question with their likelihoods.

ContractNLI's contracts of one split are read by what the other splits taught, its pieces being the candidates.
CUAD has no splits: each fifth of its contracts is read by what the others taught, with sections as candidates,
of which each is as likely as its likeliest piece. A contract is never read by a scorer that saw it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.labels import lessons
from bootstrap_assets.labels.lessons import Lesson, Numbers
from bootstrap_assets.labels.pieces import Stretch
from bootstrap_assets.labels.scorers import FOLDS, folds_of, train
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.stopping import Stop
from bootstrap_assets.texts.content import content_hash

statement = statements_of(__name__)

Section = tuple[Stretch, bytes]
"""Where a candidate stands in its contract, and the hash of its text."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A label and a contract: which candidates have it, none where it is not there, and how likely each is to."""

    contract: str
    document: UUID
    label: str
    relevant: frozenset[bytes]
    likelihoods: Mapping[bytes, float]

    @property
    def ranked(self) -> Sequence[bytes]:
        """The candidates, the likeliest first."""
        return sorted(self.likelihoods, key=lambda it: -self.likelihoods[it])


def contract_nli(connection: Connection, split: str, stop: Stop) -> list[Answer]:
    """Of one split, by what the others taught; empty where either has no contract."""
    lesson = lessons.read(connection, SOURCES["contract_nli"])
    if lesson is None:
        return []
    is_test = np.array([contract.split == split for contract in lesson.contracts])
    if is_test.all() or not is_test.any():
        return []
    return list(_answers(lesson, np.flatnonzero(is_test), {}, stop))


def cuad(connection: Connection, stop: Stop) -> list[Answer]:
    """Of all contracts, by what the other fifths taught; empty where there are too few."""
    lesson = lessons.read(connection, SOURCES["cuad"])
    if lesson is None or len(lesson.contracts) < FOLDS:
        return []
    sections = sections_of(connection)
    parts = {int(contract): fold for contract, fold in zip(lesson.owner, folds_of(lesson), strict=True)}
    return [
        answer
        for fold in sorted(set(parts.values()))
        for answer in _answers(lesson, np.array([it for it in sorted(parts) if parts[it] == fold]), sections, stop)
    ]


def sections_of(connection: Connection) -> dict[UUID, list[Section]]:
    """The sections of each of CUAD's contracts, in order."""
    sections: dict[UUID, list[Section]] = {}
    for document, digest, start, end in connection.execute(statement("cuad_sections")):
        sections.setdefault(document, []).append(((start, end), bytes(digest)))
    return sections


def _answers(
    lesson: Lesson, contracts: Numbers, sections: dict[UUID, list[Section]], stop: Stop
) -> Iterator[Answer]:
    """What scorers of all other contracts say of these, for each label and contract."""
    others = np.setdiff1d(np.arange(len(lesson.contracts)), contracts)
    scorers, test = train(lesson.part(others), stop=stop), lesson.part(contracts)
    columns = scorers.probabilities(scorers.features.view(test.texts, test.owner))
    place = {scorer.label: number for number, scorer in enumerate(scorers.scorers)}
    rows = [_candidates(test, number, sections) for number in range(len(test.contracts))]
    for label in sorted({*test.examples, *place}):
        right = np.zeros(len(test.texts), dtype=np.bool_)
        if label in test.examples:
            right[test.examples[label].pieces] = True
        scores = columns[:, place[label]] if label in place else np.zeros(len(right))
        for contract, candidates in zip(test.contracts, rows, strict=True):
            relevant = frozenset(digest for digest, those in candidates.items() if right[those].any())
            likelihoods = {digest: float(scores[those].max(initial=0)) for digest, those in candidates.items()}
            yield Answer(contract.source_id, contract.id, label, relevant, likelihoods)


def _candidates(lesson: Lesson, number: int, sections: dict[UUID, list[Section]]) -> dict[bytes, list[int]]:
    """The candidates of a contract by the hash of their text, each with the numbers of the pieces in it."""
    contract = lesson.contracts[number]
    first = int(np.searchsorted(lesson.owner, number))
    own = [(piece, content_hash(contract.text[slice(*piece)])) for piece in contract.pieces]
    candidates: dict[bytes, list[int]] = {}
    for (start, end), digest in sections.get(contract.id, own):
        rows = [first + row for row, piece in enumerate(contract.pieces) if piece[0] < end and start < piece[1]]
        candidates.setdefault(digest, []).extend(rows)
    return candidates
