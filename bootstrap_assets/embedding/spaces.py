"""Embedding spaces: one table of vectors per model and dimension; only the active one is searched."""

import hashlib
import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from psycopg import sql

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.locks import patiently
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding import views
from bootstrap_assets.errors import ConfigurationError, SchemaError, SpaceError, VectorError
from bootstrap_assets.settings import MAX_INDEXED, ElementType

statement = statements_of(__name__)

_SLUG = 30  # a name of PostgreSQL has 63 characters, and an index adds some to its table's

_LOCK = 0x73706163  # "spac": held while a space is made or promoted


@dataclass(frozen=True, slots=True)
class Space:
    """A model's vectors: where they lie and whether they are searched."""

    id: int
    name: str
    provider: str
    model: str
    dimensions: int
    table: str
    state: str
    element_type: str

    @property
    def key(self) -> tuple[str, str, int, str]:
        """What distinguishes it: provider, model, dimensions and element type."""
        return self.provider, self.model, self.dimensions, self.element_type

    @property
    def vectors(self) -> sql.Identifier:
        """The table, as it stands in a statement."""
        return sql.Identifier(self.table)


def find(
    connection: Connection, provider: str, model: str, dimensions: int, element_type: str | None = None
) -> Space | None:
    """The space of a model, None where it was never made. Waits for no other process.

    Where no element type is asked for: of several the one that is searched, else the one made last.
    """
    parameters = {"provider": provider, "model": model, "dimensions": dimensions, "element_type": element_type}
    return _one(connection, "find_space", parameters)


def ensure(
    connection: Connection,
    provider: str,
    model: str,
    dimensions: int,
    *,
    element_type: ElementType | None = None,
    feedback: bool = False,
) -> Space:
    """The space of a model, made where it does not exist. VectorError where its table has other dimensions.

    `element_type`: None for that of the space if there is one, else `vector`. `feedback`: whether a query's vector
    gains from those of its best texts (see `Model`).

    Where there is nothing to make, no lock is taken that could be waited for.
    ConfigurationError for vectors that no index takes: they could be paid for, and never be searched.
    """
    space = find(connection, provider, model, dimensions, element_type)
    if space is None or not _has_table(connection, space):
        key = (provider, model, dimensions, element_type or (space.element_type if space else "vector"))
        _require_indexable(*key)
        make = partial(_make, key=key, feedback=feedback)
        space = patiently(connection, make, what=f"make the space of {provider}'s {model}")
    return space


def _require_indexable(provider: str, model: str, dimensions: int, element_type: str) -> None:
    most = MAX_INDEXED[element_type]
    if 1 <= dimensions <= most:
        return
    half = MAX_INDEXED["halfvec"]
    other = f", or store them as halfvec, of which it takes {half} (BOOTSTRAP_ELEMENT_TYPE=halfvec)"
    raise ConfigurationError(
        f"{provider}'s {model} with {dimensions} dimensions: an index takes 1 to {most} of the type "
        f"{element_type}, so they could be paid for and never be searched; ask for fewer "
        f"(BOOTSTRAP_VOYAGE_DIMENSIONS){other if most < dimensions <= half else ''}"
    )


def _make(connection: Connection, key: tuple[str, str, int, str], *, feedback: bool) -> Space:
    lock(connection)
    provider, model, dimensions, element_type = key
    space = find(connection, *key)
    if space is None:
        parameters: dict[str, object] = {
            "provider": provider,
            "model": model,
            "dimensions": dimensions,
            "element_type": element_type,
            "feedback": feedback,
            "name": f"{provider}/{model}/{dimensions}" + ("/halfvec" if element_type == "halfvec" else ""),
            "table_name": table_of(*key),
        }
        connection.execute(statement("add_space"), parameters)
        space = find(connection, *key)
        assert space is not None
        query = "SELECT WHERE to_regclass(quote_ident(current_schema()) || '.' || quote_ident(%s)) IS NOT NULL"
        if connection.execute(query, (space.table,)).rowcount:
            raise SchemaError(
                f"there is a table {space.table} that bootstrap-assets did not make: rename it; the vectors of "
                f"{model} need its name"
            )
    if not _has_table(connection, space):
        connection.execute(
            statement("create_vectors").format(
                vectors=space.vectors,
                table=sql.Literal(space.table),
                element_type=sql.Identifier(space.element_type),
                dimensions=sql.Literal(space.dimensions),
            )
        )
    return space


def table_of(provider: str, model: str, dimensions: int, element_type: str = "vector") -> str:
    """What the table of a model's vectors is called: two models never share a name."""
    half = "_half" if element_type == "halfvec" else ""
    longest = _SLUG - len(half)
    label = f"{provider}_{model}"
    slug = re.sub(r"[^a-z0-9]+", "_", label.lower())
    if len(slug) > longest or not re.fullmatch(r"[a-z0-9]+_[a-z0-9]+(-[a-z0-9]+)*", label):
        # Cut, or with characters that became others: another model may come to the same.
        slug = f"{slug[: longest - 9]}_{hashlib.sha256(label.encode()).hexdigest()[:8]}"
    return f"reference_vectors_{slug}_{dimensions}{half}"


def lock(connection: Connection) -> None:
    """Let nobody else make or promote a space until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))


def refill(connection: Connection, space: Space) -> None:
    """Record that a retired space is being filled again."""
    connection.execute(statement("refill_space"), {"id": space.id})


def active(connection: Connection) -> Space | None:
    """The space that is searched, None before the first was promoted."""
    return _one(connection, "active_space", {})


def building(connection: Connection) -> Space | None:
    """The space made last of those that are built or ready beside the one that is searched."""
    return _one(connection, "building_space", {})


def numbered(connection: Connection, number: int) -> Space:
    """The space of that number; SpaceError where there is none."""
    space = _one(connection, "numbered_space", {"id": number})
    if space is None:
        raise SpaceError(f"there is no space {number}: `bootstrap spaces list` lists those there are")
    return space


def previous(connection: Connection) -> Space | None:
    """The space that was searched before the active one, None where there was none or it was dropped."""
    return _one(connection, "previous_space", {})


def every(connection: Connection) -> list[Space]:
    """All spaces but dropped ones, the oldest first."""
    return [Space(*row) for row in connection.execute(statement("every_space"))]


def hold_active(connection: Connection) -> Space | None:
    """The active space, which stays active until this transaction ends."""
    hold(connection, sql.Identifier("reference_vectors"))
    return active(connection)


def hold(connection: Connection, vectors: sql.Identifier) -> None:
    """Keep a table or view of vectors as it is until this transaction ends."""
    connection.execute(statement("hold_vectors").format(vectors=vectors))


def settle(connection: Connection, space: Space, *, ready: bool) -> None:
    """Record whether a space that is neither active nor retired is ready to be searched."""
    connection.execute(statement("settle_space"), {"id": space.id, "ready": ready})


def quality(connection: Connection, space: Space) -> dict[str, Any]:
    """The figures of a space's last evaluation; empty before the first."""
    row = connection.execute(statement("space_quality"), {"id": space.id}).fetchone()
    return dict(row[0]) if row else {}


def drop(connection: Connection, number: int) -> Space:
    """Drop a space's vectors and dead letters; the ledger keeps what they cost. SpaceError where it is searched.

    Waits for writers of `reference_texts`: call it through `patiently`.
    """
    lock(connection)
    space = numbered(connection, number)
    if space.state == "active":
        raise SpaceError(f"space {space.id} ({space.name}) is the one that is searched: promote another one first")
    connection.execute(statement("drop_space").format(vectors=space.vectors, id=sql.Literal(space.id)))
    return space


def with_vectors(connection: Connection) -> list[Space]:
    """The spaces that hold vectors: the active one, those being built, the retired ones; each newest first."""
    spaces = [Space(*row) for row in connection.execute(statement("known_spaces"))]
    return [space for space in spaces if _holds_any(connection, space)]


def newest(connection: Connection) -> Space | None:
    """The active space, else the one made last."""
    return _one(connection, "newest_space", {})


def count(connection: Connection, space: Space) -> int:
    """Number of vectors in a space."""
    row = connection.execute(statement("count_vectors").format(vectors=space.vectors)).fetchone()
    return int(row[0]) if row else 0


def uncovered(connection: Connection, space: Space) -> int:
    """Number of records, of all sources, whose text has no vector in a space and is no dead letter there."""
    query = statement("count_uncovered").format(vectors=space.vectors)
    row = connection.execute(query, {"space": space.id}).fetchone()
    return int(row[0]) if row else 0


def statistics(connection: Connection, space: Space) -> bytes | None:
    """What the space's embedder learnt from the corpus for its queries; None where it learns nothing."""
    row = connection.execute(statement("fitted"), {"id": space.id}).fetchone()
    return bytes(row[0]) if row and row[0] is not None else None


def is_fitted(connection: Connection, space: Space) -> bool:
    """Whether the space's embedder learnt from the corpus as it is now."""
    row = connection.execute(statement("is_fitted"), {"id": space.id}).fetchone()
    return bool(row and row[0])


def fit(connection: Connection, space: Space, statistics: bytes, of: str) -> None:
    """Keep what the space's embedder learnt, and from which corpus."""
    connection.execute(statement("fit"), {"id": space.id, "fitted": statistics, "of": of})


def some_texts(connection: Connection, limit: int) -> tuple[str, list[str]]:
    """At most `limit` texts of the corpus, as good as random yet the same each time; no whole documents.

    They come after the version of the corpus that they were read from.
    """
    row = connection.execute(statement("some_texts"), {"limit": limit}).fetchone()
    return (str(row[0]), list(row[1])) if row else ("", [])


def promote(connection: Connection, space: Space) -> None:
    """Make a space the one that is searched, in one transaction: readers see the old or the new, never none.

    Replaces the views, which waits for their readers: call it through `patiently`. SpaceError where somebody
    else's views are in the way.
    """
    lock(connection)
    connection.execute(statement("retire_others"), {"id": space.id})
    connection.execute(statement("activate_space"), {"id": space.id})
    views.replace(connection, space.vectors, space.element_type)


def _holds_any(connection: Connection, space: Space) -> bool:
    row = connection.execute(statement("holds_vectors").format(vectors=space.vectors)).fetchone()
    return bool(row and row[0])


def _one(connection: Connection, name: str, parameters: dict[str, object]) -> Space | None:
    row = connection.execute(statement(name), parameters).fetchone()
    return Space(*row) if row else None


def _has_table(connection: Connection, space: Space) -> bool:
    row = connection.execute(statement("column_dimensions"), {"table": space.table}).fetchone()
    if row and row[0] != space.dimensions:
        raise VectorError(
            f"the model {space.model} gives {space.dimensions} dimensions, but the table {space.table} of its "
            f"embedding space holds vectors of {row[0]}"
        )
    return row is not None
