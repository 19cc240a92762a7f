"""The index of a space: built after the load, replaced without a moment without one.

Parameters and the recipe (load first, index after; memory for the whole graph; parallel workers) are pgvector's
own, from its README.
"""

import time
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from bootstrap_assets.corpus import settlement
from bootstrap_assets.database.connection import Connection, Database, advisory_lock, connect
from bootstrap_assets.database.locks import patiently
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.errors import SchemaError
from bootstrap_assets.search import postings
from bootstrap_assets.stopping import Stop

statement = statements_of(__name__)

M = 16
EF_CONSTRUCTION = 64
REBUILD_GROWTH = 0.5
"""Share of vectors added since the build above which the graph is built anew rather than grown row by row."""

BYTES = {"vector": 4, "halfvec": 2}
"""Of a value, by element type."""

PARALLEL_WORKERS = 2
MIN_BUILD_MEMORY_MB = 64
MAX_BUILD_MEMORY_MB = 4096


@dataclass(frozen=True, slots=True)
class Indexed:
    """What the index stage did: `built` or `kept`, over how many vectors, in how many seconds.

    `number`: that of the space. `ready`: it is complete and indexed, and another one is searched.
    """

    action: str
    vectors: int
    seconds: float
    space: str
    promoted: bool
    uncovered: int
    number: int
    ready: bool


def build(database: Database, space: Space, *, rebuild: bool = False, stop: Stop | None = None) -> Indexed:
    """Make the space's index right, and say whether the space is ready to be searched.

    The first space ever is promoted as it is: there is nothing better to search. Another one takes the place of
    that which is searched only by a decision (search/promotion.py). Promoting waits until nobody reads the views;
    `stop` ends that.
    """
    started = time.monotonic()
    settlement.settle(database)
    with connect(database.url, autocommit=True) as connection:
        advisory_lock(connection, _LOCK)
        _build_text_indexes(connection)
        postings.build(database)
        connection.execute("ANALYZE reference_lexemes, reference_records (tenant_id)")  # else few seem visible
        space = spaces.find(connection, *space.key) or space  # active by now?
        vectors = spaces.count(connection, space)
        is_new = _build_vector_index(connection, space, vectors, rebuild=rebuild)
        promoted = spaces.active(connection) is None and _promote_first(connection, space, stop=stop)
        uncovered = spaces.uncovered(connection, space)
        spaces.settle(connection, space, ready=not uncovered)
        space = spaces.numbered(connection, space.id)
    return Indexed(
        action="built" if is_new else "kept",
        vectors=vectors,
        seconds=time.monotonic() - started,
        space=space.name,
        promoted=promoted,
        uncovered=uncovered,
        number=space.id,
        ready=space.state == "ready",
    )


_LOCK = 0x696E6478  # "indx": one builder at a time


def state(connection: Connection) -> dict[str, bool]:
    """Whether the searched space (or the newest) has an index, and whether it is valid."""
    space = spaces.newest(connection)
    indexes = _indexes(connection, space) if space else []
    return {"exists": bool(indexes), "valid": bool(indexes and indexes[0].valid)}


@dataclass(frozen=True, slots=True)
class _Index:
    name: str
    valid: bool
    options: tuple[str, ...]

    @property
    def is_up_to_date(self) -> bool:
        return self.valid and set(self.options) == {f"m={M}", f"ef_construction={EF_CONSTRUCTION}"}


def _indexes(connection: Connection, space: Space) -> list[_Index]:
    rows = connection.execute(statement("find_index"), {"table": space.table}).fetchall()
    return [_Index(name, valid, tuple(options or ())) for name, valid, options in rows]


def _promote_first(connection: Connection, space: Space, *, stop: Stop | None) -> bool:
    """Promote the space unless another one was meanwhile."""

    def promote(connection: Connection) -> bool:
        spaces.lock(connection)
        is_first = spaces.active(connection) is None
        if is_first:
            spaces.promote(connection, space)
        return is_first

    return patiently(connection, promote, what=f"make {space.name} the space that is searched", stop=stop)


def _build_text_indexes(connection: Connection) -> None:
    for table, column in (("reference_texts", "content_tsv"), ("reference_records", "label_tsv")):
        name = f"{table}_{column}"
        row = connection.execute(statement("text_index"), {"name": name}).fetchone()
        if row and row[0]:
            continue
        if row:  # an interrupted CONCURRENTLY leaves an invalid index
            connection.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(name)))
        names = {"name": name, "table": table, "column": column}
        connection.execute(
            statement("create_text_index").format(**{key: sql.Identifier(value) for key, value in names.items()})
        )


def _build_vector_index(connection: Connection, space: Space, vectors: int, *, rebuild: bool) -> bool:
    indexes = _indexes(connection, space)
    current = next((index for index in indexes if index.is_up_to_date), None)
    if current and not rebuild and vectors <= _built_over(connection, space) * (1 + REBUILD_GROWTH):
        _drop(connection, [index for index in indexes if index is not current])
        return False
    _drop(connection, [index for index in indexes if not index.valid])
    name = _free_name(space, {index.name for index in indexes if index.valid})
    _create(connection, space, name, vectors, concurrently=bool(indexes) or space.state == "active")
    _drop(connection, [index for index in indexes if index.valid])
    parameters = {"m": M, "ef_construction": EF_CONSTRUCTION, "operator": "cosine", "vectors": vectors}
    connection.execute(statement("remember_index"), {"id": space.id, "parameters": Jsonb(parameters)})
    return True


def is_up_to_date(connection: Connection, space: Space) -> bool:
    """Whether `build` would keep the space's index as it is."""
    indexes, vectors = _indexes(connection, space), spaces.count(connection, space)
    is_one = len(indexes) == 1 and indexes[0].is_up_to_date
    return is_one and vectors <= _built_over(connection, space) * (1 + REBUILD_GROWTH)


def _built_over(connection: Connection, space: Space) -> int:
    row = connection.execute(statement("index_parameters"), {"id": space.id}).fetchone()
    parameters: dict[str, Any] = row[0] if row else {}
    return int(parameters.get("vectors", 0))


def _free_name(space: Space, names: set[str]) -> str:
    return next(name for number in count(1) if (name := f"{space.table}_hnsw{number}") not in names)


def _drop(connection: Connection, indexes: list[_Index]) -> None:
    for index in indexes:
        query = sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}")
        connection.execute(query.format(sql.Identifier(index.name)))


def _create(connection: Connection, space: Space, name: str, vectors: int, *, concurrently: bool) -> None:
    command = statement("create_index").format(
        concurrently=sql.SQL("CONCURRENTLY" if concurrently else ""),
        name=sql.Identifier(name),
        vectors=space.vectors,
        operators=sql.Identifier(f"{space.element_type}_cosine_ops"),
        m=sql.Literal(M),
        ef_construction=sql.Literal(EF_CONSTRUCTION),
    )
    for workers in (PARALLEL_WORKERS, 0):
        _prepare(connection, build_memory_mb(vectors, space.dimensions, BYTES[space.element_type]), workers)
        try:
            connection.execute(command)
        except (
            psycopg.errors.DiskFull
        ):  # a small /dev/shm, as containers have: parallel workers share memory there
            connection.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(name)))
            if workers == 0:
                raise
            continue
        break
    if not any(index.name == name and index.valid for index in _indexes(connection, space)):
        raise SchemaError(f"PostgreSQL left the index {name} invalid: drop it and run again")


def _prepare(connection: Connection, memory_mb: int, workers: int) -> None:
    settings = {
        "maintenance_work_mem": f"{memory_mb}MB",
        "max_parallel_maintenance_workers": str(workers),
        "min_parallel_table_scan_size": "0",
    }
    for name, value in settings.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))


def build_memory_mb(vectors: int, dimensions: int, value_bytes: int = 4) -> int:
    """Megabytes for a graph to be built in memory: per vector its values, its neighbours and some overhead."""
    per_vector = value_bytes * dimensions + M * 2 * 16 + 256
    megabytes = vectors * per_vector * 5 // 4 // 1_000_000
    return max(MIN_BUILD_MEMORY_MB, min(MAX_BUILD_MEMORY_MB, megabytes))


def is_indexed(connection: Connection, space: Space) -> bool:
    """Whether a space has a valid index."""
    return any(index.valid for index in _indexes(connection, space))


@dataclass(frozen=True, slots=True)
class IndexState:
    """Whether a space's index exists and is valid, its vectors, and the records that it does not cover."""

    exists: bool
    valid: bool
    vectors: int
    uncovered: int


def index_state(connection: Connection, space: Space) -> IndexState:
    """The state of a space's index."""
    rows = connection.execute(statement("find_index"), {"table": space.table}).fetchall()
    return IndexState(
        exists=bool(rows),
        valid=any(valid for _, valid, _ in rows),
        vectors=spaces.count(connection, space),
        uncovered=spaces.uncovered(connection, space),
    )
