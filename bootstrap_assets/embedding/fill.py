"""Fills the vectors a source lacks: leases, packing across batches, requests in flight, storing at once.

The database says what is missing; whatever interrupted an earlier run, the same query gives what is left.
No provider call happens inside a transaction, and every answer is committed by itself.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial

import psycopg

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.embedding import failures, parts, stages, vectors
from bootstrap_assets.embedding.batches import LEASE_BUCKETS, Text, batch_of, groups, pack
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.deliver import Delivery, Outcome
from bootstrap_assets.embedding.dispatch import dispatch
from bootstrap_assets.embedding.leases import Leases, leasing
from bootstrap_assets.embedding.stages import BatchStored
from bootstrap_assets.embedding.vectors import BatchPlan, Work
from bootstrap_assets.errors import BootstrapError, StoppedError, TransientError

MARGIN = 0.9
"""Share of a provider's token limits that we fill, because we estimate tokens."""

_READ_TEXTS = 500
_WORKERS_OF_ONE = 2  # one request is computed while the one before is stored


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A batch that is complete: its distinct texts, how many were new in this run, how many are dead letters."""

    batch: int
    texts: int
    embedded: int
    failed: int


@dataclass(slots=True)
class Filled:
    """What the embedding stage did to a source. `seconds` of wall time, `cost` in dollars.

    `errors` counts the source's dead letters, `status` is that of bootstrap_progress.
    """

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
    status: str = "pending"


class Filler:
    """One run of the embedding stage over some batches of a source, or over chosen texts of it."""

    def __init__(self, corpus: Corpus, work: Work, *, on_batch: Callable[[BatchDone], None]) -> None:
        model = corpus.embedder.model
        self._database = corpus.database
        self._model = model
        self._work = work
        self._workers = corpus.settings.embed_workers if model.parallel else _WORKERS_OF_ONE
        self._on_batch = on_batch
        self._stop = corpus.stop.child()
        self._delivery = Delivery(
            corpus.database,
            corpus.sender(work.source, self._stop),
            work,
            retries=corpus.settings.retries,
            on_cut=self._pool_too,
        )
        self._outstanding: Counter[int] = Counter()  # texts read and not yet done with, by lease bucket
        self._left: set[int] = set()  # buckets with texts that have to be tried again
        self._waiting: dict[int, set[int]] = {}  # the buckets that a batch still waits for
        self._unfinished: dict[int, BatchPlan] = {}
        self._pooling: Counter[int] = Counter()
        self._result = Filled()

    @property
    def embedded(self) -> int:
        """Records of the source that got their vector by this run so far."""
        return self._delivery.records_stored

    def run(self) -> Filled:
        """Embed and store whatever is missing; raises the first error once the requests in flight have ended."""
        start = time.monotonic()
        try:
            self._cut()
            self._plan()
            with leasing(self._database, self._work.space.id) as leases:
                while missing := self._missing():
                    self._round(leases, missing)
            self._pool()
        except BaseException as error:
            self._stop.set()
            self._release(error)
            raise
        self._count()
        self._result.seconds = time.monotonic() - start
        return self._result

    def _cut(self) -> None:
        """Cut what does not fit the model: one text per transaction, so that a load waits for no more than one."""
        size = parts.size_for(self._work.limit)
        for digest in self._database.transact(partial(parts.uncut, work=self._work)):
            if self._stop.is_set():
                raise StoppedError
            self._database.transact(partial(parts.cut, space=self._work.space, digest=digest, size=size))

    def _plan(self) -> None:
        plans, long_texts = self._database.transact(self._read_plan)
        self._result.already = sum(plan.texts - plan.missing - plan.failed for plan in plans)
        if self._work.only is not None:
            return  # single texts: no batch begins or ends with them
        self._pooling.update(self._batch(text.content_hash) for text in long_texts)
        for plan in plans:
            if plan.missing:
                self._unfinished[plan.batch] = plan
            else:
                self._on_batch(BatchDone(plan.batch, plan.texts, 0, plan.failed))
        for bucket, batch, _texts in self._count_missing():
            self._waiting.setdefault(batch, set()).add(bucket)

    def _read_plan(self, connection: Connection) -> tuple[list[BatchPlan], list[Text]]:
        if self._work.bounded:
            return [], []
        failures.spread(connection, self._work.space, self._work.source)
        plans = vectors.plan(connection, self._work)
        stages.plan_batches(connection, self._work, plans)
        stages.count_embedded(connection, self._work.space, self._work.source)
        return plans, vectors.long_texts(connection, self._work)

    def _missing(self) -> Mapping[int, int]:
        """How many texts are left to be sent, by lease bucket."""
        left = Counter[int]()
        for bucket, _batch, texts in self._count_missing():
            left[bucket] += texts
        return left

    def _count_missing(self) -> list[tuple[int, int, int]]:
        return self._database.transact(partial(vectors.count_missing, work=self._work, dead=self._delivery.dead()))

    def _hashes(self, buckets: Collection[int]) -> list[bytes]:
        """Texts to be sent in some lease buckets: of single texts, few of which share one, by one statement."""
        missing = partial(vectors.missing, work=self._work, dead=self._delivery.dead())
        if self._work.only is None:
            return [
                digest for bucket in buckets for digest in self._database.transact(partial(missing, bucket=bucket))
            ]
        hashes = self._database.transact(partial(missing, bucket=None))
        return [digest for digest in hashes if batch_of(digest, LEASE_BUCKETS) in buckets]

    def _round(self, leases: Leases, missing: Mapping[int, int]) -> None:
        """Work on every bucket whose lease is free. Raises the last error where nothing gets through."""
        if self._stop.is_set():
            raise StoppedError
        self._left.clear()
        busy: list[int] = []
        model = self._model
        requests = pack(
            self._read(leases, missing, busy),
            max_texts=model.request_texts,
            max_tokens=int(model.request_tokens * MARGIN),
        )
        deliver = partial(self._delivery.deliver, leases=leases)
        successes = failed_in_a_row = 0
        error: TransientError | None = None
        with closing(dispatch(requests, deliver, workers=self._workers, stop=self._stop)) as outcomes:
            for request, outcome in outcomes:
                self._tally(outcome)
                self._settle(leases, request, outcome.left)
                successes += bool(outcome.stored) or not outcome.left
                failed_in_a_row = failed_in_a_row + 1 if outcome.left else 0
                error = outcome.error or error
                if error and failed_in_a_row > self._workers:
                    raise error  # no point in trying it with all the others
        if error and not successes:
            raise error
        if busy and not successes:  # another process has these: wait for one, holding nothing
            leases.wait(busy[0], self._stop)

    def _read(self, leases: Leases, missing: Mapping[int, int], busy: list[int]) -> Iterator[Text]:
        for group in groups(missing, _READ_TEXTS):
            ours = leases.acquire(group)
            busy += [bucket for bucket in group if bucket not in ours]
            reading = Counter(ours)  # one on top for each, until all its texts are read
            self._outstanding.update(reading)
            hashes = self._hashes(ours)
            # A batch that is not among the unfinished only lends parts to a long text of another one.
            self._enter({self._batch(digest) for digest in hashes} & self._unfinished.keys(), "embedding")
            for start in range(0, len(hashes), _READ_TEXTS):
                chunk = hashes[start : start + _READ_TEXTS]
                read = partial(vectors.still_missing, space=self._work.space, hashes=chunk)
                texts = self._database.transact(read)
                self._outstanding.update(_bucket(text) for text in texts)
                yield from texts
            self._settle_buckets(leases, reading)

    def _tally(self, outcome: Outcome) -> None:
        self._result.texts += outcome.stored
        self._result.tokens += outcome.tokens
        self._result.requests += outcome.requests
        self._result.cost += outcome.cost

    def _settle(self, leases: Leases, request: Sequence[Text], left: Sequence[Text]) -> None:
        self._left.update(_bucket(text) for text in left)
        self._settle_buckets(leases, Counter(_bucket(text) for text in request))

    def _settle_buckets(self, leases: Leases, texts: Counter[int]) -> None:
        self._outstanding.subtract(texts)
        empty = {bucket for bucket in texts if not self._outstanding[bucket]}
        leases.release(list(empty))
        for waiting in self._waiting.values():
            waiting -= empty - self._left
        ready = [batch for batch, waiting in self._waiting.items() if not waiting]
        for batch in ready:
            del self._waiting[batch]
        self._complete([batch for batch in ready if not self._pooling[batch]])

    def _pool_too(self, text: Text) -> None:
        """A text proved to be too long for the model: its batch waits until it is pooled."""
        self._pooling[self._batch(text.content_hash)] += 1

    def _pool(self) -> None:
        """Texts too long for the model get the mean of their parts, which are all there now or dead letters."""
        for text in self._database.transact(partial(vectors.long_texts, work=self._work)):
            self._result.pooled += self._delivery.pool(text)
        self._complete(list(self._unfinished))

    def _complete(self, batches: Sequence[int]) -> None:
        plans = [self._unfinished.pop(batch) for batch in batches if batch in self._unfinished]
        if not plans:
            return
        shares = {plan.batch: self._delivery.take_share(plan.batch) for plan in plans}
        entries = [
            BatchStored(batch, round(share.tokens), share.cost, share.last_answer)
            for batch, share in shares.items()
        ]
        self._database.transact(partial(stages.mark_stored, source=self._work.source, batches=entries))
        self._enter([plan.batch for plan in plans], "complete")
        dead_letters = self._database.transact(
            partial(failures.by_batch, space=self._work.space, source=self._work.source, count=self._work.count)
        )
        for plan in plans:
            embedded = min(plan.missing, shares[plan.batch].embedded)
            self._on_batch(BatchDone(plan.batch, plan.texts, embedded, dead_letters.get(plan.batch, 0)))

    def _release(self, error: BaseException) -> None:
        """Give back the batches that were begun: failed, or planned where the work was stopped on purpose."""
        in_hand = {bucket for bucket, texts in self._outstanding.items() if texts} | self._left
        batches = {batch for batch, waiting in self._waiting.items() if waiting & in_hand}
        batches |= {batch for batch in self._unfinished if not self._waiting.get(batch)}  # it waited to be pooled
        stopped = isinstance(error, StoppedError) or not isinstance(error, Exception)
        stage, reason = ("planned", None) if stopped else ("failed", f"{type(error).__name__}: {error}")
        with suppress(psycopg.Error, BootstrapError):  # the database may be what failed: keep the first error
            self._enter(batches & self._unfinished.keys(), stage, error=reason, only_own=True)

    def _enter(
        self, batches: Collection[int], stage: str, *, error: str | None = None, only_own: bool = False
    ) -> None:
        if batches and self._work.only is None:
            self._database.transact(
                partial(
                    stages.enter,
                    source=self._work.source,
                    batches=sorted(batches),
                    stage=stage,
                    error=error,
                    only_own=only_own,
                )
            )

    def _count(self) -> None:
        counts = self._database.transact(self._read_counts)
        self._result.records, self._result.embedded_records = counts.records, counts.embedded
        self._result.errors, self._result.status = counts.errors, counts.status

    def _read_counts(self, connection: Connection) -> stages.Counted:
        if self._work.bounded:
            return stages.sum_up(connection, self._work.space, self._work.source)
        stages.plan_batches(connection, self._work, vectors.plan(connection, self._work))
        return stages.count_embedded(connection, self._work.space, self._work.source)

    def _batch(self, digest: bytes) -> int:
        return batch_of(digest, self._work.count)


def _bucket(text: Text) -> int:
    return batch_of(text.content_hash, LEASE_BUCKETS)
