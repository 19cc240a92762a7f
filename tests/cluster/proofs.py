"""What several hosts are to show. Each proof gives a row of the table."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.chaos.table import Row
from tests.cluster.hosts import Process, until
from tests.cluster.provider import Provider
from tests.cluster.scene import Scene, scene

Tell = Callable[[str], None]

REQUEST_TEXTS = 1_000
IN_FLIGHT = 2
"""Requests of a worker at once, as scene.py sets it; each holds as many texts as the provider takes."""

LEASE = 45.0
"""Seconds that a lease may outlive a host: the server looks after 10, gives up after 30; and slack."""


def throughput(
    folder: Path, tell: Tell, *, alone: int, texts: int, tokens_minute: int, latency: float = 6.0
) -> Row:
    """One worker, then four hosts: 3.2 times as fast until the limiter binds, then 95 % of it and never above."""
    row = Row("throughput", f"{alone:,} texts by one worker, {texts:,} by four on four hosts")
    with scene(folder / "alone", latency=latency) as single:
        _work(single, alone, 1)
        rate = _rate(single.provider, [single.hosts[0].address], float("inf"))
        _pay(row, single, alone)
    tell(f"one worker: {rate:,.0f} texts/s")
    with scene(folder / "four", latency=latency, rpm=2_000, tpm=tokens_minute) as four:
        four.settings = {"BOOTSTRAP_VOYAGE_TPM": str(tokens_minute), "BOOTSTRAP_VOYAGE_RPM": "2000"}
        _work(four, texts, 4)
        provider = four.provider
        bound = _bound(provider, tokens_minute)
        together = _rate(provider, [host.address for host in four.hosts], bound)
        usage, used = provider.usage_by_window(), provider.usage_by_window().average_tokens / tokens_minute
        _pay(row, four, texts)
    row.told = (
        f"{rate:,.0f} texts/s alone, {together:,.0f} by four ({together / rate:.2f} times) until the limit binds; "
        f"then {used:.1%} of {tokens_minute:,} tokens a minute, at most {usage.most_tokens:,} in any; "
        f"{provider.limited} answers with 429; shares {sorted(provider.shares.values())}"
    )
    row.require(together >= 3.2 * rate, f"four workers are {together / rate:.2f} times as fast as one")
    row.require(used >= 0.95, f"only {used:.1%} of the limit was used")
    row.require(usage.most_tokens <= tokens_minute, "the limit was passed")
    row.require(provider.limited <= 0.05 * provider.arrived, f"{provider.limited} answers with 429")
    return row


def disturbances(folder: Path, tell: Tell, *, texts: int, latency: float = 4.0) -> Row:
    """Two hosts cut off, one from the database alone; one killed; a clock jumps; PostgreSQL restarts."""
    row = Row("disturbances", f"{texts:,} texts, 5 hosts: 2 cut off and back, 1 killed, 1 an hour ahead, restart")
    with scene(folder, latency=latency) as stage:
        workers = _start(stage, texts, 5)
        cut, gone, _, jumping, calm = stage.hosts
        until(lambda: len(stage.provider.shares) == 5, 60, "all five have paid")
        cut.cut("database")
        gone.cut()
        since = time.monotonic()
        workers[2].kill()
        jumping.set_clock(3_600)
        freed = until(
            lambda: not (stage.leases(cut) or stage.leases(gone)), 2 * LEASE, "leases of the cut-off hosts"
        )
        tell(f"the leases of the cut-off hosts were free after {freed:.0f} s; PostgreSQL restarts")
        stage.server.stop()
        stage.server.start()
        until(
            lambda: bool(stage.leases(jumping) and stage.leases(calm)), 60, "leases taken anew after the restart"
        )
        row.require(stage.missing() > 0, "too few texts: nothing was left when the hosts came back")
        cut.mend()
        gone.mend()
        tell(f"the hosts are back, with {stage.missing():,} texts left")
        codes = [worker.wait(300) for worker in workers]
        again = {host.name: stage.bought_again(host, since) for host in (cut, gone)}
        back = {host.name: stage.provider.shares_since(since + freed)[host.address] for host in (cut, gone)}
        row.require(freed <= LEASE, f"a lease outlived its host by {freed:.0f} s")
        row.require(codes == [0, 0, -9, 0, 0], f"workers ended with {codes}: {workers[0].log[-300:]}")
        row.require(not sum(again.values()), f"a host that was cut off paid for what others took: {again}")
        row.require(all(back.values()), f"a host that came back did nothing: {back}")
        _pay(row, stage, texts, allowed=5 * IN_FLIGHT * REQUEST_TEXTS)
        stale = stage.one("SELECT count(*) FROM bootstrap_batches WHERE stage <> 'complete'")
        row.require(stale == 0, f"{stale} batches are not complete")
        row.told = (
            f"their leases free after {freed:.0f} s, {stage.provider.texts_paid_twice} texts paid twice; "
            f"hosts that came back embedded {sum(back.values()):,}, of them {sum(again.values())} that others had"
        )
    return row


def cut_off(folder: Path, *, texts: int, latency: float = 0.4) -> Row:
    """The quick form: two hosts, clocks a minute apart, one of them cut off from the database, and back."""
    row = Row("cut off", f"{texts:,} texts, 2 hosts")
    with scene(folder, latency=latency) as stage:
        stage.server.impatient = True
        workers = _start(stage, texts, 2)
        cut = stage.hosts[0]
        until(lambda: len(stage.provider.shares) == 2, 60, "both have paid")
        cut.cut("database")
        since = time.monotonic()
        until(lambda: not stage.leases(cut), 20, "the leases of the host that was cut off")
        workers[1].wait(60)
        cut.mend()
        codes = [worker.wait(60) for worker in workers]
        row.require(codes == [0, 0], f"workers ended with {codes}: {workers[0].log[-300:]}")
        again = stage.bought_again(cut, since)
        row.require(not again, f"the host that was cut off paid for {again} texts that the other took")
        _pay(row, stage, texts, allowed=IN_FLIGHT * REQUEST_TEXTS)
    return row


def _start(stage: Scene, texts: int, hosts: int) -> list[Process]:
    """Put texts there and start a worker on each of some hosts, whose clocks are a minute apart, all at once."""
    stage.add_texts("cuad", texts)
    workers = []
    with stage.provider.shut():
        for number in range(hosts):
            host = stage.host()
            host.set_clock(60 * number)
            workers.append(host.start("bootstrap", "worker", "--idle-exit"))
        until(lambda: len(stage.provider.clients) == hosts or _ended(workers), 120, "every worker has asked")
    assert not _ended(workers), workers[0].log
    return workers


def _ended(workers: Sequence[Process]) -> bool:
    return any(worker.exit_code is not None for worker in workers)


def _work(stage: Scene, texts: int, hosts: int) -> None:
    for worker in _start(stage, texts, hosts):
        assert worker.wait(600) == 0, worker.log


def _rate(provider: Provider, clients: Sequence[str], end: float) -> float:
    """Texts a second from when all are at full work until a moment, or the last request."""
    arrivals = {
        client: sorted(sale.arrived for sale in provider.sales if sale.client == client) for client in clients
    }
    start = max(moments[IN_FLIGHT - 1] for moments in arrivals.values())
    end = min(end, max(moments[-1] for moments in arrivals.values()))
    return provider.texts_between(start, end) / (end - start)


def _bound(provider: Provider, tokens_minute: int) -> float:
    """When nine tenths of what a minute takes had been asked for."""
    tokens = 0
    for entry in sorted(provider.log, key=lambda entry: entry.arrived):
        tokens += entry.tokens
        if tokens > 0.9 * tokens_minute:
            return entry.arrived
    raise AssertionError("the limit was never reached")


def _pay(row: Row, stage: Scene, texts: int, allowed: int = 0) -> None:
    missing, status = stage.missing(), stage.one("SELECT status FROM bootstrap_progress")
    row.require(missing == 0, f"{missing} texts have no vector")
    row.require(status == "completed", f"the source is {status}")
    row.pay(stage.provider.requests, stage.provider.texts_paid, texts, allowed)
