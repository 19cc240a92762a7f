"""What embedding an outline would find in a space. For a plan, so nothing here writes."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from psycopg import sql

from bootstrap_assets.corpus.outline import Outline
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.batches import Text
from bootstrap_assets.embedding.spaces import Space

statement = statements_of(__name__)

_AT_ONCE = 5_000


_NO_VECTORS = sql.SQL("(SELECT ''::bytea AS content_hash WHERE false)")


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What embedding would find: texts that have a vector, those that are dead letters, and those to be sent."""

    already: int
    failed: int
    send: list[Text]


def foresee(connection: Connection, space: Space | None, source: str, outline: Outline, *, limit: int) -> Foreseen:
    """What embedding a source would find in a space (None: it was never made); texts above `limit` go in parts."""
    states = dict(_states(connection, space, source, outline.texts.keys() | outline.part_tokens.keys()))
    return missing(outline, states, limit=limit)


@dataclass(frozen=True, slots=True)
class TextState:
    """What the database has of a text: its tokens, whether it has a vector, whether it is a dead letter."""

    tokens: int
    embedded: bool
    dead: bool


def missing(outline: Outline, states: dict[bytes, TextState], *, limit: int) -> Foreseen:
    """What is to be done for an outline, as the statements `plan` and `missing` have it."""
    tokens: dict[bytes, int] = {}
    already = failed = 0
    for digest, estimate in outline.texts.items():
        state = states.get(digest) or TextState(estimate, embedded=False, dead=False)
        already += state.embedded
        failed += state.dead and not state.embedded
        if state.tokens <= limit:
            tokens[digest] = state.tokens
        elif not state.embedded:
            for part in outline.parts.get(digest, []):
                tokens[part] = states[part].tokens if part in states else outline.part_tokens[part]
    unsent = {
        digest for digest in tokens if digest not in states or not (states[digest].embedded or states[digest].dead)
    }
    # In the order in which they would be sent.
    return Foreseen(already, failed, [Text(digest, "", tokens[digest]) for digest in sorted(unsent)])


def _states(
    connection: Connection, space: Space | None, source: str, hashes: Collection[bytes]
) -> Iterator[tuple[bytes, TextState]]:
    query = statement("outline_known").format(vectors=space.vectors if space else _NO_VECTORS)
    digests = sorted(hashes)
    for start in range(0, len(digests), _AT_ONCE):
        parameters = {"source": source, "space": space.id if space else None}
        parameters["hashes"] = digests[start : start + _AT_ONCE]  # type: ignore[assignment]
        for digest, tokens, embedded, dead in connection.execute(query, parameters):
            yield digest, TextState(tokens, embedded, dead)
