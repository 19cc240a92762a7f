"""Which space is searched: what each of them lacks for it, and the decision that it is this one.

A run builds a space and says that it is ready. That it is searched is decided by a person, or by a job of theirs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bootstrap_assets.corpus import load as corpus
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Connection, connect, existing_database_url
from bootstrap_assets.database.locks import PATIENCE, patiently
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.completeness import coverage_version
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.errors import SpaceError
from bootstrap_assets.search.index import index_state, is_indexed
from bootstrap_assets.settings import Settings
from bootstrap_assets.stopping import Stop


@dataclass(frozen=True, slots=True)
class Standing:
    """A space and how it stands: its vectors, the records that lack one, whether its index is valid, its figures.

    `state`: building, ready (complete and indexed), active (searched) or retired (was searched).
    """

    id: int
    provider: str
    model: str
    dimensions: int
    element_type: str
    state: str
    vectors: int
    missing: int
    indexed: bool
    quality: dict[str, Any]


def standing(connection: Connection, space: Space) -> Standing:
    """How a space stands now. What was ready and lacks something since then is being built."""
    state = index_state(connection, space)
    stale = space.state == "ready" and (state.uncovered or not state.valid)
    return Standing(
        id=space.id,
        provider=space.provider,
        model=space.model,
        dimensions=space.dimensions,
        element_type=space.element_type,
        state="building" if stale else space.state,
        vectors=state.vectors,
        missing=state.uncovered,
        indexed=state.valid,
        quality=spaces.quality(connection, space),
    )


def standings(connection: Connection) -> list[Standing]:
    """How all spaces stand, the oldest first."""
    return [standing(connection, space) for space in spaces.every(connection)]


@contextmanager
def deciding(settings: Settings) -> Iterator[Connection]:
    """A connection to decide on: each attempt at it is a transaction of its own."""
    with connect(existing_database_url(settings), autocommit=True) as connection:
        schema.require_current(connection)
        yield connection


def promote(connection: Connection, number: int, *, stop: Stop | None = None, patience: float = PATIENCE) -> Space:
    """Make a space the one that is searched; SpaceError where it lacks vectors or its index.

    In one short transaction, for which readers of the views have to be done: tried again for `patience` seconds,
    then DatabaseBusy. Nobody waits for it longer than `locks.LOCK_SECONDS`.
    """
    return _switch(connection, lambda one: spaces.numbered(one, number), stop=stop, patience=patience)


def rollback(connection: Connection, *, stop: Stop | None = None, patience: float = PATIENCE) -> Space:
    """Make the space that was searched before the active one searched again, as `promote` does."""
    return _switch(connection, _previous, stop=stop, patience=patience)


def drop(connection: Connection, number: int, *, stop: Stop | None = None) -> Space:
    """Drop a space that is not searched, with its vectors; SpaceError where it is."""
    return patiently(connection, lambda one: spaces.drop(one, number), what=f"drop space {number}", stop=stop)


def _previous(connection: Connection) -> Space:
    space = spaces.previous(connection)
    if space is None:
        raise SpaceError("there is no space to go back to: no other one was searched before, or it was dropped")
    return space


def _switch(
    connection: Connection, choose: Callable[[Connection], Space], *, stop: Stop | None, patience: float
) -> Space:
    space = choose(connection)
    version = coverage_version(connection, space)
    require_complete(connection, space)  # what is refused keeps nobody waiting

    def switch(connection: Connection) -> Space:
        corpus.lock_merges(connection)  # a load that is at work may bring records that are not covered
        spaces.lock(connection)
        current = choose(connection)
        # Counting goes over the whole corpus, and loads wait: not again where nothing changed since.
        is_counted = current.id == space.id and coverage_version(connection, current) == version
        if not is_counted or not is_indexed(connection, current):
            require_complete(connection, current)
        if current.state != "active":
            spaces.promote(connection, current)
        return current

    what = f"make {space.name} the space that is searched"
    return patiently(connection, switch, what=what, stop=stop, patience=patience)


def require_complete(connection: Connection, space: Space) -> None:
    """SpaceError, which says what is missing, where a space does not cover the corpus or has no valid index."""
    state = index_state(connection, space)
    gaps = [f"{state.uncovered:,} records have no vector in it"] if state.uncovered else []
    gaps += [] if state.valid else ["its index is not valid" if state.exists else "it has no index"]
    if gaps:
        stale = " is stale and" if space.state == "retired" else ""
        raise SpaceError(
            f"space {space.id} ({space.name}){stale} cannot be searched: {' and '.join(gaps)}; "
            f"`{build_command(space)}` completes it"
        )


def build_command(space: Space) -> str:
    """The command that fills a space."""
    more = f" --model {space.model} --dimensions {space.dimensions}" if space.provider == "voyage" else ""
    return f"bootstrap spaces build --provider {space.provider}{more}"
