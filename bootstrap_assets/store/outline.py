"""What a source's records are made of, without their contents, and what of it is in the database already.

For a plan, which changes nothing: all of this reads, and takes no lock that anybody could wait for.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from psycopg import sql

from bootstrap_assets.batches import Text
from bootstrap_assets.errors import FormatError
from bootstrap_assets.records import Finding, ParsedDocument, content_hash, estimate_tokens
from bootstrap_assets.store.corpus import PARTS_ABOVE, Cut
from bootstrap_assets.store.database import Connection
from bootstrap_assets.store.spaces import Space
from bootstrap_assets.store.statements import statement

_AT_ONCE = 5_000
_NO_VECTORS = sql.SQL("(SELECT ''::bytea AS content_hash WHERE false)")


@dataclass(slots=True)
class Outline:
    """The ids of a source's records, its distinct texts, and the parts of those that are long.

    `texts` and `part_tokens` have estimated tokens by hash; a part may be a text of the source, too.
    """

    records: set[UUID] = field(default_factory=set)
    texts: dict[bytes, int] = field(default_factory=dict)
    parts: dict[bytes, list[bytes]] = field(default_factory=dict)
    part_tokens: dict[bytes, int] = field(default_factory=dict)


def parsed(source: str, entries: Iterable[ParsedDocument | Finding], cut: Cut) -> Outline:
    """Of what a parser yields; FormatError where two entries have one id, as a load has it."""
    outline = Outline()
    documents: set[UUID] = set()
    for entry in entries:
        if isinstance(entry, Finding):
            continue
        _add_once(source, documents, entry.document.id, entry.document.source_id)
        for record in entry.records:
            _add_once(source, outline.records, record.id, record.source_id)
            digest = content_hash(record.content)
            if digest not in outline.texts:
                outline.texts[digest] = estimate_tokens(record.content)
                if outline.texts[digest] > PARTS_ABOVE:
                    pieces = {content_hash(part): estimate_tokens(part) for part in cut(record.content)}
                    outline.parts[digest] = list(pieces)
                    outline.part_tokens |= pieces
    return outline


def _add_once(source: str, known: set[UUID], id_: UUID, name: str) -> None:
    if id_ in known:
        raise FormatError(f"{source}: two entries have one id: {name}")
    known.add(id_)


def stored(connection: Connection, source: str) -> Outline:
    """Of what is in the corpus."""
    named, outline = {"source": source}, Outline()
    outline.records = {row[0] for row in connection.execute(statement("stored_records"), named)}
    outline.texts = dict(connection.execute(statement("outline_texts"), named).fetchall())
    for whole, part, tokens in connection.execute(statement("outline_parts"), named):
        outline.parts.setdefault(whole, []).append(part)
        outline.part_tokens[part] = tokens
    return outline


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


def vanishing(connection: Connection, source: str, outline: Outline) -> tuple[int, int]:
    """How many records of a source are in the corpus, and how many of them are not in the outline."""
    ids = [row[0] for row in connection.execute(statement("stored_records"), {"source": source})]
    return len(ids), sum(id_ not in outline.records for id_ in ids)
