"""Whether a request may be sent now: circuit breakers, budget, rate limit, in PostgreSQL for all processes."""

import random
import threading
from functools import partial

from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.embedding import breakers, ledger
from bootstrap_assets.embedding.ledger import Admission, Payer
from bootstrap_assets.embedding.providers.protocol import Embedder, Model
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.errors import BudgetError, StoppedError
from bootstrap_assets.stopping import Stop

_LOOK_AGAIN = 0.05
"""Seconds between two looks at whether another thread's probe was answered."""


def limiter_of(embedder: Embedder) -> str:
    """What a rate limit applies to: an account and a model."""
    return f"{embedder.account}/{embedder.model.name}"


class Gate:
    """Admits the requests of one source, from several threads.

    A breaker whose cool-down is over lets one request probe. Its thread holds the probe, through all attempts and
    halves of that request, until an answer closes the breaker or the request is given up; the other threads wait
    for that, other processes fail fast.
    """

    def __init__(
        self,
        database: Database,
        space: Space,
        source: str,
        *,
        account: str,
        model: Model,
        payer: Payer,
        cool_down: float,
        stop: Stop,
    ) -> None:
        self._database = database
        self._space = space
        self._source = source
        self._account = account
        self._model = model
        self._payer = payer
        self._cool_down = cool_down
        self._stop = stop
        self._lock = threading.Lock()
        self._probing: set[str] = set()
        self._prober = 0

    def admit(self, texts: int, tokens: int) -> int:
        """Wait until a request of `tokens` estimated tokens may be sent; returns its ledger row.

        Raises BreakerOpenError, BudgetError, StoppedError.
        """
        while True:
            if self._stop.is_set():
                raise StoppedError
            admission = self._ask(texts, tokens)
            if admission.request is not None:
                return admission.request
            if admission.wait is None:
                raise BudgetError(self._over_budget(admission.spent or 0.0))
            if self._stop.wait(
                admission.wait + random.uniform(0, _LOOK_AGAIN)
            ):  # so that not all threads ask at once
                raise StoppedError

    def record_answer(self) -> None:
        """A request was answered: the breakers it probed are closed."""
        self._end_probe(breakers.close)

    def give_up(self) -> None:
        """A probe got no answer: another request may try."""
        self._end_probe(breakers.give_back)

    def trip_account(self, reason: str) -> str:
        """Open the account's breaker; returns its name."""
        self._trip(self._account, reason)
        return self._account

    def trip_source(self, reason: str) -> None:
        """Open the source's breaker."""
        self._trip(self._source, reason)

    def pause(self, seconds: float) -> None:
        """Let no process send on this account for so many seconds."""
        self._database.transact(partial(ledger.pause, limiter=self._payer.limiter, seconds=seconds))

    def _ask(self, texts: int, tokens: int) -> Admission:
        with self._lock:  # of two threads one takes the probe, the other sees that it did
            if self._probing and self._prober != threading.get_ident():
                return Admission(None, _LOOK_AGAIN, None)
            admission, probes = self._database.transact(partial(self._reserve, texts=texts, tokens=tokens))
            if probes:
                self._probing |= set(probes)
                self._prober = threading.get_ident()
            return admission

    def _reserve(self, connection: Connection, texts: int, tokens: int) -> tuple[Admission, list[str]]:
        names = [name for name in (self._account, self._source) if name not in self._probing]
        half_open = breakers.check(connection, names)
        admission = ledger.reserve(
            connection,
            self._space,
            self._payer,
            source=self._source,
            texts=texts,
            tokens=tokens,
            dollars=self._model.dollars,
            requests_minute=self._model.requests_minute,
            tokens_minute=self._model.tokens_minute,
        )
        if admission.request is None:
            return admission, []
        breakers.take(connection, half_open)
        return admission, half_open

    def _end_probe(self, how: breakers.Ending) -> None:
        with self._lock:
            if self._probing and self._prober == threading.get_ident():
                names = sorted(self._probing)
                self._database.transact(lambda connection: how(connection, names))
                self._probing.clear()

    def _trip(self, name: str, reason: str) -> None:
        with self._lock:
            self._database.transact(partial(breakers.trip, name=name, reason=reason, cool_down=self._cool_down))
            self._probing.discard(name)

    def _over_budget(self, spent: float) -> str:
        return (
            f"the next request would exceed the budget of ${self._payer.max_cost:.4f} (${spent:.4f} spent or in "
            "flight). What was embedded is kept; the next run goes on from there"
        )
