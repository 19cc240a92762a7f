"""Leases: a range of text hashes (a bucket) of a space is worked on by one process at a time.

A lease is a session advisory lock, so a process that dies frees it at once. Identical texts share a bucket,
so two sources that share a text never pay for it twice, even at the same time.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bootstrap_assets.store.database import Connection, Database, advisory_lock, connect

_CLASS = 0x6261 << 16  # "ba": the upper half of the lock's first key; the space's id is the lower


class Leases:
    """The leases this process holds in one space. Used from one thread."""

    def __init__(self, connection: Connection, space_id: int) -> None:
        self._connection = connection
        self._key = _CLASS | space_id

    def acquire(self, buckets: Sequence[int]) -> list[int]:
        """Take the leases of buckets; returns those it got, without those another process has."""
        query = "SELECT b FROM unnest(%s::int[]) AS b WHERE pg_try_advisory_lock(%s, b)"
        return [row[0] for row in self._connection.execute(query, (list(buckets), self._key))]

    def release(self, buckets: Sequence[int]) -> None:
        """Give the leases of buckets back."""
        query = "SELECT pg_advisory_unlock(%s, b) FROM unnest(%s::int[]) AS b"
        self._connection.execute(query, (self._key, list(buckets)))

    def wait(self, bucket: int) -> None:
        """Wait until no other process has the lease of a bucket. Hold no lease meanwhile."""
        advisory_lock(self._connection, self._key, bucket)
        self.release([bucket])


@contextmanager
def leasing(database: Database, space_id: int) -> Iterator[Leases]:
    """Leases on a connection of their own, which frees them all when it is closed."""
    with connect(database.url, autocommit=True) as connection:
        yield Leases(connection, space_id)
