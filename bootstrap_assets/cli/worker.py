"""`bootstrap worker`: embed what is missing, beside any number of others; and the probe of those on this host."""

import sys
from typing import Any
from uuid import uuid4

import click

from bootstrap_assets.cli.console import Number, out
from bootstrap_assets.cli.streams import FAILED
from bootstrap_assets.operations import liveness
from bootstrap_assets.settings import Settings, load_settings

LATE = 2.0
"""Heartbeats that may pass until a worker counts as silent."""


@click.command()
@click.option("--source", "sources", multiple=True, help="Only texts of this source; may be given several times.")
@click.option("--idle-exit", is_flag=True, help="End when nothing is left, instead of waiting for more.")
@click.option("--max-cost", type=Number(min=0, min_open=True), metavar="USD", help="Stop before it costs more.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="Answer at /metrics there; 0: any free port.")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="Unset: BOOTSTRAP_LOG_FORMAT.")
@click.option("--health", is_flag=True, help="Only say whether a worker of this host shows signs of life.")
def worker(log_format: str | None, health: bool, **options: Any) -> None:
    """Embed what is missing, beside any number of other workers.

    Texts are shared out by leases in the database: none is paid for twice, on however many machines. A worker
    loads no source and changes no schema (`bootstrap run` or `bootstrap db upgrade` does). After SIGTERM it ends
    what is in flight, within 30 seconds.
    """
    settings = load_settings()
    if health:
        _probe(settings)
    elif (log_format or settings.log_format) == "json":
        _work_in_json(settings, options)
    else:
        from bootstrap_assets.cli import work

        _print_end(work.work(settings, run=uuid4().hex, report=work.say, **options))


def _work_in_json(settings: Settings, options: dict[str, Any]) -> None:
    from bootstrap_assets.cli import work
    from bootstrap_assets.cli.complaints import complain
    from bootstrap_assets.cli.json_lines import json_on_stderr

    run = uuid4().hex
    with json_on_stderr(run, settings.correlation) as lines:
        try:
            totals = work.work(settings, run=run, report=lines.say, **options)
        except Exception as error:  # noqa: BLE001 - what nobody foresaw is raised again
            lines.level = "error"
            sys.exit(complain(error))
    _print_end(totals)


def _print_end(totals: Any) -> None:
    cost = f", ${totals.dollars:.4f}" if totals.dollars else ""
    what = f"{totals.texts:,} texts embedded in {totals.requests:,} request{'s' * (totals.requests != 1)}"
    out.print(f"nothing is left: {what}{cost}", soft_wrap=True)


def _probe(settings: Settings) -> None:
    silence, most = liveness.silence(settings.root), LATE * settings.heartbeat_seconds
    if silence is not None and silence <= most:
        out.print(f"a worker of this host showed a sign of life {silence:.0f} s ago")
    else:
        out.print(f"no worker of this host has shown a sign of life for {most:.0f} s")
        sys.exit(FAILED)
