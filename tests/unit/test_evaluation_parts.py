"""What the evaluation is made of, worked out by hand: metrics, intervals, exact neighbours, queries, falls."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from math import log2
from uuid import UUID

import numpy as np
import pytest

from bootstrap_assets.evaluation.ann import Curve, Point
from bootstrap_assets.evaluation.baseline import Baseline, falls
from bootstrap_assets.evaluation.intervals import intervals
from bootstrap_assets.evaluation.labelled import Query, details, over_all, some
from bootstrap_assets.evaluation.metrics import METRICS, measure
from bootstrap_assets.evaluation.ranking import LISTS
from bootstrap_assets.evaluation.tasks import Task
from bootstrap_assets.evaluation.verdict import verdict
from bootstrap_assets.search.exact import nearest

A, B, C, D, E = (letter.encode() * 32 for letter in "abcde")


def test_metrics_are_those_of_the_textbook() -> None:
    names = list(METRICS)
    values = measure(names, [{A, B}, {A}], [[C, A, D, B], [A]])
    first, second = (dict(zip(names, row, strict=True)) for row in values)
    assert first["R@5"] == first["R@10"] == 1
    assert (first["P@5"], first["P@10"]) == (pytest.approx(0.4), pytest.approx(0.2))
    assert first["MRR"] == 0.5
    assert first["nDCG@10"] == pytest.approx((1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3)))
    assert second["MRR"] == second["nDCG@10"] == 1


def test_what_is_not_ranked_is_not_found() -> None:
    assert measure(["R@5", "MRR"], [{A}, {A, B}], [[], [B, C]]).tolist() == [[0, 0], [0.5, 1]]


def test_recall_at_5_does_not_see_the_sixth() -> None:
    ranked = [bytes([number]) * 32 for number in range(5)] + [A]
    assert measure(["R@5", "R@10"], [{A}], [ranked]).tolist() == [[0, 1]]


def test_the_order_of_more_than_nine_is_kept() -> None:
    """As numbers, not as texts: rank 10 comes after rank 9."""
    ranked = [bytes([number]) * 32 for number in range(30)]
    places = measure(["MRR"], [{text} for text in ranked], [ranked] * 30)[:, 0]
    assert places == pytest.approx([1 / (number + 1) for number in range(30)])


def test_an_interval_is_of_contracts_and_not_of_their_questions() -> None:
    values = np.repeat([[0.0], [1.0]], 50, axis=0)
    together = intervals(values, ["one"] * 50 + ["other"] * 50)[0]
    apart = intervals(values, [str(number) for number in range(100)])[0]
    assert (together.low, together.mean, together.high) == (0, 0.5, 1)
    assert 0.39 < apart.low < 0.42 < 0.58 < apart.high < 0.61  # 0.5 ± 1.96 · 0.05


def test_a_contract_with_more_questions_weighs_more() -> None:
    [found] = intervals(np.array([[1.0], [1.0], [1.0], [0.0]]), ["a", "a", "a", "b"])
    assert found.mean == 0.75


def test_intervals_are_the_same_each_time_and_columns_are_apart() -> None:
    values = np.random.default_rng(1).random((60, 2))
    groups = [str(number % 20) for number in range(60)]
    assert intervals(values, groups) == intervals(values, groups)
    both, alone = intervals(values, groups)[1], intervals(values[:, 1:], groups)[0]
    assert asdict(both) == pytest.approx(asdict(alone))
    with pytest.raises(ValueError, match="nothing"):
        intervals(np.empty((0, 2)), [])


def test_exact_neighbours_do_not_depend_on_the_blocks() -> None:
    dice = np.random.default_rng(3)
    vectors = dice.standard_normal((700, 16)).astype(np.float32) * dice.uniform(0.5, 9, (700, 1)).astype(
        np.float32
    )
    names = [bytes([number % 256, number // 256]) for number in range(700)]
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float64)
    distances = 1 - unit[:5] @ unit.T
    np.fill_diagonal(distances, np.inf)  # itself
    expected = np.sort(distances, axis=1)[:, :100]
    for size in (700, 64, 99):
        blocks = ((names[at : at + size], vectors[at : at + size]) for at in range(0, 700, size))
        assert nearest(blocks, names[:5], vectors[:5], depth=100) == pytest.approx(expected, abs=1e-6)


def point(effort: int, recall: float) -> Point:
    return Point(effort, recall, recall, 1.0, 2.0)


def test_the_least_effort_that_finds_enough_is_chosen_else_the_greatest() -> None:
    enough = Curve((point(80, 0.99), point(120, 0.98), point(200, 0.99), point(400, 1.0)), 500)
    assert (enough.chosen.ef_search, enough.ok) == (200, True)
    plenty = Curve((point(40, 1.0), point(120, 1.0)), 500)
    assert plenty.chosen.ef_search == 120  # a search asks for the nearest 100: less effort is none less
    never = Curve((point(10, 0.5), point(20, 0.98)), 500)
    assert (never.chosen.ef_search, never.ok) == (20, False)


def test_a_question_of_cuad_is_asked_without_the_sentence_all_have() -> None:
    asked = 'Highlight the parts (if any) related to "Parties" that a lawyer reviews. Details: Who signed\nit?'
    assert details(asked) == "Who signed\nit?"
    assert details("Who signed it?") == "Who signed it?"
    assert details("") == ""


def queries(count: int = 10) -> list[Query]:
    return [
        Query(
            f"contract {number}", UUID(int=number), label, f"is it {label}?", frozenset({bytes([number])}), "dev"
        )
        for number in range(count)
        for label in ("x", "y")
    ]


def test_some_queries_are_the_same_ones_each_time_and_more_hold_fewer() -> None:
    every = queries()
    few, more = some(every, 5), some(list(reversed(every)), 9)
    assert len(few) == 5
    assert {(query.contract, query.label) for query in few} <= {(query.contract, query.label) for query in more}
    assert len({query.contract for query in more}) > 5
    assert some(every, None) == some(every, 99) == every


def test_over_all_contracts_a_label_is_one_query_with_all_its_answers() -> None:
    x, y = over_all(queries(3))
    assert (x.label, x.relevant) == ("x", frozenset({b"\0", b"\1", b"\2"}))
    assert y.label == "y"


def task(values: float | Mapping[str, float], count: int = 10) -> Task:
    of = values if isinstance(values, Mapping) else dict.fromkeys(LISTS, values)
    asked = queries(count)
    return Task(("R@5",), asked, {name: np.full((len(asked), 1), of[name]) for name in LISTS})


def baseline(value: float, contracts: int = 10) -> Baseline:
    scores = {f"contract {number}": {"x": {"R@5": value}, "y": {"R@5": value}} for number in range(contracts)}
    return Baseline("a space", "", "", {"cuad": dict.fromkeys(LISTS, scores)}, datetime.now(UTC))


def test_a_fall_of_every_list_is_told() -> None:
    found = falls(baseline(0.5), {"cuad": task(0.4)})
    assert [fall.list for fall in found] == list(LISTS)
    assert str(found[0]).startswith("cuad: R@5 of vector fell from 0.500 to 0.400 (-0.100")


def test_a_rise_or_a_trifle_or_another_task_is_no_fall() -> None:
    assert not falls(baseline(0.5), {"cuad": task(0.6)})
    assert not falls(baseline(0.5), {"cuad": task(0.496)})
    assert not falls(baseline(0.5), {"contract_nli": task(0.1)})


def test_only_the_fall_of_one_list_is_told() -> None:
    found = falls(baseline(0.5), {"cuad": task(dict.fromkeys(LISTS, 0.5) | {"text": 0.2})})
    assert [fall.list for fall in found] == ["text"]


def test_what_a_baseline_does_not_know_is_not_compared() -> None:
    [fall, *_] = falls(baseline(0.5), {"cuad": task(0.4, count=15)})
    assert fall.difference.mean == pytest.approx(-0.1)
    assert not falls(baseline(0.5, contracts=0), {"cuad": task(0.4)})


def test_a_fall_in_a_handful_of_contracts_is_not_judged() -> None:
    assert not falls(baseline(0.5, contracts=9), {"cuad": task(0.4)})


def test_a_fall_within_the_noise_is_none() -> None:
    values = np.array([[0.0], [1.0]] * 10)  # on the whole 0.5, as before
    values[0] = -0.4
    noisy = Task(("R@5",), queries(), dict.fromkeys(LISTS, values))
    assert not falls(baseline(0.5), {"cuad": noisy})


def test_the_hybrid_beats_a_part_in_a_metric_only_by_more_than_noise() -> None:
    better = task({"vector": 0.2, "text": 0.5, "text_widened": 0.5, "hybrid": 0.5})
    assert better.beaten == {"vector": [], "text": ["R@5"]}


def _task_document(low: float, high: float) -> dict[str, object]:
    by = {"mean": (low + high) / 2, "low": low, "high": high}
    return {
        "hybrid": {"R@5": {"mean": 0.68}, "MRR": {"mean": 0.726}},
        "hybrid_minus_vector": {"MRR": by},
        "hybrid_minus_text": {"MRR": {"mean": 0.1, "low": 0.05, "high": 0.15}},
    }


@pytest.mark.parametrize(
    ("baseline", "failures", "said"),
    [
        ({"measured_at": None, "falls": [], "judged": False}, [], "no baseline"),
        (
            {"measured_at": "2026-11-01T00:00", "falls": [], "judged": True},
            [],
            "as good as the baseline of 2026-11-01",
        ),
        ({"measured_at": "2026-11-01T00:00", "falls": [], "judged": False}, [], "hardly comparable"),
        ({"measured_at": "2026-11-01T00:00", "falls": [1], "judged": True}, [], "accepted as the new one"),
        (
            {"measured_at": "2026-11-01T00:00", "falls": [1], "judged": True},
            ["R@5 fell"],
            "worse than it should be",
        ),
    ],
)
def test_a_verdict_says_what_the_figures_mean(baseline: dict[str, object], failures: list[str], said: str) -> None:
    document = {"baseline": baseline, "failures": failures, "cuad": _task_document(-0.2, -0.1)}
    told = verdict(document)
    assert told.startswith("Verdict: ")
    assert said in told
    assert "68% is among the first 5 hits" in told
    assert "better than words alone, worse than vectors alone" in told
    assert "no labelled contract" in verdict({"baseline": {"measured_at": None}, "failures": []})


def test_what_the_hybrid_does_not_beat_is_joined_by_or() -> None:
    document = {
        "baseline": {"measured_at": None, "falls": [], "judged": False},
        "failures": [],
        "cuad": _task_document(-0.1, 0.2)
        | {"hybrid_minus_text": {"MRR": {"mean": 0.0, "low": -0.1, "high": 0.1}}},
    }
    assert "the hybrid is no better than vectors alone or words alone." in verdict(document)
