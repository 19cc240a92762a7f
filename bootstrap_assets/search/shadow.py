"""ContractNLI's spans as if they were the corpus, for one connection alone, so that the search itself ranks them.

Only the spans that are evidence are records. An evaluation needs all of them to choose among: here they stand in
temporary tables that hide the corpus' own from the search functions. Nothing of it reaches the corpus.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from psycopg import sql

from bootstrap_assets.batches import Text, pack
from bootstrap_assets.embed.protocol import Embedder
from bootstrap_assets.errors import RefusedError
from bootstrap_assets.records import estimate_tokens
from bootstrap_assets.search.labelled import Span
from bootstrap_assets.send import Answer, Sender
from bootstrap_assets.store.corpus import copy_rows
from bootstrap_assets.store.database import Connection, Database, connect
from bootstrap_assets.store.spaces import Space
from bootstrap_assets.store.statements import statement
from bootstrap_assets.store.vectors import sound

_MARGIN = 0.9  # share of a provider's token limit that is filled, because tokens are estimated


@contextmanager
def shadowed(database: Database, space: Space, spans: Sequence[Span]) -> Iterator[Connection]:
    """A connection of its own on which the spans are the records, with their vectors and their sections' texts.

    A function of the search must not have been called on it before: it would go on with the tables it met first.
    """
    connection = connect(database.url)
    try:
        connection.execute(statement("temporary_first"))
        connection.execute(statement("create_spans"))
        _copy(connection, spans)
        connection.execute(statement("gather_texts"))
        connection.execute(statement("shadow_corpus").format(vectors=space.vectors, space=sql.Literal(space.id)))
        yield connection
    finally:
        connection.close()  # which rolls it back


def _copy(connection: Connection, spans: Sequence[Span]) -> None:
    columns = "document_id source_id content_hash content tokens char_start char_end section_hash".split()
    types = "uuid text bytea text int4 int4 int4 bytea".split()
    rows = (
        (
            *(span.document, span.source_id, span.content_hash, span.content, estimate_tokens(span.content)),
            *(span.start, span.end, span.section),
        )
        for span in spans
    )
    copy_rows(connection, "evaluation_spans", columns, types, rows)


@dataclass(frozen=True, slots=True)
class Payments:
    """Who embeds, and through whom it is sent and paid."""

    embedder: Embedder
    sender: Sender


def embed_spans(database: Database, space: Space, payments: Payments, spans: Sequence[Span]) -> int:
    """Embed the spans that have no vector yet, and keep their vectors; returns how many these were.

    One that the model refuses, or that is too long for it, goes without: it can be found by its words.
    """
    model = payments.embedder.model
    texts = {span.content_hash: span.content for span in spans}
    missing = database.transact(partial(_unembedded, space=space, hashes=list(texts)))
    wanted = [Text(digest, texts[digest], estimate_tokens(texts[digest])) for digest in missing]
    fitting = [text for text in wanted if text.tokens <= model.context * _MARGIN]
    requests = pack(fitting, max_texts=model.request_texts, max_tokens=int(model.request_tokens * _MARGIN))
    return sum(_embed(database, space, payments.sender, request) for request in requests)


def _embed(database: Database, space: Space, sender: Sender, request: Sequence[Text]) -> int:
    try:
        answer = sender.send([text.content for text in request], sum(text.tokens for text in request))
    except RefusedError:
        if len(request) == 1:
            return 0
        half = len(request) // 2
        return sum(_embed(database, space, sender, part) for part in (request[:half], request[half:]))
    database.transact(partial(_keep, space=space, request=request, answer=answer))
    return len(request)


def _keep(connection: Connection, space: Space, request: Sequence[Text], answer: Answer) -> None:
    rows = [
        {"space": space.id, "hash": text.content_hash, "embedding": vector}
        for text, vector, good in zip(request, answer.vectors, sound(answer.vectors), strict=True)
        if good
    ]
    with connection.cursor() as cursor:
        cursor.executemany(statement("keep_evaluation_vector"), rows)
    answer.settle(connection)


def _unembedded(connection: Connection, space: Space, hashes: list[bytes]) -> list[bytes]:
    query = statement("unembedded").format(vectors=space.vectors)
    return [bytes(row[0]) for row in connection.execute(query, {"hashes": hashes, "space": space.id})]
