"""Lists of scorers as if they were stored, for one connection alone, so that the search itself ranks with them.

What is stored was trained on the very contracts that are asked about. Here the wordings of labels, and what
scorers that never saw a contract say of it, stand in temporary tables that hide the corpus' own from the search
functions. A label is left out by taking its wordings away: nothing knows it then but by its likeness to others.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

from psycopg.types.json import Jsonb

from bootstrap_assets.database.connection import Connection, Database, connect
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.evaluation.answers import Answer
from bootstrap_assets.evaluation.labels import Query
from bootstrap_assets.evaluation.ranking import Question, hybrid
from bootstrap_assets.labels.likelihoods import LEAST
from bootstrap_assets.labels.store import Wording
from bootstrap_assets.stopping import Stop

statement = statements_of(__name__)


@contextmanager
def session(database: Database) -> Iterator[Connection]:
    """A connection whose temporary tables are looked up first, and go with it."""
    connection = connect(database.url)
    try:
        connection.execute(statement("temporary_first"))
        yield connection
    finally:
        connection.close()


def stand_in(connection: Connection, wordings: Sequence[Wording], answers: Sequence[Answer]) -> None:
    """Have the search functions of this connection, none of which was called before, find these lists."""
    columns: dict[str, list[Any]] = {"documents": [], "labels": [], "hashes": [], "likelihoods": []}
    for answer in answers:
        likely = {digest: value for digest, value in answer.likelihoods.items() if value >= LEAST}
        columns["documents"] += [answer.document] * len(likely)
        columns["labels"] += [answer.label] * len(likely)
        columns["hashes"] += likely.keys()
        columns["likelihoods"] += likely.values()
    connection.execute(statement("shadow_wordings"))
    connection.execute(statement("fill_wordings"), {"wordings": Jsonb([asdict(it) for it in wordings])})
    source = wordings[0].source if wordings else ""
    connection.execute(statement("fill_likelihoods"), columns | {"source": source})


def rank(
    connection: Connection,
    queries: Sequence[Query],
    questions: Mapping[str, Question],
    *,
    granularity: str,
    stop: Stop,
    space: int | None = None,
    left_out: bool = False,
) -> list[list[bytes]]:
    """The hybrid's hits with the lists of this connection; `left_out`: each but its own label's."""
    ranked = partial(hybrid, connection, granularity=granularity, stop=stop, space=space)
    if not left_out:
        return ranked(queries, _with_labels(connection, queries, questions))
    hits: dict[int, list[bytes]] = {}
    for label in sorted({query.label for query in queries}):
        rows = [row for row, query in enumerate(queries) if query.label == label]
        some = [queries[row] for row in rows]
        with connection.transaction(force_rollback=True):
            connection.execute(statement("leave_out"), {"label": label})
            hits.update(zip(rows, ranked(some, _with_labels(connection, some, questions)), strict=True))
    return [hits[row] for row in range(len(queries))]


def _with_labels(connection: Connection, queries: Sequence[Query], questions: Mapping[str, Question]) -> list[str]:
    texts = list(dict.fromkeys(query.text for query in queries))
    parameters = {
        "plain": [questions[text].plain for text in texts],
        "widened": [questions[text].widened for text in texts],
    }
    rows = connection.execute(statement("questions_with_labels"), parameters).fetchall()
    by_text = {text: row[0] for text, row in zip(texts, rows, strict=True)}
    return [by_text[query.text] for query in queries]
