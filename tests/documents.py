"""Documents of evaluations, as a space keeps them."""

from collections.abc import Mapping
from typing import Any

METRICS = ("R@5", "R@10", "MRR", "nDCG@10")


def interval(mean: float, low: float | None = None, high: float | None = None) -> dict[str, float]:
    return {"mean": mean, "low": mean if low is None else low, "high": mean if high is None else high}


def task(mean: float = 0.5, *, lists: Mapping[str, float] | None = None, **more: Any) -> dict[str, Any]:
    """Every list with one score, or `lists` with their own; the hybrid is no better than any."""
    means = dict.fromkeys(("vector", "text", "text_widened", "hybrid"), mean) | dict(lists or {})
    scores = {name: {metric: interval(value) for metric in METRICS} for name, value in means.items()}
    others = ("vector", "text", "text_widened")
    minus = {f"hybrid_minus_{name}": {metric: interval(0.0, -0.1, 0.1) for metric in METRICS} for name in others}
    return scores | minus | {"queries": 12, "contracts": 4} | more


def cuad(mean: float = 0.5, **more: Any) -> dict[str, Any]:
    return task(mean, **{"by_category": []} | more)


def contract_nli(mean: float = 0.5, **more: Any) -> dict[str, Any]:
    return task(mean, **{"by_split": {}, "by_hypothesis": []} | more)


def baseline(**more: Any) -> dict[str, Any]:
    first = {"measured_at": None, "space": None, "same_search": True, "contracts": 0, "judged": False}
    return first | {"accepted": True, "falls": []} | more


def document(**more: Any) -> dict[str, Any]:
    """An evaluation of no labels, by which the index is good."""
    point = {"ef_search": 80, "recall@10": 0.992, "recall@100": 0.97, "ms": 2.0, "ms_p95": 3.0}
    return {
        "version": 2,
        "evaluated_at": "2026-11-22T08:00:00+00:00",
        "space": "a space",
        "corpus": "a corpus",
        "invented": {},
        "scope": {"limit": None, "split": None},
        "ann": [point],
        "ann_queries": 5,
        "ef_search": 80,
        "whole_searches": {"asked": 2, "differ": 0},
        "baseline": baseline(),
        "passed": True,
        "failures": [],
        "left_out": [],
        "texts_embedded": 0,
        "seconds": 1.5,
        "verdict": "Verdict: good.",
    } | more
