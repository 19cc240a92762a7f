"""Search: the SQL function `search_reference`, with the query's vector made by the space's own embedder."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg

from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.row_security import act_for
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.choose import embedder_of
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.providers.protocol import Embedder, InputType
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.embedding.vectors import Vectors, check, complaint, sound
from bootstrap_assets.errors import ConfigurationError, SpaceError
from bootstrap_assets.search.index import is_indexed
from bootstrap_assets.settings import Settings
from bootstrap_assets.texts.content import clean_text, estimate_tokens

statement = statements_of(__name__)

PHRASE = re.compile('["“”„«»]([^"“”„«»]+)["“”„«»]')
"""What must occur as it stands, in quotes as people and their keyboards write them."""

SOURCE = "search"
"""What queries are entered as in the ledger."""


class Mode(StrEnum):
    """What is searched."""

    HYBRID = "hybrid"
    VECTOR = "vector"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Filters:
    """What a record must be to be found; an empty tuple lets everything through. Upper and lower case are one.

    `documents`: ids, source ids or titles of documents. `tenant`: that tenant's documents are found too.
    """

    sources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    granularities: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """How hits are ranked; docs/quality.md says why these are the defaults.

    `vector_weight`, `text_weight`: what the two scores count in the one by which hits are ranked; None, as for
    `context`: what the space says (`embedding_spaces`).
    `fusion_constant`: where given, hits are ranked by the sum of weight / (constant + rank) over the two lists.
    `context`: the share that a text takes of the scores of the section it stands in. `feedback_texts`: how many
    first sections widen the query (0: none). `search_labels`: whether a record's category and hypothesis are
    searched like its text. `ef_search`: how far the index is searched, None for what the evaluation found to be
    enough.
    """

    vector_weight: float | None = None
    text_weight: float | None = None
    fusion_constant: int | None = None
    context: float | None = None
    feedback_texts: int = 10
    search_labels: bool = True
    ef_search: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A text that was found, and the first of the records that have it; `records` lists them all.

    `score`, 0 to 1, compares across queries: the mean of `vector_score`, a cosine, and `text_score`, BM25 as a
    share of what the query's words could reach; in the modes `vector` and `text` it is that one alone. `weak`: it
    has few of the words and is not near. A rank is None where the text is not in that list. `before` and `after`:
    up to 200 characters around it in its document. `others`: records of texts that say the same, each with its
    score. `invented`: it is from the sample, no real contract. `licence`, `attribution`, `url` (empty where it has
    none): those of its document. `tenant_id`: whose document it is; None for the reference corpus. `scorer`: of a
    query that means a category or hypothesis that a scorer knows, which, and how probable it is here; else None.
    """

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
    char_start: int | None
    char_end: int | None
    content: str
    before: str | None
    after: str | None
    vector_rank: int | None
    vector_score: float | None
    text_rank: int | None
    text_score: float | None
    invented: bool
    records: tuple[Mapping[str, Any], ...]
    weak: bool
    others: tuple[Mapping[str, Any], ...]
    licence: str
    attribution: str
    url: str
    tenant_id: str | None
    scorer: Mapping[str, Any] | None = None


def search(
    database: Database,
    settings: Settings,
    query: str,
    *,
    k: int = 10,
    mode: Mode = Mode.HYBRID,
    filters: Filters | None = None,
    ranking: Ranking | None = None,
    min_score: float | None = None,
    fold: bool = True,
    space: int | None = None,
) -> list[Hit]:
    """The k best texts for a query; ConfigurationError while there is nothing to search.

    `space`: the id of one that is not searched otherwise; SpaceError where there is none, or it has no index.
    `fold`: the same passage in another size, and nearly the same words, are one hit.
    """
    query = _cleaned(query)
    if mode is Mode.VECTOR and PHRASE.search(query):
        raise ConfigurationError("vectors know no phrases: leave the quotes out, or search with another mode")
    parameters: dict[str, Any] = {"query": query if mode is not Mode.VECTOR else None, "k": k}
    parameters |= {"min_score": min_score, "fold": fold, "space": space} | asdict(ranking or Ranking())
    with _open(database, settings, query, mode, space) as (connection, vector):
        act_for(connection, filters.tenant if filters else None)
        parameters |= {"vector": vector} | _of_filters(connection, filters or Filters())
        rows = connection.execute(statement("search"), parameters).fetchall()
        hits = [_hit(row) for row in rows]
    if not hits and space is None:
        _searched(database)  # or there is nothing at all
    return hits


def embed_text(database: Database, settings: Settings, query: str) -> npt.NDArray[np.float32]:
    """A query's vector in the space that is searched, as `search_reference` takes it.

    ConfigurationError where nothing is searched yet, or the query is empty.
    """
    return embed_query(database, settings, _searched(database), _cleaned(query))


def _cleaned(query: str) -> str:
    query = clean_text(query)
    if not query.strip():
        raise ConfigurationError("the query is empty")
    return query


@contextmanager
def _open(
    database: Database, settings: Settings, query: str, mode: Mode, number: int | None
) -> Iterator[tuple[Connection, npt.NDArray[np.float32] | None]]:
    """A transaction, and the query's vector of the very space that is searched in it; None in the mode `text`."""
    while True:
        space = _space(database, number) if number is not None or mode is not Mode.TEXT else None
        vector = None
        if space is not None and mode is not Mode.TEXT:
            vector = embed_query(database, settings, space, query)  # in no transaction: may take long
        with database.connection() as connection:
            if space is None or _is_held(connection, space, number):  # or another one was promoted meanwhile
                yield connection, vector
                return


def _space(database: Database, number: int | None) -> Space:
    if number is None:
        return _searched(database)
    space = database.transact(partial(spaces.numbered, number=number))
    if not database.transact(partial(is_indexed, space=space)):
        raise SpaceError(
            f"space {space.id} ({space.name}) has no valid index, and cannot be searched: "
            "`bootstrap spaces build` completes it"
        )
    return space


def _is_held(connection: Connection, space: Space, number: int | None) -> bool:
    """Whether the space is there, and stays as it is until the transaction ends."""
    if number is None:
        return spaces.hold_active(connection) == space
    try:
        with connection.transaction():
            spaces.hold(connection, space.vectors)
    except psycopg.errors.UndefinedTable:  # dropped meanwhile: the next look says so
        return False
    return True


def _of_filters(connection: Connection, filters: Filters) -> dict[str, Any]:
    parameters: dict[str, Any] = {name: list(values or ()) or None for name, values in asdict(filters).items()}
    if filters.documents:
        rows = connection.execute(statement("find_documents"), {"named": parameters["documents"]}).fetchall()
        if not rows:
            raise ConfigurationError(f"there is no document {', '.join(filters.documents)}")
        parameters["documents"] = [row[0] for row in rows]
    return parameters


def _hit(row: tuple[Any, ...]) -> Hit:
    (
        rank,
        score,
        vector_rank,
        vector_score,
        text_rank,
        text_score,
        content,
        before,
        after,
        records,
        weak,
        others,
        licence,
        attribution,
        url,
        scorer,
    ) = row
    first = dict(records[0])
    first["record_id"] = UUID(first.pop("id"))
    del first["document_id"]
    return Hit(
        rank=rank,
        score=score,
        content=content,
        before=before,
        after=after,
        vector_rank=vector_rank,
        vector_score=vector_score,
        text_rank=text_rank,
        text_score=text_score,
        records=tuple(records),
        weak=weak,
        others=tuple(others),
        licence=licence,
        attribution=attribution,
        url=url,
        scorer=scorer,
        **first,
    )


def _searched(database: Database) -> Space:
    with database.connection() as connection:
        space = spaces.active(connection)
    if space is None:
        raise ConfigurationError("there is nothing to search yet: run `bootstrap run` first")
    return space


def embed_query(database: Database, settings: Settings, space: Space, query: str) -> npt.NDArray[np.float32]:
    """The query's vector. What it costs goes into the ledger, unless this role may only read."""
    learnt = database.transact(partial(spaces.statistics, space=space))
    embedder = embedder_of(settings, space.provider, space.model, space.dimensions, learnt)
    vectors = _ask(database, settings, embedder, space, query)
    check(vectors, texts=1, dimensions=space.dimensions)
    vector: npt.NDArray[np.float32] = vectors[0]
    if not sound(vectors).all():
        raise complaint(vector)
    return vector


def _ask(database: Database, settings: Settings, embedder: Embedder, space: Space, query: str) -> Vectors:
    if not embedder.model.is_free:
        with suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction):
            return _pay(database, settings, embedder, space, query)
    return embedder.embed([query], InputType.QUERY).vectors


def _pay(database: Database, settings: Settings, embedder: Embedder, space: Space, query: str) -> Vectors:
    sender = Corpus(settings, database, embedder, space, run_id=SOURCE).sender(SOURCE)
    answer = sender.send([query], estimate_tokens(query), InputType.QUERY)
    database.transact(answer.settle)
    return answer.vectors
