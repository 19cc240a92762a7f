"""The parts of texts that are too long for a space's model, cut when the space first needs them and kept with it.

How long a text may be is up to the model, so no text is cut before a model asks for it: one of 512 tokens has
parts of most sections, one of 32,000 of a few contracts. A part is a text like any other, embedded once and stored
at once; the text gets the mean of its parts' vectors (`vectors.pool`). Whatever the model says is too long after
all is cut once more.
"""

from functools import partial

from bootstrap_assets.corpus.outline import Cut
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.batches import Text
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.embedding.vectors import Work
from bootstrap_assets.texts.content import content_hash, estimate_tokens
from bootstrap_assets.texts.passages import parts_of

statement = statements_of(__name__)

LARGEST = 512
"""Estimated tokens of a part at most: those of a passage, so that a part that is one shares its vector."""

_LOCK = 0x63757473  # "cuts": two parts of one text may be cut at the same time, and be numbered

LEAST = 32
"""Estimated tokens below which nothing is cut: what is refused then is not too long."""


def size_for(limit: int) -> int:
    """Estimated tokens of a part at most, for a model that takes `limit`."""
    return min(LARGEST, limit)


def cutter(limit: int) -> Cut:
    """Cuts texts for a model that takes `limit` tokens."""
    return partial(parts_of, max_tokens=size_for(limit))


def uncut(connection: Connection, work: Work) -> list[bytes]:
    """Texts to be embedded, and parts of longer ones, that are above the limit and not cut yet."""
    query = statement("uncut").format(vectors=work.space.vectors)
    return [digest for (digest,) in connection.execute(query, work.parameters())]


def cut(connection: Connection, space: Space, digest: bytes, size: int) -> bool:
    """Cut a text into parts of at most `size` estimated tokens, in one space.

    They take its place where it was a part itself. False where it cannot be cut. Another process that would cut in
    this space waits; a load does not.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK, space.id))
    row = connection.execute(statement("text_to_cut"), {"hash": digest}).fetchone()
    parts = parts_of(row[0], size) if row else []
    if not row or parts in ([], [row[0]]):
        return False
    hashes = [content_hash(part) for part in parts]
    texts = {"parts": hashes, "contents": parts, "tokens": [estimate_tokens(part) for part in parts]}
    while True:
        connection.execute(statement("add_part_texts"), texts)
        if connection.execute(statement("hold_part_texts"), texts).rowcount == len(set(hashes)):
            break
    connection.execute(statement("add_parts"), {"space": space.id, "hash": digest, "parts": hashes})
    connection.execute(statement("forget_part"), {"hash": digest})
    return True


def divide(connection: Connection, space: Space, text: Text) -> bool:
    """Cut a text that the provider says is too long, though we estimated that it fits; False where it is short."""
    size = min(LARGEST, text.tokens // 2)
    return size >= LEAST and cut(connection, space, text.content_hash, size)
