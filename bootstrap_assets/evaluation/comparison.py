"""This evaluation against the baseline: what has fallen since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.evaluation import baseline as baselines
from bootstrap_assets.evaluation.baseline import Baseline, Fall
from bootstrap_assets.evaluation.questions import OVER_ALL
from bootstrap_assets.evaluation.tasks import Task


@dataclass(frozen=True)
class Compared:
    """The baseline, how many of the contracts it has too, and what has fallen since.

    `baseline` is None where there was none, `accepted` whether these scores are the baseline from now on.
    """

    baseline: Baseline | None
    same_search: bool
    contracts: int
    shared: int
    falls: Sequence[Fall]
    accepted: bool

    @property
    def judged(self) -> bool:
        """Whether it was measured on half of these contracts at least."""
        return 2 * self.shared >= self.contracts


def compare(
    connection: Connection,
    space: Space,
    tasks: Mapping[str, Task],
    corpus: Task | None,
    *,
    accept: bool,
    whole: bool,
    candidate: bool = False,
) -> Compared:
    """Compare with the baseline, or make these scores the baseline where there is none or `accept` says so.

    Those of a `candidate`, which is not searched, never become it.
    """
    known = baselines.stored(connection)
    accepted = whole and not candidate and bool(tasks) and (accept or known is None)
    same = known is None or known.search == baselines.search_functions(connection)
    every = {**tasks, **({OVER_ALL: corpus} if corpus and whole else {})}
    # Over all contracts a question has other answers as soon as one contract more is there.
    comparable = every if known and known.corpus == baselines.corpus_version(connection) else tasks
    found = baselines.falls(known, comparable) if known else []
    shared = baselines.shared(known, tasks) if known else 0
    if accepted:
        baselines.store(connection, space, every)
    contracts = len({query.contract for task in tasks.values() for query in task.queries})
    return Compared(known, same, contracts, shared, found, accepted)


def describe(compared: Compared) -> dict[str, Any]:
    """As it is stored and read."""
    known = compared.baseline
    return {
        "measured_at": known.measured_at.isoformat(timespec="seconds") if known else None,
        "space": known.space if known else None,
        "same_search": compared.same_search,
        "contracts": compared.shared,
        "judged": compared.judged,
        "accepted": compared.accepted,
        "falls": [
            {
                "task": fall.task,
                "list": fall.list,
                "metric": fall.metric,
                "before": round(fall.before, 4),
                "now": round(fall.now, 4),
                "difference": fall.difference.rounded(),
            }
            for fall in compared.falls
        ],
    }
