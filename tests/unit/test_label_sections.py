"""Sections of contracts: which pieces are theirs, and what these say of them together."""

from datetime import UTC, datetime

import numpy as np
import pytest

from bootstrap_assets.labels import VERSION
from bootstrap_assets.labels.calibration import Reliability, Weights
from bootstrap_assets.labels.classification import Teacher, Verdict
from bootstrap_assets.labels.features import Features
from bootstrap_assets.labels.pieces import pieces_of
from bootstrap_assets.labels.quality import Quality
from bootstrap_assets.labels.scorers import Scorer, Scorers
from bootstrap_assets.labels.sections import Lecture, Sections, arrays_of, from_arrays, signs_of
from bootstrap_assets.labels.store import Origin
from bootstrap_assets.sources.registry import SOURCES

CONTRACTS, LENGTH = 40, 30


@pytest.fixture(scope="module")
def sections() -> Sections:
    """Forty contracts of ten sections, of three pieces each."""
    first = np.arange(0, CONTRACTS * LENGTH, 3)
    return Sections(first, first + 3, first // LENGTH)


@pytest.fixture(scope="module")
def lecture(sections: Sections) -> Lecture:
    """In every second contract the fourth section has the label, and two of its pieces are as likely as decoys."""
    right = np.zeros(CONTRACTS * LENGTH, dtype=np.bool_)
    right[[2 * LENGTH * number + place for number in range(CONTRACTS // 2) for place in (9, 10)]] = True
    probabilities = np.where(right, 0.4, 0.02)
    probabilities[15::LENGTH] = 0.4  # one piece alone, in each contract
    logits = np.log(probabilities / (1 - probabilities))
    columns = np.column_stack([logits, *np.zeros((8, len(logits)))])
    return Lecture.of(columns, probabilities, right, np.arange(len(right)) // LENGTH % 5, sections)


def test_each_section_has_the_pieces_that_share_characters_with_it() -> None:
    texts = ["\n\n".join(f"{number}. The seller pays {number} crowns. " * 20 for number in range(1, 30)), "One."]
    pieces = [pieces_of(text) for text in texts]
    sections = Sections.of(texts, pieces)
    assert sections.owner.tolist() == [0] * (len(sections.owner) - 1) + [1]
    assert len(sections.owner) > 5
    assert (sections.first[0], sections.end[-2]) == (0, len(pieces[0]))
    assert (sections.first[-1], sections.end[-1]) == (len(pieces[0]), len(pieces[0]) + 1)
    assert (sections.first[1:] <= sections.end[:-1]).all()


def test_what_has_no_text_or_no_piece_has_no_section() -> None:
    sections = Sections.of(["", "Some text."], [[], []])
    assert len(sections.first) == 0
    nothing = np.zeros(0)
    assert (len(sections.most(nothing)), len(sections.sums(nothing))) == (0, 0)
    assert signs_of(np.zeros((0, 6)), nothing, sections).shape[0] == 0


def test_the_most_and_the_sum_of_sections_are_those_of_their_own_pieces_even_where_they_share_one() -> None:
    sections = Sections(np.array([0, 1, 3]), np.array([2, 3, 4]), np.array([0, 0, 1]))
    column = np.array([1.0, 5.0, 2.0, 3.0])
    assert sections.most(column).tolist() == [5.0, 5.0, 3.0]
    assert sections.sums(column).tolist() == [6.0, 7.0, 3.0]


def test_a_section_is_told_by_all_its_pieces_not_by_its_likeliest_alone(lecture: Lecture) -> None:
    learnt = lecture.learn()
    assert learnt
    _, untouched = learnt
    assert untouched[lecture.right].min() > 0.4
    assert untouched[~lecture.right].max() < 0.3  # as likely a piece has each contract


def test_without_a_section_that_has_it_nothing_is_learnt(lecture: Lecture) -> None:
    assert Lecture(lecture.signs, np.zeros_like(lecture.right), lecture.folds).learn() is None
    assert arrays_of(None) == {}
    assert from_arrays({"signs": np.ones(1)}) is None


def test_what_is_stored_of_it_says_the_same(lecture: Lecture) -> None:
    learnt = lecture.learn()
    assert learnt
    copy = from_arrays(arrays_of(learnt[0]))
    assert copy
    assert np.array_equal(
        copy.weights.probabilities(lecture.signs), learnt[0].weights.probabilities(lecture.signs)
    )
    assert np.array_equal(copy.reliability.hits, learnt[0].reliability.hits)


@pytest.mark.parametrize(
    ("source", "sections", "best", "pieces"),
    [
        ("cuad", [0.1, 0.7, 0.1], 0.7, [1]),
        ("cuad", [0.1, 0.7], 0.15, []),  # no contract
        ("cuad", [0.1, 0.1, 0.1], 0.15, []),
        ("contract_nli", [0.1, 0.7, 0.1], 0.15, []),
    ],
)
def test_a_category_is_there_where_a_section_of_a_contract_says_so_and_its_likeliest_piece_is_listed(
    source: str, sections: list[float], best: float, pieces: list[int]
) -> None:
    origin = Origin("", (), 1, VERSION, datetime.now(UTC))
    teacher = Teacher(SOURCES[source], Scorers(source, Features.of(["a word"]), []), origin, False)
    nothing, reliability = np.zeros(1, dtype=np.float32), Reliability.together([])
    quality = Quality(1, 1, 0, 1.0, None, {})
    scorer = Scorer("1", "", "", nothing, nothing, Weights(np.ones(1), 0.0), reliability, quality)
    verdict = Verdict(teacher, scorer, np.array([0.05, 0.15]), np.array(sections), np.ones(2))
    assert (verdict.best, verdict.evidence()) == (best, pieces)
