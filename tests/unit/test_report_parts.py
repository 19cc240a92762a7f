"""The report's parts that need no database: near-duplicates, differences, quality, sampling, pictures."""

import random
import re
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from rapidfuzz.distance import Indel

from bootstrap_assets.evaluation.document import Point
from bootstrap_assets.evaluation.intervals import Interval
from bootstrap_assets.evaluation.ranking import LISTS
from bootstrap_assets.report import pictures, quality
from bootstrap_assets.report.changes import Piece, between
from bootstrap_assets.report.duplicates import ALIKE, LEAST_WORDS, components, pairs
from bootstrap_assets.report.map import Map, project
from bootstrap_assets.report.page import Report, render

BASE = "The supplier pays the buyer one hundred crowns for each day that the lamp of the lighthouse is dark."


def some_texts(seed: int) -> list[str]:
    """Texts of few words, so that many share many; some with a word changed, gone or doubled."""
    lot = random.Random(seed)
    words = [f"w{number}" for number in range(60)]
    texts = [" ".join(lot.choices(words, k=lot.randrange(5, 40))) for _ in range(60)]
    for text in lot.sample(texts, 40):
        changed = text.split()
        for _ in range(lot.randrange(1, 5)):
            place = lot.randrange(len(changed))
            changed[place : place + 1] = lot.choice([[], ["other"], [changed[place]] * 2])
            changed = changed or ["none"]
        texts.append(" ".join(changed))
    texts += [text.upper() for text in texts[:3] + texts[-3:]]
    return texts


@pytest.mark.parametrize("alike", [0.7, ALIKE, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_no_pair_that_a_comparison_of_all_with_all_finds_is_missed(seed: int, alike: float) -> None:
    texts = some_texts(seed)
    words = [re.findall(r"\w+", text.lower()) for text in texts]
    wanted = {
        (i, j)
        for i in range(len(texts))
        for j in range(i + 1, len(texts))
        if min(len(words[i]), len(words[j])) >= LEAST_WORDS
        and Indel.normalized_similarity(words[i], words[j]) >= alike - 1e-9
    }
    found = [(i, j) for i, j, _ in pairs(texts, alike=alike)]
    assert wanted
    assert set(found) == wanted
    assert len(found) == len(wanted)


def test_texts_that_differ_in_case_and_commas_alone_are_the_same() -> None:
    assert components([BASE, BASE.upper().replace(" ", ",  "), "Quite another thing. " * 8]) == [[0, 1]]


def test_groups_hang_together_by_those_between() -> None:
    words = BASE.rstrip(".").split()
    texts = [" ".join(["x"] * n + words[n:]) for n in (0, 3, 6)]
    assert {(i, j) for i, j, _ in pairs(texts)} == {(0, 1), (1, 2)}
    assert components(texts) == [[0, 1, 2]]


def test_a_short_text_is_not_compared() -> None:
    assert components(["Dated 1 May 2020.", "Dated 2 May 2020."]) == []


def text_of(pieces: tuple[Piece, ...], side: str) -> str:
    return "".join(piece.text for piece in pieces if piece.kind in ("same", side))


def test_the_pieces_of_a_difference_give_both_texts_back() -> None:
    after = (
        BASE.replace("one hundred", "two hundred").replace("each day", "each started day").replace(" is dark", "")
    )
    pieces = between(BASE, after)
    assert text_of(pieces, "gone") == BASE
    assert text_of(pieces, "come") == after
    assert Piece("gone", "one") in pieces
    assert Piece("come", "two") in pieces


def test_words_next_to_each_other_are_one_difference() -> None:
    pieces = between("within thirty (30) days of it", "within forty-five (45) days of it")
    assert [piece.text for piece in pieces if piece.kind == "gone"] == ["thirty (30"]
    assert [piece.text for piece in pieces if piece.kind == "come"] == ["forty-five (45"]


def test_what_is_the_same_is_cut_to_the_words_beside_a_difference() -> None:
    long = " ".join(f"word{number}" for number in range(200))
    pieces = between(long, long.replace("word100", "another"))
    assert [piece.kind for piece in pieces] == ["left_out", "same", "gone", "come", "same", "left_out"]
    assert "word99 " in pieces[1].text
    assert len(pieces[1].text) < 150
    assert between(long, long) == (Piece("same", long),)


def test_the_map_keeps_neighbours_together_and_is_the_same_every_time() -> None:
    lot = np.random.default_rng(0)
    heaps = np.repeat(np.eye(3, 32), 20, axis=0) + lot.normal(0, 0.02, (60, 32))
    points = project(heaps.astype(np.float32))
    assert points.shape == (60, 2)
    assert np.abs(points).max() == pytest.approx(1)
    middles = points.reshape(3, 20, 2).mean(axis=1)
    nearest = np.argmin(np.linalg.norm(points[:, None] - middles[None], axis=2), axis=1)
    assert nearest.tolist() == np.repeat([0, 1, 2], 20).tolist()
    assert np.array_equal(points, project(heaps.astype(np.float32)))


@pytest.mark.parametrize("count", [10, 11, 40])
def test_few_texts_or_texts_all_alike_still_have_a_map(count: int) -> None:
    assert np.isfinite(project(np.ones((count, 8), np.float32))).all()


def test_the_densest_place_is_in_the_largest_heap() -> None:
    points = np.array([[0, 0], [0.01, 0], [0, 0.01], [0.01, 0.01], [0.02, 0], [0.9, 0.9], [-0.9, 0.9]], np.float32)
    assert pictures.densest(points)[0] < 0.1


def test_pictures_are_svg_with_text_and_small_png_for_dagster() -> None:
    texts = pd.DataFrame(
        {"source": ["a", "b"] * 20, "category": ["Cap On Liability", None] * 20, "granularity": "clause"}
    ).assign(x=np.linspace(-1, 1, 40), y=np.linspace(1, -1, 40))
    drawn = Map(texts, 40)
    covered = pd.DataFrame({"records": [10], "embedded": [7], "dead": [1], "missing": [2]}, index=["cuad"])
    points = [
        Point(ef_search=40, recall_10=0.9, recall_100=0.8, ms=1.0, ms_p95=1.5),
        Point(ef_search=80, recall_10=0.99, recall_100=0.9, ms=2.0, ms_p95=2.5),
    ]
    figures = (
        pictures.recall_curve(points, 80),
        pictures.recall_curve(points[1:]),
        pictures.map_by_source(drawn),
        pictures.map_by_category(drawn),
        pictures.coverage_bar(covered),
        pictures.corpus_bars(pd.DataFrame({"clause": [3]}, index=["cuad"])),
        pictures.scores({"text": {"R@5": Interval(0.5, 0.4, 0.6)}}, ["R@5"]),
    )
    for figure in figures:
        assert pictures.svg(figure).startswith("<svg")
        shown = pictures.markdown(figure, "what it shows")
        assert shown.startswith("![what it shows](data:image/png;base64,iVBOR")
        assert len(shown) < 90_000
    assert "Cap On Liability" in pictures.svg(figures[3])
    assert pictures.svg(pictures.coverage_bar(covered)) == pictures.svg(pictures.coverage_bar(covered))


def test_every_list_is_in_the_picture_of_the_scores_in_plain_words() -> None:
    drawn = pictures.svg(pictures.scores({name: {"R@5": Interval(0.5, 0.4, 0.6)} for name in LISTS}, ["R@5"]))
    assert set(quality.MODES) == set(LISTS)
    for told in quality.MODES.values():
        assert f">{told}</text>" in drawn


def test_without_a_corpus_the_page_says_what_to_do() -> None:
    page = render(Report(datetime(2026, 1, 2, tzinfo=UTC), "somewhere"))
    assert "bootstrap run" in page
    assert "02 January 2026" in page
