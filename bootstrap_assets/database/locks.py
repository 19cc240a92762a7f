"""Locks that others would queue behind: requested for a moment at a time, and then again.

PostgreSQL grants locks in the order in which they were requested. Whoever waits for one that excludes readers
makes every later reader wait too, for as long as the longest transaction ahead takes.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.errors import DatabaseBusy, StoppedError
from bootstrap_assets.stopping import Stop

Result = TypeVar("Result")

LOCK_SECONDS = 0.2
"""Seconds to wait for a lock, and so the longest that others queue behind it."""

PAUSE = 0.5
"""Seconds between two attempts, in which others have their turn."""

PATIENCE = 600.0
"""Seconds after which to give up."""


def patiently(
    connection: Connection,
    work: Callable[[Connection], Result],
    *,
    what: str,
    stop: Stop | None = None,
    patience: float = PATIENCE,
) -> Result:
    """Do `work` in a transaction, or a savepoint of the caller's, again and again until it gets its locks.

    DatabaseBusy, which names `what` was to be done, where it gets none in `patience` seconds; StoppedError.
    """
    stop, until = stop or Stop(), time.monotonic() + patience
    while True:
        try:
            with connection.transaction():
                before = limit_lock_waits(connection, f"{LOCK_SECONDS}s")
                result = work(connection)
                limit_lock_waits(connection, before)
            return result
        except psycopg.errors.LockNotAvailable:
            if time.monotonic() > until:
                raise DatabaseBusy(
                    f"cannot {what}: other transactions have held its locks for {patience / 60:.0f} minutes "
                    "(pg_stat_activity names them); the next run tries again"
                ) from None
        if stop.wait(PAUSE):
            raise StoppedError


def limit_lock_waits(connection: Connection, longest: str) -> str:
    """Set how long this transaction waits for a lock; returns what it was."""
    query = "SELECT current_setting('lock_timeout'), set_config('lock_timeout', %s, true)"
    row = connection.execute(query, (longest,)).fetchone()
    return str(row[0]) if row else "0"
