"""Who works on a document: one process at a time, by a session advisory lock, which a dead one frees at once."""

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

import psycopg

from bootstrap_assets.database.connection import Connection, Database, connect
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.documents.steps import Step
from bootstrap_assets.errors import BootstrapError, explain
from bootstrap_assets.operations.progress import owner
from bootstrap_assets.stopping import Stop
from bootstrap_assets.texts.content import clean_text

statement = statements_of(__name__)

LOCKS = 0x646F6373  # "docs": the first key of the locks

_LOOKS = (20, 2_000)  # waiting documents that are looked at for those that are free, beside those that are wanted
_WAIT = 0.2  # seconds between two looks, while as many are at work as may be


@dataclass(frozen=True, slots=True)
class Claim:
    """A document that this process works on, in one stage."""

    document_id: UUID
    tenant: str
    name: str
    version: bytes
    bytes: int


class Worker:
    """The documents that this process works on. Used by one thread; its heartbeats come from another.

    `limit` is how many documents may be worked on at once, of all tenants and over all processes.
    """

    def __init__(self, database: Database, *, limit: int, run_id: str, every: float, stop: Stop) -> None:
        self._database = database
        self._limit = limit
        self._stop = stop
        self._every = every
        self._locks = connect(database.url, autocommit=True)
        self._claims: dict[UUID, Claim] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat of documents", daemon=True)
        self.owner = f"{owner()}:{run_id[:8]}"
        self._thread.start()

    @property
    def claims(self) -> list[Claim]:
        """The documents that it works on now."""
        return list(self._claims.values())

    def close(self) -> None:
        """Give every document back."""
        self._ended.set()
        self._thread.join(10)
        self._locks.close()

    def claim(self, tenant: str, step: Step, *, most: int = 1, most_bytes: float = math.inf) -> list[Claim]:
        """Some documents of a tenant that wait for a step, and no other process has; none: there is none left.

        None is added to files that have `most_bytes` together already. Waits while as many are at work as may be,
        or until it is to stop.
        """
        while not self._stop.is_set():
            room = self._room(tenant)
            if room > 0:
                looks = (self._take(tenant, step, min(most, room), most_bytes, look) for look in _LOOKS)
                return next(filter(None, looks), [])
            self._stop.wait(_WAIT)
        return []

    def _room(self, tenant: str) -> int:
        row = self._locks.execute(statement("at_work"), {"tenant": tenant, "class": LOCKS}).fetchone()
        of_all, of_tenant, most = row or (0, 0, None)
        room: int = self._limit - of_all
        return room if most is None else min(room, most - of_tenant)

    def _take(self, tenant: str, step: Step, most: int, most_bytes: float, look: int) -> list[Claim]:
        parameters = {"tenant": tenant, "stages": step.takes, "held": list(self._claims), "limit": most + look}
        claims: list[Claim] = []
        for [document] in self._locks.execute(statement("waiting_documents"), parameters).fetchall():
            if len(claims) == most or sum(claim.bytes for claim in claims) >= most_bytes:
                break
            claim = self._lock(document, step)
            claims += [claim] if claim else []
        return claims

    def _lock(self, document: UUID, step: Step) -> Claim | None:
        if not self._asks("SELECT pg_try_advisory_lock(%s, document_lock(%s))", document):
            return None
        parameters = {"document": document, "stage": step.doing, "stages": step.takes, "owner": self.owner}
        row = self._locks.execute(statement("begin_stage"), parameters).fetchone()
        if row is None:  # another process did it a moment ago
            self._asks("SELECT pg_advisory_unlock(%s, document_lock(%s))", document)
            return None
        self._claims[document] = Claim(*row)
        return self._claims[document]

    def _asks(self, query: str, document: UUID) -> bool:
        row = self._locks.execute(query.encode(), (LOCKS, document)).fetchone()
        return bool(row and row[0])

    def release(self, claims: Sequence[Claim]) -> None:
        """Work on these no longer."""
        for claim in claims:
            if self._claims.pop(claim.document_id, None):
                self._asks("SELECT pg_advisory_unlock(%s, document_lock(%s))", claim.document_id)

    def end(
        self,
        connection: Connection,
        claim: Claim,
        step: Step,
        *,
        pages: int | None = None,
        passages: int | None = None,
        connections: int | None = None,
    ) -> bool:
        """A step is done, in the transaction that wrote what it gave; False where the document has changed."""
        parameters = {
            **{"document": claim.document_id, "version": claim.version, "owner": self.owner, "stage": step.end},
            **{"pages": pages, "passages": passages, "connections": connections},
        }
        return connection.execute(statement("end_stage"), parameters).fetchone() is not None

    def fail(self, connection: Connection, claim: Claim, error: BaseException) -> None:
        """A document failed for a reason that lies in it."""
        parameters = {
            **{"document": claim.document_id, "version": claim.version, "owner": self.owner},
            "class": str(getattr(error, "reason", type(error).__name__)),
            "reason": clean_text(explain(error)),
        }
        connection.execute(statement("fail_document"), parameters)

    def put_back(self, connection: Connection, claims: Sequence[Claim], step: Step) -> None:
        """The work on these stopped before its end: another begins this step anew."""
        documents = [claim.document_id for claim in claims]
        connection.execute(
            statement("put_back"), {"documents": documents, "stage": step.waiting, "owner": self.owner}
        )

    def is_unwanted(self, claim: Claim) -> bool:
        """Whether a document was removed, cancelled or replaced while it is worked on, or the run is to stop."""
        if self._stop.is_set():
            return True
        parameters = {"document": claim.document_id, "version": claim.version, "owner": self.owner}
        with self._database.connection() as connection:
            row = connection.execute(statement("is_unwanted"), parameters).fetchone()
        return bool(row and row[0])

    def _beat(self) -> None:
        while not self._ended.wait(self._every):
            documents = list(self._claims)
            with suppress(psycopg.Error, BootstrapError), self._database.connection() as connection:
                connection.execute(statement("beat_documents"), {"documents": documents, "owner": self.owner})


@contextmanager
def working(database: Database, *, limit: int, run_id: str, every: float, stop: Stop) -> Iterator[Worker]:
    """A worker on documents, for as long as the block lasts."""
    worker = Worker(database, limit=limit, run_id=run_id, every=every, stop=stop)
    try:
        yield worker
    finally:
        worker.close()
