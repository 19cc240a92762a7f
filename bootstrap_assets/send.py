"""One request to a provider, sent when it may be and again when it may help.

    breakers ──> budget ──> rate limit ──> ledger row ──> provider ──> answer, or one of our errors

Whether it may be sent is asked of PostgreSQL, so all processes on one account keep to it together.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from bootstrap_assets.embed.protocol import Embedder, InputType
from bootstrap_assets.errors import (
    AccessError,
    AnswerError,
    BootstrapError,
    BudgetError,
    NoAnswerError,
    RateLimitedError,
    RefusedError,
    StoppedError,
    TransientError,
)
from bootstrap_assets.stopping import Stop
from bootstrap_assets.store import breakers, ledger
from bootstrap_assets.store.database import Connection, Database
from bootstrap_assets.store.ledger import Admission, Payer
from bootstrap_assets.store.spaces import Space
from bootstrap_assets.store.vectors import Vectors, check

MAX_LIMITED = 30
"""How many 429s in a row one request waits out before they count as a failure: a quarter of an hour or more."""

MAX_PAUSE = 60.0
"""Seconds of the longest pause after a 429 that does not say how long."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how soon a request is tried again, and how long a breaker stays open, in seconds."""

    retries: int = 3
    first_wait: float = 1.0
    cool_down: float = 300.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Vectors of shape (texts, dimensions), single ones perhaps unsound; tokens and dollars charged.

    `request` is the ledger row, which `settle` closes in the transaction that stores the vectors.
    """

    vectors: Vectors
    tokens: int
    cost: float
    seconds: float
    request: int

    def settle(self, connection: Connection) -> None:
        """Enter into the ledger that the request was answered."""
        ledger.settle(connection, self.request, "ok", seconds=self.seconds, tokens=self.tokens, cost=self.cost)


class Sender:
    """Sends the requests of one source. Called from several threads at once; `stop` ends every wait."""

    def __init__(
        self,
        database: Database,
        embedder: Embedder,
        space: Space,
        source: str,
        *,
        payer: Payer,
        patience: Patience,
        stop: Stop,
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._space = space
        self._source = source
        self._payer = payer
        self._patience = patience
        self._stop = stop
        self._breakers = [embedder.account, source]

    def send(self, texts: Sequence[str], tokens: int, input_type: InputType = InputType.DOCUMENT) -> Answer:
        """The answer to a request of `tokens` estimated tokens, after as many attempts as it takes.

        Raises RefusedError, AccessError, BreakerOpenError, BudgetError, StoppedError, or the TransientError of
        the last attempt. A 429 is waited out and is no attempt.
        """
        trying = Retrying(
            retry=retry_if_exception_type(TransientError),
            stop=stop_after_attempt(self._patience.retries + 1),
            wait=self._backoff,
            sleep=self._sleep,
            reraise=True,
        )
        return trying(self._attempt, texts, tokens, input_type)

    def trip(self, reason: str) -> None:
        """Open the source's breaker."""
        self._trip(self._source, reason)

    def rest(self, times: int) -> None:
        """Wait as before the next attempt after `times` failed ones."""
        self._sleep(self._patience.first_wait * 2 ** (times - 1) * random.uniform(0.75, 1.25))

    def _attempt(self, texts: Sequence[str], tokens: int, input_type: InputType) -> Answer:
        limited = 0
        while True:
            request, probes = self._admit(len(texts), tokens)
            try:
                answer = self._ask(request, texts, input_type)
            except RateLimitedError as error:
                limited += 1
                self._slow_down(error, limited)
                if limited == MAX_LIMITED:
                    raise
                continue
            if probes:
                self._database.transact(partial(breakers.close, names=probes))
            return answer

    def _admit(self, texts: int, tokens: int) -> tuple[int, list[str]]:
        """Wait until the request may be sent; returns its ledger row, and the breakers that it probes."""
        while True:
            if self._stop.is_set():
                raise StoppedError
            probes, admission = self._database.transact(
                lambda connection: self._reserve(connection, texts, tokens)
            )
            if admission.request is not None:
                return admission.request, probes
            if admission.spent is not None:
                raise BudgetError(self._over_budget(admission.spent))
            assert admission.wait is not None
            self._sleep(admission.wait + random.uniform(0, 0.05))  # not all threads at one moment

    def _reserve(self, connection: Connection, texts: int, tokens: int) -> tuple[list[str], Admission]:
        probes = breakers.check(connection, self._breakers)
        model = self._embedder.model
        admission = ledger.reserve(
            connection,
            self._space,
            self._payer,
            source=self._source,
            texts=texts,
            tokens=tokens,
            dollars=model.dollars,
            requests_minute=model.requests_minute,
            tokens_minute=model.tokens_minute,
        )
        return probes, admission

    def _ask(self, request: int, texts: Sequence[str], input_type: InputType) -> Answer:
        started = time.monotonic()
        try:
            answer = self._embedder.embed(texts, input_type)
            check(answer.vectors, texts=len(texts), dimensions=self._space.dimensions)
        except BootstrapError as error:
            self._close_row(request, error, time.monotonic() - started)
            if isinstance(error, AccessError):
                self._trip(self._embedder.account, str(error))
            raise
        cost = self._embedder.model.cost(answer.tokens)
        return Answer(answer.vectors, answer.tokens, cost, time.monotonic() - started, request)

    def _close_row(self, request: int, error: BootstrapError, seconds: float) -> None:
        # What no whole answer came to may be charged: its estimate stays in the ledger.
        nothing = None if isinstance(error, (NoAnswerError, AnswerError)) else 0
        self._database.transact(
            lambda connection: ledger.settle(
                connection, request, _outcome(error), seconds=seconds, tokens=nothing, cost=nothing
            )
        )

    def _slow_down(self, error: RateLimitedError, times: int) -> None:
        """Tell every process to be silent for as long as the provider asks."""
        seconds = error.retry_after
        if seconds is None:
            seconds = min(MAX_PAUSE, self._patience.first_wait * 2 ** (times - 1))
        pause = seconds + random.uniform(0, 0.1 * self._patience.first_wait)
        self._database.transact(lambda connection: ledger.pause(connection, self._payer.limiter, pause))

    def _trip(self, name: str, reason: str) -> None:
        cool_down = self._patience.cool_down
        self._database.transact(lambda connection: breakers.trip(connection, name, reason, cool_down=cool_down))

    def _backoff(self, state: RetryCallState) -> float:
        """About 1, 2, 4 … times the first wait, a quarter more or less, so that not all come back at once.

        Never sooner than the provider asked for.
        """
        error = state.outcome.exception() if state.outcome else None
        asked = (error.retry_after if isinstance(error, TransientError) else None) or 0.0
        wait = wait_exponential(multiplier=self._patience.first_wait)(state)
        return max(asked, wait * random.uniform(0.75, 1.25))

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise StoppedError

    def _over_budget(self, spent: float) -> str:
        return (
            f"the next request would pass the budget of ${self._payer.max_cost:.4f} (${spent:.4f} spent or in "
            "flight). What was embedded is kept; the next run goes on from there"
        )


def _outcome(error: BootstrapError) -> str:
    kinds: list[tuple[type[BootstrapError], str]] = [
        (RateLimitedError, "rate_limited"),
        (NoAnswerError, "no_answer"),
        (AnswerError, "bad_answer"),
        (AccessError, "denied"),
        (RefusedError, "refused"),
    ]
    return next((outcome for kind, outcome in kinds if isinstance(error, kind)), "failed")
