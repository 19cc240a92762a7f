"""What an evaluation's figures mean, in a sentence or two: good or bad, against what."""

from collections.abc import Mapping
from typing import Any

NAMES = {"contract_nli": "ContractNLI", "cuad": "CUAD"}
PARTS = {"hybrid_minus_vector": "vectors alone", "hybrid_minus_text": "words alone"}
METRIC = "MRR"


def verdict(document: Mapping[str, Any]) -> str:
    """The verdict on an evaluation, from its document."""
    tasks = [_task(name, document[key]) for key, name in NAMES.items() if key in document]
    failures = len(document["failures"])
    if failures:
        head = f"Verdict: worse than it should be, in {failures} point{'s' * (failures != 1)}; see `failed` below."
    elif not tasks:
        head = (
            "Verdict: the answers were not judged, for no labelled contract is in the corpus; the index is good."
        )
    else:
        head = f"Verdict: {_against(document['baseline'])}; the index is good."
    return " ".join([head, *tasks])


def _against(baseline: Mapping[str, Any]) -> str:
    if baseline["measured_at"] is None:
        return "there was no baseline, so nothing can be said to be better or worse than before"
    day = str(baseline["measured_at"])[:10]
    if baseline["falls"]:
        return f"below the baseline of {day}, and accepted as the new one"
    if not baseline["judged"]:
        return f"hardly comparable with the baseline of {day}, which was measured on other contracts"
    return f"as good as the baseline of {day}, or better"


def _task(name: str, task: Mapping[str, Any]) -> str:
    gains = {told: task[part][METRIC] for part, told in PARTS.items()}
    better = [told for told, by in gains.items() if by["low"] > 0]
    worse = [told for told, by in gains.items() if by["high"] < 0]
    alike = [told for told in gains if told not in better + worse]
    said = [
        f"{word} {between.join(parts)}"
        for word, between, parts in (
            ("better than", " and ", better),
            ("no better than", " or ", alike),
            ("worse than", " and ", worse),
        )
        if parts
    ]
    share = task["hybrid"]["R@5"]["mean"]
    return (
        f"{name}: of what is right, {share:.0%} is among the first 5 hits of a contract; "
        f"by {METRIC} ({task['hybrid'][METRIC]['mean']:.3f}) the hybrid is {', '.join(said)}."
    )
