"""This evaluation against the baseline: what has fallen since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.evaluation import baseline as baselines
from bootstrap_assets.evaluation.baseline import Baseline, Fall
from bootstrap_assets.evaluation.document import AgainstBaseline, FallOfScore
from bootstrap_assets.evaluation.questions import OVER_ALL
from bootstrap_assets.evaluation.tasks import Task


@dataclass(frozen=True)
class Comparison:
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

    def document(self) -> AgainstBaseline:
        """As it is kept."""
        return AgainstBaseline(
            measured_at=self.baseline.measured_at if self.baseline else None,
            space=self.baseline.space if self.baseline else None,
            same_search=self.same_search,
            contracts=self.shared,
            judged=self.judged,
            accepted=self.accepted,
            falls=tuple(map(_document, self.falls)),
        )


def compare(
    connection: Connection,
    space: Space,
    tasks: Mapping[str, Task],
    corpus: Task | None,
    *,
    accept: bool,
    whole: bool,
    candidate: bool = False,
) -> Comparison:
    """Compare with the baseline, or make these scores the baseline where there is none or `accept` says so.

    Those of a `candidate`, which is not searched, never become it.
    """
    before = baselines.stored(connection)
    accepted = whole and not candidate and bool(tasks) and (accept or before is None)
    same = before is None or before.search == baselines.search_functions(connection)
    every = {**tasks, **({OVER_ALL: corpus} if corpus and whole else {})}
    # Over all contracts a question has other answers as soon as one contract more is there.
    comparable = every if before and before.corpus == baselines.corpus_version(connection) else tasks
    falls = baselines.falls(before, comparable) if before else []
    shared = baselines.shared(before, tasks) if before else 0
    if accepted:
        baselines.store(connection, space, every)
    contracts = len({query.contract for task in tasks.values() for query in task.queries})
    return Comparison(before, same, contracts, shared, falls, accepted)


def _document(fall: Fall) -> FallOfScore:
    return FallOfScore(
        task=fall.task,
        list=fall.list,
        metric=fall.metric,
        before=fall.before,
        now=fall.now,
        difference=fall.difference.rounded(),
    )
