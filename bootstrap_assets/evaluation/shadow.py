"""ContractNLI's spans as if they were the corpus, for one connection alone, so that the search itself ranks them.

Only the spans that are evidence are records. An evaluation needs all of them to choose among: here they stand in
temporary tables that hide the corpus' own from the search functions. Nothing of it reaches the corpus.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg import sql

from bootstrap_assets.database.connection import Connection, Database, connect
from bootstrap_assets.database.copy import copy_temporary
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.evaluation.labels import Span
from bootstrap_assets.texts.content import estimate_tokens

statement = statements_of(__name__)


@contextmanager
def shadow(database: Database, space: Space, spans: Sequence[Span]) -> Iterator[Connection]:
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
    copy_temporary(connection, "evaluation_spans", columns, types, rows)
