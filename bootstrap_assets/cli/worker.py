"""`bootstrap worker`: embed what is missing, beside any number of others."""

from datetime import UTC, datetime
from threading import Thread

import click
from rich.markup import escape

from bootstrap_assets import worker as workers
from bootstrap_assets.cli.console import Number, errors, out
from bootstrap_assets.cli.metrics import serving
from bootstrap_assets.cli.signals import stopping_signals
from bootstrap_assets.embedding import context
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.registry import searched_name

DRAIN = 30.0
"""Seconds that what is in flight may take to end after a signal."""


@click.command()
@click.option("--source", "sources", multiple=True, help="Only texts of this source; may be given several times.")
@click.option("--idle-exit", is_flag=True, help="End when nothing is left, instead of waiting for more.")
@click.option("--max-cost", type=Number(min=0, min_open=True), metavar="USD", help="Stop before it costs more.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="Answer at /metrics there; 0: any free port.")
def worker(sources: tuple[str, ...], idle_exit: bool, max_cost: float | None, metrics_port: int | None) -> None:
    """Embed what is missing, beside any number of other workers.

    Texts are shared out by leases in the database: none is paid for twice, on however many machines. A worker
    loads no source and changes no schema (`bootstrap run` or `bootstrap db upgrade` does). After SIGTERM it ends
    what is in flight, within 30 seconds.
    """
    names = [searched_name(name) for name in sources]
    settings = load_settings()
    if metrics_port is not None:
        server = serving("0.0.0.0", metrics_port)
        Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    with (
        stopping_signals(within=DRAIN) as stop,
        context.open_corpus(settings, max_cost=max_cost, stop=stop, upgrade=False) as corpus,
    ):
        work = workers.work(corpus, names, idle_exit=idle_exit, report=_say)
    cost = f", ${work.dollars:.4f}" if work.dollars else ""
    what = f"{work.texts:,} texts embedded in {work.requests:,} request{'s' * (work.requests != 1)}"
    out.print(f"nothing is left: {what}{cost}", soft_wrap=True)


def _say(line: str) -> None:
    errors.print(f"{datetime.now(UTC):%H:%M:%S} {escape(line)}", soft_wrap=True)
