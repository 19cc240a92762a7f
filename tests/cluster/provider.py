"""The fake provider of a cluster: it knows which host paid for what."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from threading import Event
from typing import Any, NamedTuple

from tests.fakes.exchange import Exchange
from tests.fakes.voyage_server import VoyageServer


class Sale(NamedTuple):
    """A request that was answered: when it arrived and was delivered (`time.monotonic`), to whom, for what."""

    arrived: float
    delivered: float
    client: str
    digests: list[bytes]


class Provider(VoyageServer):
    """Answers take between half and one and a half times the mean `latency` (seconds).

    While it is `shut` none goes out: so all hosts begin at the same moment, however long their programs start.
    """

    def __init__(self, **options: Any) -> None:
        self.sales: list[Sale] = []
        self.clients: set[str] = set()
        self._open = Event()
        self._open.set()
        super().__init__(**options)

    @property
    def latency(self) -> float:
        """Seconds that the next answer takes."""
        self._open.wait()
        return self._latencies.uniform(0.5, 1.5) * self._mean

    @latency.setter
    def latency(self, mean: float) -> None:
        self._mean, self._latencies = mean, Random(7)

    def begin(self, client: str = "") -> Exchange:
        """Note who asks."""
        self.clients.add(client)
        return super().begin(client)

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Within the block no answer goes out."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def finish(self, exchange: Exchange, *, delivered: bool) -> None:
        """Note who paid, once."""
        is_first = not exchange.finished
        super().finish(exchange, delivered=delivered)
        if is_first and delivered and exchange.sound:
            self.sales.append(Sale(exchange.arrived, time.monotonic(), exchange.client, exchange.sound))

    @property
    def shares(self) -> Counter[str]:
        """Texts paid for, by address."""
        return self.shares_since(0.0)

    def shares_since(self, moment: float) -> Counter[str]:
        """Texts that were asked for after a moment, and paid for, by address."""
        shares = Counter[str]()
        for sale in list(self.sales):
            shares[sale.client] += len(sale.digests) if sale.arrived > moment else 0
        return +shares

    def texts_between(self, start: float, end: float) -> int:
        """Texts of the requests that arrived in that time and were answered."""
        return sum(len(sale.digests) for sale in self.sales if start < sale.arrived <= end)
