"""The outbox: events in the order they happened, and how listeners follow them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from bootstrap_assets.corpus.records import storable
from bootstrap_assets.database.connection import Connection, connect, is_pooled_by_transaction
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.operations.events import Event

statement = statements_of(__name__)

CHANNEL = "bootstrap_events"

_OVERLAP = 1_000  # ids looked at again: a transaction with a lower one may commit later


class Row(NamedTuple):
    """An event as it is stored."""

    id: int
    name: str
    payload: dict[str, Any]
    created_at: datetime


def emit(connection: Connection, event: Event) -> int:
    """Write an event in the transaction of the change it reports; returns its id."""
    parameters = {"name": event.name, "payload": Jsonb(storable(event.model_dump(), []))}
    row = connection.execute(statement("add_event"), parameters).fetchone()
    assert row
    return int(row[0])


def listing(
    connection: Connection, *, after: int = 0, names: Sequence[str] | None = None, limit: int = 1_000
) -> list[Row]:
    """The newest events with a higher id than `after`, in order."""
    parameters = {"after": after, "names": list(names) if names else None, "limit": limit}
    return [Row(*row) for row in connection.execute(statement("list_events"), parameters)]


def follow(url: str, *, after: int, names: Sequence[str] | None = None, every: float = 5.0) -> Iterator[Row]:
    """Events as they are committed, for ever; looks every `every` seconds without a notification, too.

    A proxy that pools transactions lets no notification through: there it looks at least every second.
    """
    ids: set[int] = set()
    with connect(url, autocommit=True) as connection:
        connection.prepare_threshold = None  # no proxy need keep a prepared statement for so rare a query
        if is_pooled_by_transaction(connection):
            every = min(every, 1.0)
        else:
            connection.execute(f"LISTEN {CHANNEL}")
        while True:
            newest = max(ids, default=after)
            for row in listing(connection, after=max(after, newest - _OVERLAP), names=names, limit=100_000):
                if row.id not in ids:
                    ids.add(row.id)
                    yield row
            ids = {number for number in ids if number > newest - _OVERLAP}
            for _ in connection.notifies(timeout=every, stop_after=1):
                pass
