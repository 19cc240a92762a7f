"""Questions that labels know, apart from those that none knows: the search with and without the lists of scorers.

    known      by the search, with lists of scorers that never saw the contract     evaluation/answers.py
    left_out   the same, but that nothing knows the question's own label            evaluation/label_lists.py
    ablated    by the search without any list, as it is measured otherwise

and the order of the scorers alone. Of ContractNLI the split's contracts are asked about, of CUAD all.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.evaluation import answers, label_lists, labels
from bootstrap_assets.evaluation.answers import Answer
from bootstrap_assets.evaluation.intervals import Values, intervals
from bootstrap_assets.evaluation.labels import Query
from bootstrap_assets.evaluation.metrics import measure
from bootstrap_assets.evaluation.questions import CUAD, NLI, Questions
from bootstrap_assets.evaluation.scores_of_tasks import Apart, Scores
from bootstrap_assets.evaluation.shadow import shadow
from bootstrap_assets.evaluation.tasks import Task
from bootstrap_assets.labels import store
from bootstrap_assets.labels.store import Wording
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.stopping import Stop

METRICS = ("R@5", "R@10", "MRR", "mAP", "P@R80")


def measure_known(
    database: Database, work: Questions, tasks: Mapping[str, Task], split: str, stop: Stop
) -> dict[str, Apart]:
    """By data set, of those that were asked about; some minutes. MissingExtraError without the extra `labels`."""
    measures: dict[str, Callable[..., Apart | None]] = {
        NLI: partial(_contract_nli, database, work, split=split, stop=stop),
        CUAD: partial(_cuad, database, work, stop=stop),
    }
    every = {name: measures[name](task=task) for name, task in tasks.items()}
    return {name: apart.model_copy(update={"split": split}) for name, apart in every.items() if apart}


def scores_by_scorers(several: Sequence[Answer]) -> Scores | None:
    """Mean and interval by metric of the order of scorers alone; None where there is no answer."""
    several = [answer for answer in several if answer.relevant]
    if not several:
        return None
    values = measure(METRICS, [it.relevant for it in several], [it.ranked for it in several])
    return _means(values, [it.contract for it in several])


def _contract_nli(database: Database, work: Questions, *, split: str, stop: Stop, task: Task) -> Apart | None:
    readings = database.transact(partial(answers.contract_nli, split=split, stop=stop))
    if not readings:
        return None
    wordings = database.transact(partial(store.wordings, source=SOURCES[NLI]))
    _, spans = database.transact(partial(labels.contract_nli, split=split))
    with shadow(database, work.space, spans) as connection:
        return _apart(
            connection, work, task, wordings, readings, partial(label_lists.rank, granularity="span", stop=stop)
        )


def _cuad(database: Database, work: Questions, *, stop: Stop, task: Task) -> Apart | None:
    readings = database.transact(partial(answers.cuad, stop=stop))
    if not readings:
        return None
    wordings = database.transact(partial(store.wordings, source=SOURCES[CUAD]))
    rank = partial(label_lists.rank, granularity="section", stop=stop, space=work.space.id)
    with label_lists.session(database) as connection:
        return _apart(connection, work, task, wordings, readings, rank)


def _apart(
    connection: Connection,
    work: Questions,
    task: Task,
    wordings: Sequence[Wording],
    readings: Sequence[Answer],
    rank: Callable[..., list[list[bytes]]],
) -> Apart:
    label_lists.stand_in(connection, wordings, readings)
    questions = work.ask(task.queries)
    contracts = [query.contract for query in task.queries]
    ranked = (rank(connection, task.queries, questions, left_out=left_out) for left_out in (False, True))
    by_lists, without = (_values(task.queries, hits) for hits in ranked)
    ablated = task.scores["hybrid"][:, [task.metrics.index(metric) for metric in METRICS]]
    return Apart(
        by_lists=_means(by_lists, contracts),
        left_out=_means(without, contracts),
        ablated=_means(ablated, contracts),
        by_lists_minus_ablated=_means(by_lists - ablated, contracts),
        left_out_minus_ablated=_means(without - ablated, contracts),
        by_scorers=scores_by_scorers(readings),
    )


def _values(queries: Sequence[Query], ranked: Sequence[Sequence[bytes]]) -> Values:
    return measure(METRICS, [query.relevant for query in queries], ranked)


def _means(values: Values, contracts: Sequence[str]) -> Scores:
    means = zip(METRICS, intervals(values, contracts), strict=True)
    return {metric: mean.rounded() for metric, mean in means}
