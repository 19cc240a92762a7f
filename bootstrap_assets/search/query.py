"""A first search: vectors, full text, and both fused by reciprocal rank."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql

from bootstrap_assets.embed.choose import embedder_of
from bootstrap_assets.embed.protocol import Embedder, InputType
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.gate import limiter_of
from bootstrap_assets.records import clean_text, estimate_tokens
from bootstrap_assets.send import Patience, Sender
from bootstrap_assets.settings import Settings
from bootstrap_assets.stopping import Stop
from bootstrap_assets.store import spaces
from bootstrap_assets.store.database import Connection, Database
from bootstrap_assets.store.ledger import Payer
from bootstrap_assets.store.spaces import Space
from bootstrap_assets.store.statements import statement
from bootstrap_assets.store.vectors import Vectors, check, complaint, sound

FUSION_CONSTANT = 60
"""k of reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009."""

CANDIDATES = 100
"""How many records of each list are fused, at least."""

SOURCE = "search"
"""What queries are entered as in the ledger."""


class Mode(StrEnum):
    """What is searched."""

    HYBRID = "hybrid"
    VECTOR = "vector"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Filters:
    """What a record must be to be found; an empty tuple lets everything through. Upper and lower case are one."""

    sources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    granularities: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def named(self) -> dict[str, list[str] | None]:
        """As parameters of the statements."""
        return {
            "sources": list(self.sources) or None,
            "categories": [category.lower() for category in self.categories] or None,
            "granularities": list(self.granularities) or None,
            "labels": [label.lower() for label in self.labels] or None,
        }


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that was found. `score` is the cosine, the text rank, or the fused reciprocal rank, by mode."""

    rank: int
    score: float
    record_id: UUID
    source: str
    source_id: str
    document: str
    granularity: str
    section_path: str | None
    category: str | None
    hypothesis_id: int | None
    nli_label: str | None
    content: str


Scores = Mapping[UUID, float]
"""Records with their scores, best first."""


def search(
    database: Database,
    settings: Settings,
    query: str,
    *,
    k: int = 10,
    mode: Mode = Mode.HYBRID,
    filters: Filters | None = None,
) -> list[Hit]:
    """The k best records for a query; ConfigurationError while there is nothing to search."""
    query = clean_text(query)
    if not query.strip():
        raise ConfigurationError("the query is empty")
    named = (filters or Filters()).named() | {"limit": max(k, CANDIDATES)}
    lists: list[Scores] = []
    space = _searched(database) if mode is not Mode.TEXT else None
    vector = _embed(database, settings, space, query) if space else None  # in no transaction: it may take long
    with database.connection() as connection:
        if space:
            found = _nearest(connection, space, named | {"vector": vector})
            lists.append(dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))))
        if mode is not Mode.VECTOR:
            lists.append(_by_text(connection, query, named))
        scores = fuse(lists) if mode is Mode.HYBRID else lists[0]
        return _hits(connection, dict(list(scores.items())[:k]))


def fuse(lists: Sequence[Scores], constant: int = FUSION_CONSTANT) -> Scores:
    """Reciprocal rank fusion: a record's score is the sum of 1 / (constant + rank) over the lists it is in."""
    fused: dict[UUID, float] = {}
    for scores in lists:
        for rank, record in enumerate(scores, 1):
            fused[record] = fused.get(record, 0.0) + 1 / (constant + rank)
    return dict(sorted(fused.items(), key=lambda item: (-item[1], item[0])))


def _searched(database: Database) -> Space:
    with database.connection() as connection:
        space = spaces.active(connection)
    if space is None:
        raise ConfigurationError("there is nothing to search yet: run `bootstrap run` first")
    return space


def _embed(database: Database, settings: Settings, space: Space, query: str) -> npt.NDArray[np.float32]:
    """The query's vector. What it costs goes into the ledger, unless this role may only read."""
    embedder = embedder_of(settings, space.provider, space.model, space.dimensions)
    vectors = _ask(database, settings, embedder, space, query)
    check(vectors, texts=1, dimensions=space.dimensions)
    vector: npt.NDArray[np.float32] = vectors[0]
    if not sound(vectors).all():
        raise complaint(vector)
    return vector


def _ask(database: Database, settings: Settings, embedder: Embedder, space: Space, query: str) -> Vectors:
    if embedder.model.dollars:
        with suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction):
            return _pay(database, settings, embedder, space, query)
    return embedder.embed([query], InputType.QUERY).vectors


def _pay(database: Database, settings: Settings, embedder: Embedder, space: Space, query: str) -> Vectors:
    sender = Sender(
        database,
        embedder,
        space,
        SOURCE,
        payer=Payer(limiter_of(embedder), SOURCE),
        patience=Patience(settings.retries, settings.retry_seconds, settings.breaker_seconds),
        stop=Stop(),
    )
    answer = sender.send([query], estimate_tokens(query), InputType.QUERY)
    database.transact(answer.settle)
    return answer.vectors


_GRAPH = sql.SQL("v.embedding <=> %(vector)s")
_EXACT = sql.SQL("(v.embedding <=> %(vector)s) + 0")  # no index is on this: every record is looked at


def _nearest(connection: Connection, space: Space, named: Mapping[str, Any]) -> dict[UUID, float]:
    query = statement("vector_candidates")
    connection.execute("SET LOCAL hnsw.ef_search = 100")
    connection.execute("SET LOCAL hnsw.iterative_scan = relaxed_order")
    found: dict[UUID, float] = {}
    for distance in (_GRAPH, _EXACT):
        found = dict(connection.execute(query.format(vectors=space.vectors, distance=distance), named).fetchall())
        if len(found) == named["limit"]:
            break  # else a filter that few records pass may have ended the scan of the graph early
    return found


def _by_text(connection: Connection, query: str, named: Mapping[str, Any]) -> Scores:
    candidates = statement("text_candidates").format()
    return dict(connection.execute(candidates, dict(named) | {"query": query}).fetchall())


def _hits(connection: Connection, scores: Scores) -> list[Hit]:
    rows = connection.execute(statement("hits"), {"ids": list(scores)}).fetchall()
    found = {row[0]: row for row in rows}
    return [
        Hit(rank, float(scores[record]), *found[record])
        for rank, record in enumerate((record for record in scores if record in found), 1)
    ]
