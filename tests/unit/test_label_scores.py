"""What scorers see of a contract, and how what they say is put right."""

from uuid import uuid4

import numpy as np
import pytest

from bootstrap_assets.labels.calibration import BINS, Reliability, cross_checked
from bootstrap_assets.labels.features import Features, stretches_of
from bootstrap_assets.labels.lessons import Contract, lesson_of
from bootstrap_assets.labels.pieces import pieces_of
from bootstrap_assets.labels.scorers import train
from bootstrap_assets.report.labels import steps_of
from bootstrap_assets.sources.spec import Label


@pytest.mark.parametrize(
    ("lengths", "owner", "stretches"),
    [
        ([800, 500, 300], [0, 0, 0], [0, 0, 1]),
        ([800, 500, 50], [0, 0, 1], [0, 0, 1]),
        ([3000, 50, 50], [0, 0, 0], [0, 1, 1]),
        ([], [], []),
    ],
)
def test_a_stretch_is_pieces_of_one_contract_up_to_a_length(
    lengths: list[int], owner: list[int], stretches: list[int]
) -> None:
    texts = ["x" * length for length in lengths]
    assert stretches_of(texts, np.array(owner, dtype=np.int64)).tolist() == stretches


@pytest.mark.parametrize("heading", ["2. Term", "Section 4 Term", "12) Term", "ARTICLE IV"])
def test_a_numbered_heading_begins_a_stretch_unless_the_one_before_is_short(heading: str) -> None:
    owner = np.zeros(2, dtype=np.int64)
    assert stretches_of(["x" * 600, heading], owner).tolist() == [0, 1]
    assert stretches_of(["x" * 400, heading], owner).tolist() == [0, 0]


def test_a_view_has_a_row_for_each_piece_and_each_stretch() -> None:
    texts = ["the seller pays", "the buyer pays", "x" * 2_000, "the end"]
    owner = np.array([0, 0, 1, 1])
    view = Features.of(texts).view(texts, owner)
    assert (view.pieces.shape[0], view.stretches.shape[0]) == (4, 3)
    assert view.stretch.tolist() == [0, 0, 1, 2]
    assert view.owners.tolist() == [0, 1, 1]
    assert view.stretches[0].nnz > max(view.pieces[row, : view.stretches.shape[1]].nnz for row in (0, 1))
    nothing = Features.of(texts).view([], np.array([], dtype=np.int64))
    assert (nothing.pieces.shape[0], nothing.stretches.shape[0]) == (0, 0)


def test_what_is_said_too_surely_is_put_right_by_what_other_labels_show() -> None:
    said = np.repeat(0.91, 200)
    right = np.arange(200) % 2 == 0
    low = Reliability.of(np.repeat(0.05, 400), np.arange(400) % 20 == 0)
    labels = [Reliability.together([Reliability.of(said, right), low]) for _ in range(3)]
    [_, step] = steps_of(cross_checked(labels))
    assert step.right == pytest.approx(0.5)
    assert step.probability == pytest.approx(0.5, abs=0.03)
    assert step.pieces == 600


def test_what_no_other_label_shows_is_left_as_it_is() -> None:
    lone = Reliability.of(np.repeat(0.91, 10), np.zeros(10, dtype=np.bool_))
    assert cross_checked([lone]).counts[int(0.91 * BINS)] == 10


@pytest.mark.parametrize("count", [2, 6])
@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("kind", [Label.CATEGORY, Label.HYPOTHESIS])
def test_a_label_that_every_piece_has_or_every_piece_but_one_is_learnt(
    count: int, others: int, kind: Label
) -> None:
    texts = [f"The laws of Norway govern article {number}." for number in range(count)]
    texts[:others] = [f"{texts[0]}\nNobody keeps the bees of the other party."] * others
    contracts = [
        Contract(uuid4(), str(number), None, text, tuple(pieces_of(text))) for number, text in enumerate(texts)
    ]
    rows = [(it.id, "Law", 1, "It is Norway's.", "Entailment", *it.pieces[0]) for it in contracts]
    lesson = lesson_of("made_up", kind, contracts, rows)
    scorers = train(lesson)
    probabilities = scorers.probabilities(scorers.features.view(lesson.texts, lesson.owner))[:, 0]
    assert probabilities[lesson.examples["Law" if kind is Label.CATEGORY else "1"].pieces].min() > 0.5
