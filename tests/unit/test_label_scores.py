"""What scorers see of a contract, and how what they say is put right."""

import numpy as np
import pytest

from bootstrap_assets.labels.calibration import BINS, Reliability, cross_checked
from bootstrap_assets.labels.features import Features, stretches_of
from bootstrap_assets.report.labels import steps_of


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
