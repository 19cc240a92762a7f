"""Who works on a job: one process at a time, by session advisory locks, which a dead one frees at once.

As many locks as may be at work are the places; a job is worked on with one of them held, and that of its
repository.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg.types.json import Jsonb

from bootstrap_assets.database.connection import Connection, Database, connect
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import BootstrapError, explain
from bootstrap_assets.operations.progress import owner
from bootstrap_assets.stopping import Stop
from bootstrap_assets.texts.content import clean_text

statement = statements_of(__name__)

PLACES = 0x7265706C  # "repl": with its number, a place to work at
LOCKS = 0x7265706F  # "repo": with the hash of its name, a repository

_WAIT = 0.2  # seconds between two looks for a free place, or a free job
_LOOK = 0.5  # seconds between two looks whether a job is still wanted


@dataclass(frozen=True, slots=True)
class Job:
    """A commit (`revision`; empty: that of `ref`) of a repository, which this process indexes."""

    id: int
    repository: str
    address: str
    ref: str
    revision: str
    tenant: str | None
    correlation_id: str
    attempts: int


class Worker:
    """Takes jobs, one at a time. Used by one thread; its heartbeats come from another.

    `limit` is how many jobs may be worked on at once over all processes; `drain_seconds`, how long the one at work
    may go on when all is to stop.
    """

    def __init__(self, database: Database, *, limit: int, run_id: str, drain_seconds: float, stop: Stop) -> None:
        self._database = database
        self._limit = limit
        self._drain_seconds = drain_seconds
        self._stop = stop
        self._locks = connect(database.url, autocommit=True)
        self._place = -1
        self.owner = f"{owner()}:{run_id[:8]}"

    def close(self) -> None:
        """Give back whatever is held."""
        self._locks.close()

    def claim(self, names: Sequence[str] | None = None) -> Job | None:
        """A job of these repositories (None: of all) that waits and no other process has; None: none is left.

        Waits for a place, and for a job that is to be tried later or is another process', until it is to stop.
        """
        while not self._stop.is_set():
            waiting = self._open_jobs(names)
            if not waiting:
                return None
            if self._takes_a_place():
                for number, repository, seconds in waiting:
                    job = self._take(number, repository) if not seconds else None
                    if job:
                        return job
                self._leave_the_place()
            self._stop.wait(_WAIT)
        return None

    def _open_jobs(self, names: Sequence[str] | None) -> list[tuple[int, str, float]]:
        parameters = {"names": None if names is None else list(names)}
        return self._locks.execute(statement("open_jobs"), parameters).fetchall()

    def _takes_a_place(self) -> bool:
        for place in range(self._limit):
            if self._asks("SELECT pg_try_advisory_lock(%s, %s)", PLACES, place):
                self._place = place
                return True
        return False

    def _leave_the_place(self) -> None:
        self._asks("SELECT pg_advisory_unlock(%s, %s)", PLACES, self._place)

    def _take(self, number: int, repository: str) -> Job | None:
        if not self._asks("SELECT pg_try_advisory_lock(%s, hashtext(%s))", LOCKS, repository):
            return None
        row = self._locks.execute(statement("begin_job"), {"job": number, "owner": self.owner}).fetchone()
        if row:
            return Job(*row)
        self._asks("SELECT pg_advisory_unlock(%s, hashtext(%s))", LOCKS, repository)
        return None

    def _asks(self, query: str, *values: object) -> bool:
        row = self._locks.execute(query.encode(), values).fetchone()
        return bool(row and row[0])

    def release(self, job: Job) -> None:
        """Work on it no longer."""
        self._asks("SELECT pg_advisory_unlock(%s, hashtext(%s))", LOCKS, job.repository)
        self._leave_the_place()

    def begin_stage(self, job: Job, stage: str, seconds: Mapping[str, float]) -> None:
        """Say which stage begins, and how long the others took."""
        parameters = {"job": job.id, "owner": self.owner, "stage": stage, "seconds": _rounded(seconds)}
        with self._database.connection() as connection:
            connection.execute(statement("put_stage"), parameters)

    def holds(self, connection: Connection, job: Job) -> bool:
        """Whether a job is this process' still; to the end of the transaction it stays so."""
        parameters = {"job": job.id, "owner": self.owner}
        return connection.execute(statement("hold_job"), parameters).fetchone() is not None

    def end(
        self,
        connection: Connection,
        job: Job,
        *,
        commit: str,
        seconds: Mapping[str, float],
        counts: Mapping[str, int],
        reason: str | None,
    ) -> None:
        """A job is done; one with findings is completed with them."""
        status = "completed_with_findings" if counts["findings"] else "completed"
        parameters = {"job": job.id, "owner": self.owner, "status": status, "commit": commit, "reason": reason}
        connection.execute(statement("end_job"), {**parameters, "seconds": _rounded(seconds), **counts})

    def fail(self, connection: Connection, job: Job, error: BaseException, seconds: Mapping[str, float]) -> None:
        """A job failed for good: its row is the dead letter."""
        parameters = {"job": job.id, "owner": self.owner, "seconds": _rounded(seconds)}
        connection.execute(statement("fail_job"), {**parameters, **_of(error)})

    def put_back(
        self, connection: Connection, job: Job, error: BaseException | None = None, delay: float = 0.0
    ) -> None:
        """A job begins anew, `delay` seconds from now; without an error the attempt does not count."""
        about = _of(error) if error else {"class": None, "reason": None}
        parameters = {"job": job.id, "owner": self.owner, "delay": delay, "free": int(error is None)}
        connection.execute(statement("put_job_back"), {**parameters, **about})

    @contextmanager
    def watching(self, job: Job) -> Iterator[Stop]:
        """Gives signs of life; the stop is set where nobody wants the job any more, or draining took too long."""
        stop, end = Stop(), threading.Event()

        def look() -> None:
            until: float | None = None
            while not end.wait(_LOOK):
                if self._stop.is_set() and until is None:
                    until = time.monotonic() + self._drain_seconds - _LOOK
                if (until is not None and time.monotonic() > until) or not self._is_wanted(job):
                    stop.set()

        thread = threading.Thread(target=look, name=f"heartbeat of job {job.id}", daemon=True)
        thread.start()
        try:
            yield stop
        finally:
            end.set()
            thread.join(10)

    def _is_wanted(self, job: Job) -> bool:
        with suppress(psycopg.Error, BootstrapError), self._database.connection() as connection:
            row = connection.execute(statement("beat_job"), {"job": job.id, "owner": self.owner}).fetchone()
            return row is not None
        return True  # who cannot ask goes on


def _of(error: BaseException) -> dict[str, str]:
    return {"class": type(error).__name__, "reason": clean_text(explain(error))}


def _rounded(seconds: Mapping[str, float]) -> Jsonb:
    return Jsonb({name: round(value, 3) for name, value in seconds.items()})


@contextmanager
def working(database: Database, *, limit: int, run_id: str, drain_seconds: float, stop: Stop) -> Iterator[Worker]:
    """A worker, for as long as the block lasts."""
    worker = Worker(database, limit=limit, run_id=run_id, drain_seconds=drain_seconds, stop=stop)
    try:
        yield worker
    finally:
        worker.close()
