"""Leases: a range of text hashes (a bucket) of a space is worked on by one process at a time.

A lease is a session advisory lock, so a process that dies frees it at once. Identical texts share a bucket,
so two sources that share a text never pay for it twice, even at the same time.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg

from bootstrap_assets.database.connection import Connection, Database, backend, connect, trying_again
from bootstrap_assets.database.schema import POOLED
from bootstrap_assets.errors import BootstrapError, ConfigurationError
from bootstrap_assets.stopping import Stop

_CLASS = 0x6261 << 16  # "ba": the upper half of the lock's first key; the space's id is the lower
_EVERY = 0.1  # seconds between two attempts at a lease that another process has


class Leases:
    """The leases this process holds in one space. Acquired and released by one thread, read by several.

    When the connection breaks, all are lost. They are taken again on a new one, unless another process was
    quicker, so that none begins with what is in flight. But they are not held: on a host that was cut off it may
    be a minute later, and another process may have had them meanwhile and done what was read under them. Only what
    is in flight at that moment can be paid for twice: `holds` says so just before a request is sent.
    """

    def __init__(self, url: str, space_id: int) -> None:
        self._url = url
        self._key = _CLASS | space_id
        self._ours: set[int] = set()
        self._taken_again: set[int] = set()
        self._to_retake: set[int] = set()
        self._lock = threading.RLock()
        self._connection = connect(url, autocommit=True)
        self._backend = backend(self._connection)

    def acquire(self, buckets: Sequence[int]) -> list[int]:
        """Take the leases of buckets; returns those it got, without those another process has."""
        with self._lock:
            new = self._again(self._try, buckets)
            self._ours.update(new)
            return new

    def release(self, buckets: Sequence[int]) -> None:
        """Give the leases of buckets back."""
        with self._lock:
            self._ours.difference_update(buckets)
            self._taken_again.difference_update(buckets)
            self._to_retake.difference_update(buckets)
            self._again(self._unlock, buckets)

    def holds(self, buckets: Collection[int]) -> bool:
        """Whether all these leases were held ever since they were acquired; asks the server, since a broken
        connection does not show.
        """
        with self._lock:
            self._again(self._ping, [])
            return self._ours.issuperset(buckets)

    def wait(self, bucket: int, stop: Stop) -> None:
        """Wait until no other process has the lease of a bucket, or `stop` is set. Hold no lease meanwhile."""
        while not self.acquire([bucket]):
            if stop.wait(_EVERY):
                return
        self.release([bucket])

    def close(self) -> None:
        """Give all leases back."""
        self._connection.close()

    def _try(self, buckets: Sequence[int]) -> list[int]:
        query = "SELECT b FROM unnest(%s::int[]) AS b WHERE pg_try_advisory_lock(%s, b)"
        return [row[0] for row in self._connection.execute(query, (list(buckets), self._key))]

    def _unlock(self, buckets: Sequence[int]) -> list[int]:
        query = "SELECT b FROM unnest(%s::int[]) AS b WHERE pg_advisory_unlock(%s, b)"
        return [row[0] for row in self._connection.execute(query, (list(buckets), self._key))]

    def _ping(self, _buckets: Sequence[int]) -> list[int]:
        if backend(self._connection) != self._backend:
            raise ConfigurationError(POOLED)  # the locks stayed with another process of the server
        return []

    def _again(self, ask: Callable[[Sequence[int]], list[int]], buckets: Sequence[int]) -> list[int]:
        return trying_again(lambda _state: self._reconnect())(ask, buckets)

    def _reconnect(self) -> None:
        self._connection.close()
        self._to_retake |= self._ours | self._taken_again
        self._ours, self._taken_again = set(), set()
        with suppress(psycopg.Error, BootstrapError):
            connection = connect(self._url, autocommit=True)
            try:
                self._backend = backend(connection)
                self._connection = connection
                self._taken_again, self._to_retake = set(self._try(list(self._to_retake))), set()
            except BaseException:
                connection.close()  # with whatever it had taken: the next attempt starts over
                raise


def count(connection: Connection) -> int:
    """How many leases all processes hold."""
    query = """
        SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database AND datname = current_database()
        WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid::bigint >> 16 = %s"""
    [leases] = connection.execute(query, (_CLASS >> 16,)).fetchone() or (0,)
    return int(leases)


@contextmanager
def leasing(database: Database, space_id: int) -> Iterator[Leases]:
    """Leases on a connection of their own, which frees them all when it is closed."""
    leases = Leases(database.url, space_id)
    try:
        yield leases
    finally:
        leases.close()
