"""Leases: a batch of a space is worked on by one process at a time.

A lease is a session advisory lock, so a process that dies frees it at once. Identical texts share a batch,
so two sources that share a text never pay for it twice, even at the same time.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bootstrap_assets.store.database import Connection, Database, connect

_CLASS = 0x6261 << 16  # "ba": the upper half of the lock's first key; the space's id is the lower


class Leases:
    """The leases this process holds in one space. Used from one thread."""

    def __init__(self, connection: Connection, space_id: int) -> None:
        self._connection = connection
        self._key = _CLASS | space_id

    def acquire(self, batches: Sequence[int]) -> list[int]:
        """Take the leases of batches; returns those it got, without those another process has."""
        query = "SELECT b FROM unnest(%s::int[]) AS b WHERE pg_try_advisory_lock(%s, b)"
        return [row[0] for row in self._connection.execute(query, (list(batches), self._key))]

    def release(self, batches: Sequence[int]) -> None:
        """Give the leases of batches back."""
        query = "SELECT pg_advisory_unlock(%s, b) FROM unnest(%s::int[]) AS b"
        self._connection.execute(query, (self._key, list(batches)))

    def wait(self, batch: int) -> None:
        """Wait until no other process has the lease of a batch. Hold no lease meanwhile."""
        self._connection.execute("SELECT pg_advisory_lock(%s, %s)", (self._key, batch))
        self.release([batch])


@contextmanager
def leasing(database: Database, space_id: int) -> Iterator[Leases]:
    """Leases on a connection of their own, which frees them all when it is closed."""
    with connect(database.url, autocommit=True) as connection:
        yield Leases(connection, space_id)
