"""What `bootstrap worker` does until it ends; apart from the command, whose probe loads none of this."""

from datetime import UTC, datetime
from threading import Thread

from rich.markup import escape

from bootstrap_assets import worker as workers
from bootstrap_assets.cli.console import errors
from bootstrap_assets.cli.metrics import serving
from bootstrap_assets.cli.signals import stopping_signals
from bootstrap_assets.embedding import context
from bootstrap_assets.operations.liveness import living
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.registry import searched_name

DRAIN = 30.0
"""Seconds that what is in flight may take to end after a signal."""


def work(
    settings: Settings,
    sources: tuple[str, ...],
    run: str,
    report: workers.Report,
    *,
    idle_exit: bool,
    max_cost: float | None,
    metrics_port: int | None,
) -> workers.Work:
    """Work until nothing is left, or a signal comes, which ends the command."""
    names = [searched_name(name) for name in sources]
    if metrics_port is not None:
        server = serving("0.0.0.0", metrics_port)
        Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    with (
        stopping_signals(within=DRAIN) as stop,
        context.open_corpus(settings, run_id=run, max_cost=max_cost, stop=stop, upgrade=False) as corpus,
        living(settings.root, every=settings.heartbeat_seconds),
    ):
        return workers.work(corpus, names, idle_exit=idle_exit, report=report)


def say(message: str, *, level: str = "info", source: str | None = None, batch: int | None = None) -> None:
    """Report a line to people, who need none for each batch."""
    if batch is not None:
        return
    color = {"warning": "[yellow]"}.get(level, "")
    errors.print(f"{datetime.now(UTC):%H:%M:%S} {color}{escape(message)}", soft_wrap=True)
