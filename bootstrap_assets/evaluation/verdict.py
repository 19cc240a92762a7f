"""What an evaluation's figures mean, in a sentence or two: good or bad, against what."""

from collections.abc import Mapping, Sequence

from bootstrap_assets.evaluation.document import AgainstBaseline
from bootstrap_assets.evaluation.scores_of_tasks import TaskScores

NAMES = {"contract_nli": "ContractNLI", "cuad": "CUAD"}
PARTS = {"vector": "vectors alone", "text": "words alone"}
METRIC = "MRR"


def verdict(tasks: Mapping[str, TaskScores], baseline: AgainstBaseline, failures: Sequence[str]) -> str:
    """The verdict on an evaluation."""
    number = len(failures)
    if number:
        head = f"Verdict: worse than it should be, in {number} point{'s' * (number != 1)}; see `failed` below."
    elif not tasks:
        head = (
            "Verdict: the answers were not judged, for no labelled contract is in the corpus; the index is good."
        )
    else:
        head = f"Verdict: {_against(baseline)}; the index is good."
    return " ".join([head, *(_of_task(NAMES[name], task) for name, task in tasks.items())])


def _against(baseline: AgainstBaseline) -> str:
    if baseline.measured_at is None:
        return "there was no baseline, so nothing can be said to be better or worse than before"
    day = f"{baseline.measured_at:%Y-%m-%d}"
    if baseline.falls:
        return f"below the baseline of {day}, and accepted as the new one"
    if not baseline.judged:
        return f"hardly comparable with the baseline of {day}, which was measured on other contracts"
    return f"as good as the baseline of {day}, or better"


def _of_task(name: str, task: TaskScores) -> str:
    gains = {words: task.differences[part][METRIC] for part, words in PARTS.items()}
    better = [words for words, by in gains.items() if by.low > 0]
    worse = [words for words, by in gains.items() if by.high < 0]
    alike = [words for words in gains if words not in better + worse]
    comparisons = [
        f"{word} {between.join(parts)}"
        for word, between, parts in (
            ("better than", " and ", better),
            ("no better than", " or ", alike),
            ("worse than", " and ", worse),
        )
        if parts
    ]
    return (
        f"{name}: of what is right, {task.hybrid['R@5'].mean:.0%} is among the first 5 hits of a contract; "
        f"by {METRIC} ({task.hybrid[METRIC].mean:.3f}) the hybrid is {', '.join(comparisons)}."
    )
