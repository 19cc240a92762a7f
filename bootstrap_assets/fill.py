"""Fills the vectors a source lacks: leases, packing across batches, requests in flight, storing at once.

What is missing is asked of the database; whatever interrupted an earlier run, the same question gives what is
left. No provider call happens inside a transaction, and every answer is committed by itself.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from bootstrap_assets.batches import LEASE_BUCKETS, Text, batch_of, pack
from bootstrap_assets.embed.dispatch import dispatch
from bootstrap_assets.embed.protocol import Embedder, InputType
from bootstrap_assets.errors import BootstrapError, VectorError
from bootstrap_assets.store import progress, vectors
from bootstrap_assets.store.database import Database
from bootstrap_assets.store.leases import Leases, leasing
from bootstrap_assets.store.vectors import BatchPlan, Work

MARGIN = 0.9
"""Share of a provider's token limits that we fill, because we estimate tokens."""

_READ_TEXTS = 2_000
_LOCAL_WORKERS = 2  # one request is computed while the one before is stored


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A batch that is complete: how many distinct texts it holds, and how many of them were new in this run."""

    batch: int
    texts: int
    embedded: int


@dataclass(slots=True)
class Filled:
    """What the embedding stage did to a source. `seconds` of wall time, `cost` in dollars."""

    texts: int = 0
    already: int = 0
    pooled: int = 0
    tokens: int = 0
    requests: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    records: int = 0
    embedded_records: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class _Stored:
    texts: int
    tokens: int
    cost: float


class Filler:
    """One run of the embedding stage over some batches of a source."""

    def __init__(
        self,
        database: Database,
        embedder: Embedder,
        work: Work,
        *,
        workers: int,
        on_batch: Callable[[BatchDone], None],
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._work = work
        self._workers = workers if embedder.model.parallel else _LOCAL_WORKERS
        self._on_batch = on_batch
        self._outstanding: Counter[int] = Counter()  # texts read and not yet stored, by lease bucket
        self._waiting: dict[int, set[int]] = {}  # the buckets that a batch still waits for
        self._unfinished: dict[int, BatchPlan] = {}
        self._pooling: Counter[int] = Counter()
        self._filled = Filled()

    def run(self) -> Filled:
        """Embed and store whatever is missing; raises the first error once the requests in flight have ended."""
        started = time.monotonic()
        todo = self._plan()
        try:
            with leasing(self._database, self._work.space.id) as leases:
                while todo:
                    todo = self._pass(leases, todo)
                    if todo:  # another process has these: wait for one, holding nothing
                        leases.wait(next(iter(todo)))
            self._pool()
        except Exception as error:
            self._fail(error)
            raise
        self._count()
        self._filled.seconds = time.monotonic() - started
        return self._filled

    def _plan(self) -> Mapping[int, Sequence[bytes]]:
        with self._database.connection() as connection:
            plans = vectors.plan(connection, self._work)
            progress.plan_batches(connection, self._work, plans)
            progress.count_embedded(connection, self._work.space, self._work.source)
            missing = vectors.missing(connection, self._work)
            oversized = vectors.oversized(connection, self._work)
        self._pooling.update(batch_of(text.content_hash, self._work.count) for text in oversized)
        for bucket, hashes in missing.items():
            for digest in hashes:
                self._waiting.setdefault(batch_of(digest, self._work.count), set()).add(bucket)
        self._filled.already = sum(plan.texts - plan.missing for plan in plans)
        for plan in plans:
            if plan.missing:
                self._unfinished[plan.batch] = plan
            else:
                self._on_batch(BatchDone(plan.batch, plan.texts, 0))
        return missing

    def _pass(self, leases: Leases, todo: Mapping[int, Sequence[bytes]]) -> Mapping[int, Sequence[bytes]]:
        """Work on every bucket whose lease is free; returns the others."""
        busy: dict[int, Sequence[bytes]] = {}
        model = self._embedder.model
        requests = pack(
            self._read(leases, todo, busy),
            max_texts=model.request_texts,
            max_tokens=int(model.request_tokens * MARGIN),
        )
        for request, stored in dispatch(requests, self._embed_and_store, workers=self._workers):
            self._tally(stored)
            self._settle(leases, Counter(_bucket(text) for text in request))
        return busy

    def _read(
        self, leases: Leases, todo: Mapping[int, Sequence[bytes]], busy: dict[int, Sequence[bytes]]
    ) -> Iterator[Text]:
        for group in _groups(todo):
            held = leases.acquire(group)
            busy.update({bucket: todo[bucket] for bucket in group if bucket not in held})
            reading = Counter(held)  # one on top for each, until all its texts are read
            self._outstanding.update(reading)
            hashes = [digest for bucket in held for digest in todo[bucket]]
            self._enter({batch_of(digest, self._work.count) for digest in hashes}, "embedding")
            for start in range(0, len(hashes), _READ_TEXTS):
                with self._database.connection() as connection:
                    wanted = hashes[start : start + _READ_TEXTS]
                    texts = vectors.still_missing(connection, self._work.space, wanted)
                self._outstanding.update(_bucket(text) for text in texts)
                yield from texts
            self._settle(leases, reading)

    def _embed_and_store(self, request: Sequence[Text]) -> "_Stored":
        started = time.monotonic()
        answer = self._embedder.embed([text.content for text in request], InputType.DOCUMENT)
        seconds = time.monotonic() - started
        cost = self._embedder.model.cost(answer.tokens)
        space, source = self._work.space, self._work.source
        with self._database.connection() as connection:
            stored = vectors.store(connection, space, request, answer.vectors)
            vectors.record_usage(
                connection,
                space,
                source,
                texts=len(request),
                tokens=answer.tokens,
                cost=cost,
                seconds=seconds,
            )
            hashes = [text.content_hash for text in request]
            progress.advance(connection, source, hashes, self._batch(request[-1]))
        return _Stored(stored, answer.tokens, cost)

    def _tally(self, stored: "_Stored") -> None:
        self._filled.texts += stored.texts
        self._filled.tokens += stored.tokens
        self._filled.requests += 1
        self._filled.cost += stored.cost

    def _settle(self, leases: Leases, settled: Counter[int]) -> None:
        self._outstanding.subtract(settled)
        done = {bucket for bucket in settled if not self._outstanding[bucket]}
        leases.release(list(done))
        for waiting in self._waiting.values():
            waiting -= done
        ready = [batch for batch, waiting in self._waiting.items() if not waiting]
        for batch in ready:
            del self._waiting[batch]
        self._complete([batch for batch in ready if not self._pooling[batch]])

    def _pool(self) -> None:
        """Texts too long for the model get the mean of their parts, which are all there now."""
        with self._database.connection() as connection:
            oversized = vectors.oversized(connection, self._work)
        left = 0
        for text in oversized:
            with self._database.connection() as connection:
                pooled = vectors.pool(connection, self._work.space, text)
            left += not pooled
            self._filled.pooled += pooled
            self._pooling[self._batch(text)] -= pooled
        if left:
            raise VectorError(f"{left} long texts have parts without a vector")
        self._complete(list(self._unfinished))

    def _complete(self, batches: Sequence[int]) -> None:
        # A batch that is not among the unfinished only lent parts to a long text of another one.
        plans = [self._unfinished.pop(batch) for batch in batches if batch in self._unfinished]
        self._enter([plan.batch for plan in plans], "complete")
        for plan in plans:
            self._on_batch(BatchDone(plan.batch, plan.texts, plan.missing))

    def _fail(self, error: Exception) -> None:
        begun = {bucket for bucket, texts in self._outstanding.items() if texts}
        failed = {batch for batch, waiting in self._waiting.items() if waiting & begun}
        failed |= {batch for batch in self._unfinished if not self._waiting.get(batch)}  # it waited to be pooled
        with suppress(psycopg.Error, BootstrapError):  # the database may be what failed: keep the first error
            self._enter(failed & self._unfinished.keys(), "failed", error=f"{type(error).__name__}: {error}")

    def _enter(self, batches: Collection[int], stage: str, *, error: str | None = None) -> None:
        if not batches:
            return
        with self._database.connection() as connection:
            progress.enter(connection, self._work.source, sorted(batches), stage, error=error)

    def _count(self) -> None:
        with self._database.connection() as connection:
            counted = progress.count_embedded(connection, self._work.space, self._work.source)
        self._filled.records, self._filled.embedded_records, self._filled.errors = counted

    def _batch(self, text: Text) -> int:
        return batch_of(text.content_hash, self._work.count)


def _bucket(text: Text) -> int:
    return batch_of(text.content_hash, LEASE_BUCKETS)


def _groups(todo: Mapping[int, Sequence[bytes]]) -> Iterator[list[int]]:
    """Buckets that are leased and read together: no more than `_READ_TEXTS` texts, unless it is a single one."""
    group: list[int] = []
    texts = 0
    for bucket, hashes in todo.items():
        if group and texts + len(hashes) > _READ_TEXTS:
            yield group
            group, texts = [], 0
        group.append(bucket)
        texts += len(hashes)
    if group:
        yield group
