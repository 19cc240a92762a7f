"""What the evaluation is made of, worked out by hand: metrics, intervals, exact neighbours, queries, falls."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from math import log2
from uuid import UUID

import numpy as np
import pytest

from bootstrap_assets.errors import SchemaError
from bootstrap_assets.evaluation.ann import Curve
from bootstrap_assets.evaluation.baseline import Baseline, falls
from bootstrap_assets.evaluation.document import AgainstBaseline, Point, document_of
from bootstrap_assets.evaluation.intervals import intervals
from bootstrap_assets.evaluation.labels import Query, details, over_all, some
from bootstrap_assets.evaluation.metrics import METRICS, measure
from bootstrap_assets.evaluation.ranking import LISTS
from bootstrap_assets.evaluation.scores_of_tasks import TaskScores
from bootstrap_assets.evaluation.tasks import Task
from bootstrap_assets.evaluation.verdict import verdict
from bootstrap_assets.search.exact import nearest
from tests import documents

A, B, C, D, E = (letter.encode() * 32 for letter in "abcde")


def test_metrics_are_those_of_the_textbook() -> None:
    names = list(METRICS)
    values = measure(names, [{A, B}, {A}], [[C, A, D, B], [A]])
    first, second = (dict(zip(names, row, strict=True)) for row in values)
    assert first["R@5"] == first["R@10"] == 1
    assert (first["P@5"], first["P@10"]) == (pytest.approx(0.4), pytest.approx(0.2))
    assert first["MRR"] == 0.5
    assert first["nDCG@10"] == pytest.approx((1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3)))
    assert (first["mAP"], first["P@R80"]) == (pytest.approx(0.5), pytest.approx(0.5))
    assert second["MRR"] == second["nDCG@10"] == second["mAP"] == second["P@R80"] == 1


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
    return Point(ef_search=effort, recall_10=recall, recall_100=recall, ms=1.0, ms_p95=2.0)


def test_the_least_effort_that_finds_enough_is_chosen_else_the_greatest() -> None:
    enough = Curve((point(80, 0.99), point(120, 0.98), point(200, 0.99), point(400, 1.0)), 500)
    assert (enough.operating_point.ef_search, enough.ok) == (200, True)
    plenty = Curve((point(40, 1.0), point(120, 1.0)), 500)
    assert plenty.operating_point.ef_search == 120  # a search asks for the nearest 100: less effort is none less
    never = Curve((point(10, 0.5), point(20, 0.98)), 500)
    assert (never.operating_point.ef_search, never.ok) == (20, False)


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


def against(*, falls: int = 0, **more: object) -> AgainstBaseline:
    row = {"task": "cuad", "list": "text", "metric": "MRR", "before": 0.5, "now": 0.4}
    fall = row | {"difference": documents.interval(-0.1)}
    return AgainstBaseline.model_validate(documents.baseline(falls=[fall] * falls, **more))


def scores(low: float, high: float, *, than_words: tuple[float, float] = (0.05, 0.15)) -> TaskScores:
    by = documents.interval((low + high) / 2, low, high)
    words = documents.interval(sum(than_words) / 2, *than_words)
    task = documents.task(0.68, hybrid_minus_vector={"MRR": by}, hybrid_minus_text={"MRR": words})
    return TaskScores.model_validate(task)


DAY = "2026-11-01T00:00"


@pytest.mark.parametrize(
    ("baseline", "failures", "words"),
    [
        (against(), [], "no baseline"),
        (against(measured_at=DAY, judged=True), [], "as good as the baseline of 2026-11-01"),
        (against(measured_at=DAY), [], "hardly comparable"),
        (against(measured_at=DAY, judged=True, falls=1), [], "accepted as the new one"),
        (against(measured_at=DAY, judged=True, falls=1), ["R@5 fell"], "worse than it should be"),
    ],
)
def test_a_verdict_says_what_the_figures_mean(baseline: AgainstBaseline, failures: list[str], words: str) -> None:
    sentence = verdict({"cuad": scores(-0.2, -0.1)}, baseline, failures)
    assert sentence.startswith("Verdict: ")
    assert words in sentence
    assert "68% is among the first 5 hits" in sentence
    assert "better than words alone, worse than vectors alone" in sentence
    assert "no labelled contract" in verdict({}, against(), [])


def test_what_the_hybrid_does_not_beat_is_joined_by_or() -> None:
    sentence = verdict({"cuad": scores(-0.1, 0.2, than_words=(-0.1, 0.1))}, against(), [])
    assert "the hybrid is no better than vectors alone or words alone." in sentence


# --- the document ---


def a_whole_document() -> dict[str, object]:
    row = {"queries": 3, "R@5": 0.25, "R@10": 0.5, "MRR": 0.2, "nDCG@10": 0.75}
    part = {name: documents.task()[name] for name in LISTS} | {"queries": 12}
    return documents.document(
        contract_nli=documents.contract_nli(
            by_split={"dev": part},
            by_hypothesis=[{"hypothesis_id": 1, "hypothesis": "It may be kept."} | row],
            corpus=documents.task(),
        ),
        cuad=documents.cuad(by_category=[{"category": "Insurance"} | row]),
    )


def test_a_document_is_written_as_it_was_read() -> None:
    for kept in (a_whole_document(), documents.document(cuad=documents.cuad()), documents.document()):
        document = document_of(json.loads(json.dumps(kept)))
        assert document is not None
        assert document.for_json() == kept


def test_a_document_without_a_version_is_read_as_of_the_first() -> None:
    kept = a_whole_document()
    del kept["version"]
    document = document_of(kept | {"something": "more"})
    assert document is not None
    assert document.cuad is not None
    assert document.cuad.parts[0].scores["R@5"] == 0.25
    assert document.tasks["contract_nli"].parts[0].name == "It may be kept."
    assert document.operating_point.recall_10 == 0.992


@pytest.mark.parametrize("quality", [None, {}, [], "odd", {"ef_search": 80}])
def test_a_quality_that_tells_of_no_evaluation_is_none(quality: object) -> None:
    assert document_of(quality) is None


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"version": 1}, "version 1, and version 2 is read"),
        ({"space": None}, "space: "),
        ({"ef_search": 70}, "ef_search is none of the efforts"),
        ({"cuad": {"hybrid": {}}}, "cuad.vector: "),
        ({"cuad": {"by_category": [3]}}, "cuad."),
        ({"ann": [{"ef_search": "x"}]}, "ann.0.ef_search"),
        ({"baseline": []}, "baseline: "),
    ],
)
def test_a_document_of_another_form_is_said_to_be_unreadable(odd: dict[str, object], reason: str) -> None:
    with pytest.raises(SchemaError, match="`bootstrap evaluate` measures it anew") as raised:
        document_of(documents.document() | odd)
    assert reason in str(raised.value)
