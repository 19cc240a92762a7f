"""What the fake provider was asked, what it charged, and what it was paid for."""

import threading
import time
from collections import Counter
from typing import Any

from tests.fakes.embedding_request import EmbeddingRequest
from tests.fakes.exchange import Exchange, LogEntry
from tests.fakes.faults import Fault
from tests.fakes.rate_window import Usage, usage_of
from tests.fakes.replies import sound_digests


class Accounts:
    """The counters of a provider; `window`: seconds of the window that its usage is measured by.

    What a text cost, by the sha256 of the text:
    - `charged` counts it as soon as a request gets past every refusal: a provider asks money for what it has
      computed, whether the answer arrives or not. Refused requests and the fault `reset` are free.
    - `paid` counts it when its good vector was delivered: all bytes of the answer but the last were written, and
      the client had not closed the connection. A client killed before that was charged and has not paid; one
      killed after it counts as paid, though it may not have kept the vector.

    `requests` counts the answers that brought at least one good vector; `arrived`, every request; `limited`, those
    that the rate limits turned away.
    """

    def __init__(self, window: float) -> None:
        self.window = window
        self.arrived = 0
        self.requests = 0
        self.limited = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.paid: Counter[bytes] = Counter()
        self.charged: Counter[bytes] = Counter()
        self.served: Counter[Fault] = Counter()
        self.input_types: Counter[str | None] = Counter()
        self.largest_request = (0, 0)
        self.log: list[LogEntry] = []
        self._lock = threading.Lock()

    @property
    def texts_paid(self) -> int:
        return self.paid.total()

    @property
    def texts_paid_twice(self) -> int:
        return sum(times - 1 for times in self.paid.values())

    def stats(self) -> dict[str, Any]:
        """All counters, as numbers."""
        with self._lock:
            return {
                "requests": self.requests,
                "texts": self.texts_paid,
                "distinct_texts": len(self.paid),
                "texts_paid_twice": self.texts_paid_twice,
                "texts_charged": self.charged.total(),
                "distinct_texts_charged": len(self.charged),
                "most_texts_in_a_request": self.largest_request[0],
                "most_tokens_in_a_request": self.largest_request[1],
                "arrived": self.arrived,
                "in_flight": self.in_flight,
                "most_in_flight": self.most_in_flight,
                "limited": self.limited,
                "statuses": dict(Counter(str(entry.status) for entry in self.log)),
                "faults": {fault.value: times for fault, times in self.served.items()},
                "usage_by_window": self.usage_by_window().as_dict(),
            }

    def usage_by_window(self) -> Usage:
        """The most requests and tokens let in within any window, and the average, from the log."""
        return usage_of([(entry.arrived, entry.tokens) for entry in self.log if entry.admitted], self.window)

    def begin(self, client: str = "") -> Exchange:
        """A request has arrived, from that address."""
        with self._lock:
            self.arrived += 1
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            return Exchange(time.monotonic(), client)

    def finish(self, exchange: Exchange, *, delivered: bool) -> None:
        """The answer is delivered, but for the last byte, or never will be. Counts once for an exchange."""
        with self._lock:
            if exchange.finished:
                return
            exchange.finished = True
            self.in_flight -= 1
            if delivered and exchange.sound:
                self.requests += 1
                self.paid.update(exchange.sound)

    def note(self, exchange: Exchange, status: int, fault: Fault | None) -> None:
        """A request was decided on: 200, a refusal, or 0 for a reset."""
        with self._lock:
            self.log.append(exchange.entry(status, fault))

    def charge(self, exchange: Exchange, request: EmbeddingRequest, fault: Fault | None) -> None:
        """A request got past every refusal."""
        exchange.sound = sound_digests(request, fault)
        with self._lock:
            self.charged.update(request.digests)
            self.input_types[request.input_type] += 1
            texts, tokens = self.largest_request
            self.largest_request = (max(texts, len(request.texts)), max(tokens, request.tokens))
