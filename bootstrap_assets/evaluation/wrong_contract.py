"""Whole-corpus search for something in one contract, which the query names: how many hits are from another one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.evaluation import labels
from bootstrap_assets.evaluation.intervals import intervals
from bootstrap_assets.evaluation.labels import Query
from bootstrap_assets.evaluation.questions import Questions
from bootstrap_assets.evaluation.ranking import hybrid
from bootstrap_assets.evaluation.scores_of_tasks import WrongContract
from bootstrap_assets.evaluation.tasks import Task
from bootstrap_assets.stopping import Stop

statement = statements_of(__name__)

QUERIES = 50
"""Questions of each data set that are asked, in effect a random sample."""

HITS = 10


def wrong_contracts(
    database: Database, work: Questions, tasks: Mapping[str, Task], stop: Stop
) -> dict[str, WrongContract]:
    """By data set: sections of the whole corpus, asked for with the contract's title before the question.

    Empty for a model that is paid: these questions are asked for this alone.
    """
    if not work.is_free:
        return {}
    return {
        name: _measure(database, work, labels.some(task.queries, QUERIES), stop) for name, task in tasks.items()
    }


def _measure(database: Database, work: Questions, queries: Sequence[Query], stop: Stop) -> WrongContract:
    own = database.transact(partial(_sections, queries=queries))
    titled = [replace(query, text=f"{own[query.contract][0]}: {query.text}") for query in queries]
    questions = work.ask(titled)
    with database.connection() as connection:
        ranked = hybrid(
            connection,
            titled,
            [questions[query.text].widened for query in titled],
            granularity="section",
            stop=stop,
            space=work.space.id,
            within=False,
            depth=HITS,
        )
    shares = [
        [sum(hit not in own[query.contract][1] for hit in hits) / max(1, len(hits))]
        for query, hits in zip(titled, ranked, strict=True)
    ]
    [share] = intervals(np.array(shares), [query.contract for query in titled])
    return WrongContract(queries=len(titled), share=share.rounded())


def _sections(connection: Connection, *, queries: Sequence[Query]) -> dict[str, tuple[str, set[bytes]]]:
    """Of each contract that is asked about the title, and the hashes of its sections."""
    parameters = {"documents": list({query.document for query in queries})}
    rows = connection.execute(statement("titled_sections"), parameters)
    return {contract: (title, set(map(bytes, hashes))) for contract, title, hashes in rows}
