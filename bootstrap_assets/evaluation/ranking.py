"""The lists that are compared: what the search's own functions rank by vector, by text, and fused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import StoppedError
from bootstrap_assets.evaluation.labels import Query
from bootstrap_assets.search.query import Ranking
from bootstrap_assets.stopping import Stop

statement = statements_of(__name__)

LISTS = ("vector", "text", "text_widened", "hybrid")
"""vector: nearest vectors alone. text: BM25 alone. hybrid: the search as it is. text_widened: the hybrid's own
text list, with words from feedback and a share of the section's score, but without its vectors."""

DEPTH = 1_000
"""Texts that are ranked of a contract: all, in practice."""

_AT_ONCE = 50  # pairs of question and contract in one statement: some seconds

Ranked = Mapping[str, list[list[bytes]]]
"""By list, for each query the hashes of texts, the best first."""


@dataclass(frozen=True, slots=True)
class Question:
    """A text as it is searched for: `plain` without feedback, `widened` with it. Values of the SQL type."""

    plain: str
    widened: str


def question(connection: Connection, space: int, text: str, vector: npt.NDArray[np.float32]) -> Question:
    """What the search makes of a query, with feedback from the corpus as it is."""
    row = connection.execute(statement("questions"), {"text": text, "vector": vector, "space": space}).fetchone()
    assert row is not None
    return Question(*row)


def whole_search(
    connection: Connection, space: int, text: str, vector: npt.NDArray[np.float32]
) -> tuple[list[bytes] | None, list[bytes] | None]:
    """The hits of `search_reference` among all sections, and those of the functions that are measured."""
    row = connection.execute(
        statement("whole_search"), {"text": text, "vector": vector, "space": space}
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def rank(
    connection: Connection,
    queries: Sequence[Query],
    questions: Mapping[str, Question],
    *,
    granularity: str,
    stop: Stop,
    space: int | None = None,
    within: bool = True,
    depth: int = DEPTH,
) -> Ranked:
    """Rank the records of one granularity for each query: of its contract, or (not `within`) of all contracts.

    `space`: the id of the one that is searched, None for the active one.

    The plain lists are read off one call of `reference_rank`, which gives the rank in each of the two beside the
    fused one, and so are the hybrid and its text list.
    """
    documents = [query.document if within else None for query in queries]
    rows = partial(_rows, connection, space, documents, granularity, depth, stop)
    plain = rows([questions[q.text].plain for q in queries], 0.0)
    widened = rows([questions[q.text].widened for q in queries])
    lists: dict[str, list[list[bytes]]] = {name: [] for name in LISTS}
    for bare, full in zip(plain, widened, strict=True):
        lists["vector"].append(_by_rank(bare, "vector"))
        lists["text"].append(_by_rank(bare, "text"))
        lists["text_widened"].append(_by_rank(full, "text"))
        lists["hybrid"].append([row.text for row in full])
    return lists


def hybrid(
    connection: Connection,
    queries: Sequence[Query],
    texts: Sequence[str],
    *,
    granularity: str,
    stop: Stop,
    space: int | None = None,
    within: bool = True,
    depth: int = DEPTH,
) -> list[list[bytes]]:
    """What the search gives alone, each query as it is searched for (`texts`: values of the SQL type)."""
    documents = [query.document if within else None for query in queries]
    rows = _rows(connection, space, documents, granularity, depth, stop, texts)
    return [[row.text for row in some] for some in rows]


@dataclass(frozen=True, slots=True)
class _Row:
    text: bytes
    vector: int | None
    text_rank: int | None


def _by_rank(rows: Sequence[_Row], which: str) -> list[bytes]:
    ranked = [(row.vector if which == "vector" else row.text_rank, row.text) for row in rows]
    return [text for place, text in sorted((place, text) for place, text in ranked if place is not None)]


def _rows(
    connection: Connection,
    space: int | None,
    documents: Sequence[UUID | None],
    granularity: str,
    depth: int,
    stop: Stop,
    questions: Sequence[str],
    context: float | None = None,
) -> Iterator[list[_Row]]:
    ranking = asdict(Ranking())
    parameters: dict[str, Any] = {
        name: ranking[name] for name in ("vector_weight", "text_weight", "fusion_constant", "context")
    }
    parameters |= {"granularity": granularity, "k": depth, "space": space} | (
        {} if context is None else {"context": context}
    )
    pairs = iter(zip(questions, documents, strict=True))
    while some := list(islice(pairs, _AT_ONCE)):
        if stop.is_set():
            raise StoppedError
        parameters |= {"questions": [pair[0] for pair in some], "documents": [pair[1] for pair in some]}
        rows: list[list[_Row]] = [[] for _ in some]
        for place, text, vector, text_rank in connection.execute(statement("rank_pairs"), parameters):
            rows[place - 1].append(_Row(bytes(text), vector, text_rank))
        yield from rows
