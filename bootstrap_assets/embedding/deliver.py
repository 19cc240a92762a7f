"""What becomes of the texts of one request: vectors in the database, dead letters, or another try later.

One bad text never costs its neighbours. A request that is refused is halved until the culprit stands alone, a
write that one row spoils likewise; only unsound vectors of an answer are asked for again.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import psycopg

from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.embedding import failures, parts, stages, vectors
from bootstrap_assets.embedding.batches import LEASE_BUCKETS, Text, batch_of
from bootstrap_assets.embedding.leases import Leases
from bootstrap_assets.embedding.send import Answer, Sender
from bootstrap_assets.embedding.vectors import Vectors, Work
from bootstrap_assets.errors import (
    BreakerOpenError,
    LeaseLostError,
    RefusedError,
    TooLargeError,
    TransientError,
    VectorError,
    is_of_a_row,
)

BREAKER_RECORDS = 100
BREAKER_SHARE = 0.10
"""A source's breaker opens when over this share of at least so many records of the run have failed."""


@dataclass(slots=True)
class Outcome:
    """What became of the texts of a request; `left` are those that a later round has to try again."""

    stored: int = 0
    tokens: int = 0
    cost: float = 0.0
    requests: int = 0
    left: list[Text] = field(default_factory=list)
    error: TransientError | None = None


@dataclass(slots=True)
class Share:
    """A batch's share of the requests so far: tokens, dollars, texts embedded, when the last answer came."""

    tokens: float = 0.0
    cost: float = 0.0
    embedded: int = 0
    last_answer: datetime | None = None


class Delivery:
    """Delivers the requests of one run over a source. Called from several threads at once."""

    def __init__(
        self,
        database: Database,
        sender: Sender,
        work: Work,
        *,
        retries: int,
        on_cut: Callable[[Text], None],
    ) -> None:
        self._database = database
        self._sender = sender
        self._work = work
        self._retries = retries
        self._on_cut = on_cut
        self._lock = threading.Lock()  # guards what follows
        self._dead: set[bytes] = set()
        self._shares: dict[int, Share] = {}
        self._records_stored = 0
        self._records_failed = 0

    def dead(self) -> list[bytes]:
        """Hashes of the texts that became dead letters in this run."""
        with self._lock:
            return list(self._dead)

    @property
    def records_stored(self) -> int:
        """Records of the source that got their vector in this run."""
        return self._records_stored

    def take_share(self, batch: int) -> Share:
        """A batch's share so far, to be recorded with it; from then on it starts at nothing."""
        with self._lock:
            return self._shares.pop(batch, Share())

    def deliver(self, request: Sequence[Text], leases: Leases) -> Outcome:
        """Embed and store the texts of a request, as long as they are leased to us.

        Raises what ends the run: AccessError, BreakerOpenError, BudgetError, StoppedError, errors of the database.
        """
        try:
            return self._deliver(request, leases)
        finally:
            self._sender.finish()

    def _deliver(self, request: Sequence[Text], leases: Leases) -> Outcome:
        outcome = Outcome()
        pending = [(list(request), 0)]
        while pending:
            texts, attempts = pending.pop()
            try:
                answer = self._send(texts, leases)
            except RefusedError as error:
                if len(texts) > 1:
                    middle = len(texts) // 2
                    pending += [(texts[middle:], attempts), (texts[:middle], attempts)]
                else:
                    self._refuse(texts[0], error)
            except LeaseLostError:
                outcome.left += texts
            except TransientError as error:
                outcome.left += texts
                outcome.error = error
            else:
                unsound = self._keep(texts, answer, outcome)
                if unsound and attempts < self._retries:
                    self._sender.rest(attempts + 1)
                    pending.append((list(unsound), attempts + 1))
                else:
                    for text, vector in unsound.items():
                        self.bury(text, "embed", vectors.complaint(vector))
        return outcome

    def _send(self, texts: Sequence[Text], leases: Leases) -> Answer:
        buckets = {batch_of(text.content_hash, LEASE_BUCKETS) for text in texts}

        def check_leases() -> None:
            if not leases.holds(buckets):
                raise LeaseLostError("the connection that held the leases broke")

        contents = [text.content for text in texts]
        return self._sender.send(contents, sum(text.tokens for text in texts), before=check_leases)

    def bury(self, text: Text, stage: str, error: Exception) -> None:
        """Make a text a dead letter. Raises BreakerOpenError where too many of the source's records are."""
        space, source, digest = self._work.space, self._work.source, text.content_hash
        records = self._database.transact(
            lambda connection: failures.bury(connection, space, source, digest, stage, error)
        )
        with self._lock:
            self._dead.add(digest)
            self._records_failed += records
            failed, total = self._records_failed, self._records_failed + self._records_stored
        if total >= BREAKER_RECORDS and failed > BREAKER_SHARE * total:
            self._give_up(f"{failed} of {total} records failed, the last one with: {' '.join(str(error).split())}")

    def pool(self, text: Text) -> bool:
        """Give a long text the mean of its parts' vectors; a dead letter where one of them has none."""
        pooled, records = self._database.transact(partial(self._pool, text=text))
        if pooled:
            with self._lock:
                self._share(text.content_hash).embedded += 1
                self._records_stored += records
        else:
            self.bury(text, "embed", VectorError("a passage of this long text has no vector, so it has none"))
        return pooled

    def _keep(self, texts: list[Text], answer: Answer, outcome: Outcome) -> dict[Text, Vectors]:
        """Store the sound vectors of an answer; returns the others, by text."""
        outcome.requests += 1
        outcome.tokens += answer.tokens
        outcome.cost += answer.cost
        good = vectors.sound(answer.vectors)
        sound_texts = [text for text, sound in zip(texts, good, strict=True) if sound]
        self._divide(texts, {text.content_hash for text in sound_texts}, answer)
        outcome.stored += self._store(sound_texts, answer.vectors[good], answer)
        lost = [text for text, sound in zip(texts, good, strict=True) if not sound]
        return dict(zip(lost, answer.vectors[~good], strict=True))

    def _store(self, texts: Sequence[Text], embeddings: Vectors, answer: Answer | None) -> int:
        """Store vectors in a transaction of their own, or in several; returns how many were new."""
        try:
            merge = partial(self._merge, texts=texts, embeddings=embeddings, answer=answer)
            new, records = self._database.transact(merge)
        except psycopg.Error as error:
            if not is_of_a_row(error) or not texts:
                raise
            if answer:
                self._database.transact(answer.settle)
            if len(texts) == 1:
                self.bury(texts[0], "store", error)
                return 0
            middle = len(texts) // 2
            first = self._store(texts[:middle], embeddings[:middle], None)
            return first + self._store(texts[middle:], embeddings[middle:], None)
        with self._lock:
            self._records_stored += records
        return new

    def _merge(
        self, connection: Connection, texts: Sequence[Text], embeddings: Vectors, answer: Answer | None
    ) -> tuple[int, int]:
        if answer:
            answer.settle(connection)
        if not texts:
            return 0, 0
        space, source = self._work.space, self._work.source
        hashes = [text.content_hash for text in texts]
        new = vectors.store(connection, space, texts, embeddings)
        failures.resolve(connection, space, hashes)
        return new, stages.advance(connection, source, hashes, self._batch(hashes[-1]))

    def _refuse(self, text: Text, error: RefusedError) -> None:
        """Cut a text that is refused by itself for being too long after all; make any other a dead letter."""
        divide = partial(parts.divide, space=self._work.space, text=text)
        if isinstance(error, TooLargeError) and self._database.transact(divide):
            self._on_cut(text)
        else:
            self.bury(text, "embed", error)

    def _pool(self, connection: Connection, text: Text) -> tuple[bool, int]:
        if not vectors.pool(connection, self._work.space, text):
            return False, 0
        failures.resolve(connection, self._work.space, [text.content_hash])
        source, digest = self._work.source, text.content_hash
        return True, stages.advance(connection, source, [digest], self._batch(digest))

    def _give_up(self, reason: str) -> None:
        source, reason = self._work.source, reason[:300]
        self._sender.trip(reason)
        raise BreakerOpenError(
            f"{source}: {reason}. Nothing more is sent for it: look at `bootstrap failures list`, fix the cause, "
            f"then `bootstrap breaker reset {source}` and `bootstrap failures retry --source {source}`"
        )

    def _divide(self, texts: Sequence[Text], sound: Collection[bytes], answer: Answer) -> None:
        """Divide what a request cost among the batches of its texts; `sound` are those that got a vector."""
        weights: Counter[bytes] = Counter({text.content_hash: max(text.tokens, 1) for text in texts})
        whole, now = weights.total(), datetime.now(UTC)
        with self._lock:
            for digest, weight in weights.items():
                share = self._share(digest)
                share.tokens += answer.tokens * weight / whole
                share.cost += answer.cost * weight / whole
                share.last_answer = now
                share.embedded += digest in sound

    def _share(self, digest: bytes) -> Share:
        return self._shares.setdefault(self._batch(digest), Share())

    def _batch(self, digest: bytes) -> int:
        return batch_of(digest, self._work.count)
