"""A sign of life in the database every half minute, for as long as the work goes on and no longer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from bootstrap_assets.database.connection import Database
from bootstrap_assets.errors import BootstrapError
from bootstrap_assets.operations import progress


@contextmanager
def beating(database: Database, source: str, *, every: float) -> Iterator[None]:
    """Renew the heartbeat of a source and of this process's batches every `every` seconds, in a thread.

    A database that does not answer is no reason to stop: whether the work goes on is for the work to say.
    """
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(every):
            with suppress(psycopg.Error, BootstrapError), database.connection() as connection:
                if not stop.is_set():
                    progress.beat(connection, source)

    thread = threading.Thread(target=beat, name=f"heartbeat of {source}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
