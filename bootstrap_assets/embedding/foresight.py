"""What embedding an outline would find in a space. For a plan: all of this reads."""

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
    known = dict(_known(connection, space, source, outline.texts.keys() | outline.part_tokens.keys()))
    return missing(outline, known, limit=limit)


@dataclass(frozen=True, slots=True)
class Known:
    """What the database has of a text: its tokens, whether it has a vector, whether it is a dead letter."""

    tokens: int
    embedded: bool
    dead: bool


def missing(outline: Outline, known: dict[bytes, Known], *, limit: int) -> Foreseen:
    """What is to be done for an outline, as the statements `plan` and `missing` have it."""
    wanted: dict[bytes, int] = {}
    already = failed = 0
    for digest, estimated in outline.texts.items():
        found = known.get(digest) or Known(estimated, embedded=False, dead=False)
        already += found.embedded
        failed += found.dead and not found.embedded
        if found.tokens <= limit:
            wanted[digest] = found.tokens
        elif not found.embedded:
            for part in outline.parts.get(digest, []):
                wanted[part] = known[part].tokens if part in known else outline.part_tokens[part]
    left = {
        digest for digest in wanted if digest not in known or not (known[digest].embedded or known[digest].dead)
    }
    # In the order in which they would be sent.
    return Foreseen(already, failed, [Text(digest, "", wanted[digest]) for digest in sorted(left)])


def _known(
    connection: Connection, space: Space | None, source: str, hashes: Collection[bytes]
) -> Iterator[tuple[bytes, Known]]:
    query = statement("outline_known").format(vectors=space.vectors if space else _NO_VECTORS)
    ordered = sorted(hashes)
    for start in range(0, len(ordered), _AT_ONCE):
        named = {"source": source, "space": space.id if space else None}
        named["hashes"] = ordered[start : start + _AT_ONCE]  # type: ignore[assignment]
        for digest, tokens, embedded, dead in connection.execute(query, named):
            yield digest, Known(tokens, embedded, dead)
