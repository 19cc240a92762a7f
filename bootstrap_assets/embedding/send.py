"""One request to a provider, sent when it may be and again when it may help."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.embedding import ledger
from bootstrap_assets.embedding.gate import Gate
from bootstrap_assets.embedding.ledger import Payer
from bootstrap_assets.embedding.providers.protocol import Embedder, InputType
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.embedding.vectors import Vectors, check
from bootstrap_assets.errors import (
    AccessError,
    AnswerError,
    BootstrapError,
    NoAnswerError,
    RateLimitedError,
    RefusedError,
    StoppedError,
    TransientError,
)
from bootstrap_assets.spans import span
from bootstrap_assets.stopping import Stop

LIMITED_FOR = 900.0
"""Seconds for which one request waits out 429s; then they count as a failure."""

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
        self._dimensions = space.dimensions
        self._about = {"source": source, "space": space.name, "provider": embedder.model.provider}
        self._patience = patience
        self._stop = stop
        self._gate = Gate(
            database,
            space,
            source,
            account=embedder.account,
            model=embedder.model,
            payer=payer,
            cool_down=patience.cool_down,
            stop=stop,
        )

    def send(
        self,
        texts: Sequence[str],
        tokens: int,
        input_type: InputType = InputType.DOCUMENT,
        *,
        before: Callable[[], None] = lambda: None,
    ) -> Answer:
        """The answer to a request of `tokens` estimated tokens, after as many attempts as it takes.

        `before` is called once it may be sent, just before it is, and may raise. Raises RefusedError, AccessError,
        BreakerOpenError, BudgetError, StoppedError, or the TransientError of the last attempt. A 429 is waited out
        and does not count as an attempt.
        """
        trying = Retrying(
            retry=retry_if_exception_type(TransientError),
            stop=stop_after_attempt(self._patience.retries + 1),
            wait=self._backoff,
            sleep=self._sleep,
            reraise=True,
        )
        return trying(self._attempt, texts, tokens, input_type, before)

    def trip(self, reason: str) -> None:
        """Open the source's breaker."""
        self._gate.trip_source(reason)

    def rest(self, times: int) -> None:
        """Wait as before the next attempt after `times` failed ones."""
        self._sleep(self._patience.first_wait * 2 ** (times - 1) * random.uniform(0.75, 1.25))

    def finish(self) -> None:
        """This thread sends nothing more for now: give up the breaker's probe that it may still hold."""
        self._gate.give_up()

    def _attempt(
        self, texts: Sequence[str], tokens: int, input_type: InputType, before: Callable[[], None]
    ) -> Answer:
        rate_limits = 0
        since = time.monotonic()
        while True:
            request = self._gate.admit(len(texts), tokens)
            try:
                answer = self._ask(request, texts, input_type, before)
            except RateLimitedError as error:
                rate_limits += 1
                self._gate.pause(self._pause(error, rate_limits))
                if time.monotonic() - since > LIMITED_FOR:
                    raise
            else:
                self._gate.record_answer()
                return answer

    def _ask(
        self, request: int, texts: Sequence[str], input_type: InputType, before: Callable[[], None]
    ) -> Answer:
        start = time.monotonic()
        try:
            before()
            with span("request", **self._about, texts=len(texts), request=request) as note:
                answer = self._embedder.embed(texts, input_type)
                note(tokens=answer.tokens)
            check(answer.vectors, texts=len(texts), dimensions=self._dimensions)
        except BootstrapError as error:
            self._close_row(request, error, time.monotonic() - start)
            if isinstance(error, AccessError):
                name = self._gate.trip_account(str(error))
                raise AccessError(
                    f"{str(error).rstrip('.')}. Nothing more is sent on this account: fix that, then "
                    f"`bootstrap breaker reset {name}`"
                ) from None
            raise
        cost = self._embedder.model.cost(answer.tokens)
        return Answer(answer.vectors, answer.tokens, cost, time.monotonic() - start, request)

    def _close_row(self, request: int, error: BootstrapError, seconds: float) -> None:
        # What got no complete answer may have been charged: its estimate stays in the ledger.
        charge = None if isinstance(error, (NoAnswerError, AnswerError)) else 0
        self._database.transact(
            lambda connection: ledger.settle(
                connection, request, _outcome(error), seconds=seconds, tokens=charge, cost=charge
            )
        )

    def _pause(self, error: RateLimitedError, times: int) -> float:
        """As long as the provider asks; where it does not say, or says the same again and again, ever longer."""
        growing = min(MAX_PAUSE, self._patience.first_wait * 2 ** min(times - 1, 10))
        delay = error.retry_after or 0.0
        return (delay if delay and times <= 5 else max(delay, growing)) * random.uniform(1, 1.05)

    def _backoff(self, state: RetryCallState) -> float:
        """About 1, 2, 4 … times the first wait, a quarter more or less, so that not all come back at once.

        Never sooner than the provider asked for.
        """
        error = state.outcome.exception() if state.outcome else None
        delay = (error.retry_after if isinstance(error, TransientError) else None) or 0.0
        wait = wait_exponential(multiplier=self._patience.first_wait)(state)
        return max(delay, wait * random.uniform(0.75, 1.25))

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise StoppedError


def _outcome(error: BootstrapError) -> str:
    kinds: list[tuple[type[BootstrapError], str]] = [
        (RateLimitedError, "rate_limited"),
        (NoAnswerError, "no_answer"),
        (AnswerError, "bad_answer"),
        (AccessError, "denied"),
        (RefusedError, "refused"),
    ]
    return next((outcome for kind, outcome in kinds if isinstance(error, kind)), "failed")
