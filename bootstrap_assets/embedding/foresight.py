"""What embedding an outline would find in a space. For a plan: all of this reads."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from psycopg import sql

from bootstrap_assets.corpus.outline import Outline
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.batches import Text
from bootstrap_assets.embedding.parts import cutter
from bootstrap_assets.embedding.spaces import Space

statement = statements_of(__name__)

_AT_ONCE = 5_000
_CUT_AT_ONCE = 200  # their contents are long


_NO_VECTORS = sql.SQL("(SELECT ''::bytea AS content_hash WHERE false)")


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What embedding would find: texts that have a vector, those that are dead letters, and those to be sent."""

    already: int
    failed: int
    send: list[Text]


def foresee(connection: Connection, space: Space | None, source: str, outline: Outline, *, limit: int) -> Foreseen:
    """What embedding a source would find in a space (None: it was never made); texts above `limit` go in parts."""
    stored = dict(_stored(connection, space, source, outline.texts.keys()))
    _cut(connection, outline, stored, limit)
    stored |= dict(_stored(connection, space, source, outline.part_tokens.keys()))
    return missing(outline, stored, limit=limit)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database has of a text: its tokens, whether it has a vector, whether it is a dead letter."""

    tokens: int
    embedded: bool
    dead: bool


def missing(outline: Outline, stored: dict[bytes, Stored], *, limit: int) -> Foreseen:
    """What is to be done for an outline, as the statements `plan` and `missing` have it."""
    tokens: dict[bytes, int] = {}
    already = failed = 0
    for digest, estimated in outline.texts.items():
        text = stored.get(digest) or Stored(estimated, embedded=False, dead=False)
        already += text.embedded
        failed += text.dead and not text.embedded
        if text.tokens <= limit:
            tokens[digest] = text.tokens
        elif not text.embedded:
            for part in outline.parts.get(digest, []):
                tokens[part] = stored[part].tokens if part in stored else outline.part_tokens[part]
    left = {
        digest for digest in tokens if digest not in stored or not (stored[digest].embedded or stored[digest].dead)
    }
    # In the order in which they would be sent.
    return Foreseen(already, failed, [Text(digest, "", tokens[digest]) for digest in sorted(left)])


def _cut(connection: Connection, outline: Outline, stored: dict[bytes, Stored], limit: int) -> None:
    """Cut the long texts of the corpus that have no vector and are not cut in the outline."""
    long = [digest for digest, text in stored.items() if text.tokens > limit and not text.embedded]
    uncut = sorted(digest for digest in long if digest not in outline.parts)
    cut = cutter(limit)
    for start in range(0, len(uncut), _CUT_AT_ONCE):
        hashes = uncut[start : start + _CUT_AT_ONCE]
        for digest, content in connection.execute(statement("contents"), {"hashes": hashes}):
            outline.add_parts(digest, cut(content))


def _stored(
    connection: Connection, space: Space | None, source: str, hashes: Collection[bytes]
) -> Iterator[tuple[bytes, Stored]]:
    query = statement("outline_known").format(vectors=space.vectors if space else _NO_VECTORS)
    digests = sorted(hashes)
    for start in range(0, len(digests), _AT_ONCE):
        parameters = {"source": source, "space": space.id if space else None}
        parameters["hashes"] = digests[start : start + _AT_ONCE]  # type: ignore[assignment]
        for digest, tokens, embedded, dead in connection.execute(query, parameters):
            yield digest, Stored(tokens, embedded, dead)
