"""What Prometheus asks for: how full the corpus is, what was spent, what waits and what is wrong.

Read from the database at each scrape, from sums that are kept: a scrape takes the same, however large the corpus.
Whichever process answers, the figures are those of all.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.embedding import breakers, leases, ledger
from bootstrap_assets.operations import progress, requests

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

COUNTERS = {
    "requests": "Requests to providers.",
    "failed": "Requests that failed or were refused.",
    "limited": "Requests that a provider's rate limit refused.",
    "texts": "Texts that were embedded.",
    "tokens": "Tokens that were charged.",
    "dollars": "Dollars that were charged, by the models' prices.",
}
"""Columns of the ledger; each is the counter bootstrap_<column>_total."""


def exposition(connection: Connection) -> bytes:
    """All metrics in Prometheus' text format, version 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Corpus(connection))
    return generate_latest(registry)


class _Corpus(Collector):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def collect(self) -> Iterable[Metric]:
        for part in (_sources, _ledger, _waits, _breakers, _work):
            yield from part(self._connection)

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is is known when it is collected."""
        return []


def _sources(connection: Connection) -> Iterator[Metric]:
    rows = progress.sums(connection)
    gauges: dict[str, tuple[str, Callable[[progress.Sums], float]]] = {
        "records": ("Records of a source.", lambda row: row.records),
        "records_with_vector": ("Records of a source that have a vector.", lambda row: row.embedded),
        "dead_letters": ("Records of a source that could not be taken or embedded.", lambda row: row.errors),
        "source_stale": ("1 where the work on a source shows no sign of life.", lambda row: row.stale),
    }
    for name, (words, value) in gauges.items():
        gauge = GaugeMetricFamily(f"bootstrap_{name}", words, labels=["source"])
        for row in rows:
            gauge.add_metric([row.source], float(value(row)))
        yield gauge
    status = GaugeMetricFamily(
        "bootstrap_source_status", "1 for the status that a source has.", labels=["source", "status"]
    )
    for row in rows:
        status.add_metric([row.source, row.status], 1.0)
    yield status


def _ledger(connection: Connection) -> Iterator[Metric]:
    totals: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: dict.fromkeys(COUNTERS, 0.0))
    for day in ledger.costs(connection):
        total = totals[day["model"], day["source"] or ""]
        for column in COUNTERS:
            total[column] += float(day[column])
    for column, words in COUNTERS.items():
        counter = CounterMetricFamily(f"bootstrap_{column}", words, labels=["model", "source"])
        for labels, total in totals.items():
            counter.add_metric(labels, total[column])
        yield counter


def _waits(connection: Connection) -> Iterator[Metric]:
    gauge = GaugeMetricFamily(
        "bootstrap_limiter_wait_seconds", "Seconds that a provider said to wait, and are left.", labels=["limiter"]
    )
    for name, seconds in ledger.waits(connection).items():
        gauge.add_metric([name], seconds)
    yield gauge


def _breakers(connection: Connection) -> Iterator[Metric]:
    gauge = GaugeMetricFamily(
        "bootstrap_breaker_open", "1 where a circuit breaker is not closed.", labels=["name"]
    )
    for breaker in breakers.listing(connection):
        gauge.add_metric([breaker.name], float(breaker.state != "closed"))
    yield gauge


def _work(connection: Connection) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "bootstrap_leases", "Ranges of texts that some process works on.", value=leases.count(connection)
    )
    gauge = GaugeMetricFamily("bootstrap_queue", "Requests of other programs, by status.", labels=["status"])
    for status, count in requests.queue(connection).items():
        gauge.add_metric([status], count)
    yield gauge
