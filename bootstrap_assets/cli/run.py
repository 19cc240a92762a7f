"""`bootstrap run`: the Dagster job, as a child process, with its progress read from the database."""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click
import psycopg
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from bootstrap_assets import standstill
from bootstrap_assets.cli.console import Number, errors, out
from bootstrap_assets.cli.environment import is_embedded_running, prepare_environment
from bootstrap_assets.cli.signals import AT_ONCE, STOPPED, STOPPING, Signalled, raising_signals
from bootstrap_assets.cli.status import print_status
from bootstrap_assets.cli.streams import BUDGET_REACHED, FAILED, WITH_FAILURES
from bootstrap_assets.database.connection import connect, database_url
from bootstrap_assets.database.readiness import ready_database_url
from bootstrap_assets.embedding import batching, context
from bootstrap_assets.embedding.choose import choose_embedder
from bootstrap_assets.embedding.gate import limiter_of
from bootstrap_assets.embedding.status import server_time, sources_since
from bootstrap_assets.errors import BootstrapError, BudgetError, ConfigurationError
from bootstrap_assets.settings import Settings, is_address, load_settings, local_folder
from bootstrap_assets.sources.registry import SOURCES, get_source
from bootstrap_assets.status import read_status

POLL = 0.2
"""Seconds between two looks at the progress."""

_NOTHING: dict[str, Any] = {"success": True, "failures": [], "assets": {}}
"""The answer of a run that was not needed."""

MOST_LOGS = 50
"""Logs of earlier runs that are kept."""


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option(
    "--data", metavar="sample|official|DIR|URL", help="What to load; DIR or URL holds <source>/<archives>."
)
@click.option("--force-refresh", is_flag=True, help="Download again what has changed on the server.")
@click.option("--allow-deletes", is_flag=True, help="Let a source lose more than a fifth of its records.")
@click.option("--max-cost", type=Number(min=0, min_open=True), metavar="USD", help="Stop before it costs more.")
def run(
    sources: tuple[str, ...], data: str | None, force_refresh: bool, allow_deletes: bool, max_cost: float | None
) -> None:
    """Load, embed and index the corpus.

    Every source, or those named. Goes on where it was interrupted. Ctrl-C lets the requests in flight end and
    keeps their vectors; a second one stops at once.
    """
    selection = [get_source(name) for name in sources] or list(SOURCES.values())
    settings = settings_for(data)
    choose_embedder(settings)
    start = time.monotonic()
    if not force_refresh and standstill.is_reached(settings, selection):
        print_status(read_status(settings))
        _print_end(settings, _NOTHING, time.monotonic() - start)
        return
    url = ready_database_url(settings)
    with connect(url) as connection:
        batching.require(connection, settings.batches)
        context.embedder_for(connection, settings)
    resource = {"data": settings.data, "force_refresh": force_refresh, "allow_deletes": allow_deletes}
    answer = _execute(
        settings, {"sources": list(sources), "resource": resource | ({"max_cost": max_cost} if max_cost else {})}
    )
    if answer["success"]:
        standstill.record(settings, selection, answer["run_id"])
        print_status(read_status(settings))
    _print_end(settings, answer, time.monotonic() - start)
    sys.exit(_exit_code(answer))


def settings_for(data: str | None) -> Settings:
    """The settings with what --data says; ConfigurationError where there is no such folder."""
    settings = load_settings(**({"data": _absolute(data)} if data else {}))
    is_elsewhere = settings.data in ("sample", "official") or is_address(settings.data)
    if not is_elsewhere and not local_folder(settings.data).is_dir():
        raise ConfigurationError(f"{'--data' if data else 'BOOTSTRAP_DATA'}: there is no folder {settings.data}")
    return settings


def _exit_code(answer: dict[str, Any]) -> int:
    if not answer["success"]:
        reasons = {failure.get("error") for failure in answer["failures"]}
        return BUDGET_REACHED if reasons == {BudgetError.__name__} else FAILED
    return WITH_FAILURES if _dead_letters(answer) else 0


def _dead_letters(answer: dict[str, Any]) -> int:
    return sum(asset.get("failures", 0) for asset in answer["assets"].values())


def _absolute(data: str) -> str:
    return data if data in ("sample", "official") or "://" in data else str(Path(data).expanduser().resolve())


def _execute(settings: Settings, request: dict[str, Any]) -> dict[str, Any]:
    log = settings.root / "logs" / f"run-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    _forget_logs(log.parent)
    environment = os.environ | prepare_environment(settings)
    command = [sys.executable, "-m", "bootstrap_assets.defs.execute", json.dumps(request)]
    with (
        log.open("wb") as file,
        tempfile.TemporaryFile() as output,  # not a pipe, which a child that prints much would block on
        # A session of its own: a Ctrl-C of the terminal is for this process, which passes it on in its own way.
        subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=output, stderr=file, start_new_session=True
        ) as child,
        raising_signals(),
    ):
        try:
            _show_progress(settings, child, request["sources"] or list(SOURCES))
            child.wait()
        except Signalled as interruption:
            _stop(child, interruption.number)
        output.seek(0)
        return _answer(output.read().decode(), log)


def _forget_logs(folder: Path) -> None:
    """Remove the logs of all runs but the last ones; their names begin with the time."""
    for old in sorted(folder.glob("run-*.log"))[:-MOST_LOGS]:
        with suppress(OSError):  # another run may have removed it
            old.unlink()


def _stop(child: "subprocess.Popen[bytes]", number: int) -> NoReturn:
    """Let the child finish what is in flight; a second signal ends it at once."""
    assert child.stdin
    try:
        errors.print(STOPPING, soft_wrap=True)
        child.stdin.close()  # the end of its stdin tells the child to stop, also when this process is killed
        child.wait()
        errors.print(STOPPED, soft_wrap=True)
    except Signalled as again:
        number = again.number
        child.kill()
        child.wait()
        errors.print(AT_ONCE, soft_wrap=True)
    sys.exit(128 + number)


def _answer(output: str, log: Path) -> dict[str, Any]:
    lines = output.strip().splitlines()
    try:
        answer: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, json.JSONDecodeError):
        tail = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it printed nothing"]
        answer = {"success": False, "failures": [{"asset": "run", "message": tail[0]}], "assets": {}}
    answer["log"] = str(log)
    return answer


def _show_progress(settings: Settings, child: "subprocess.Popen[bytes]", sources: list[str]) -> None:
    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description:<14}"),
        BarColumn(30),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
    )
    url = database_url(settings)
    display = Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
    # Without the display the run goes on: it is the child that knows how it ends.
    with suppress(psycopg.Error, BootstrapError), display, connect(url, autocommit=True) as connection:
        tasks = {name: display.add_task(name, total=None, start=False, words="waiting") for name in sources}
        limiter = limiter_of(context.embedder_for(connection, settings))
        since = server_time(connection)
        while child.poll() is None:
            try:
                child.wait(POLL)
            except subprocess.TimeoutExpired:
                _refresh(display, tasks, sources_since(connection, limiter, since))


def _refresh(display: Progress, tasks: dict[str, TaskID], rows: list[tuple[Any, ...]]) -> None:
    for source, state, total, processed, embedded, pause in rows:
        if source not in tasks:
            continue
        display.start_task(tasks[source])
        if state == "in_progress" and not (total and embedded):
            words = f"reading, {processed:,} records" if processed else "reading"
        else:
            words = f"{embedded:,} of {total:,} records have vectors"
        if pause and state == "in_progress":
            words += f"; the rate limit says to wait {pause} s"
        display.update(tasks[source], total=total or None, completed=embedded, words=words)


def _print_end(settings: Settings, answer: dict[str, Any], seconds: float) -> None:
    assets = answer["assets"].values()
    texts = sum(asset.get("texts_embedded", 0) for asset in assets)
    changes = sum(asset.get(what, 0) for asset in assets for what in ("new", "changed", "deleted"))
    dollars = sum(asset.get("dollars", 0.0) for asset in assets)
    if not answer["success"]:
        for message, assets in _by_message(answer["failures"]).items():
            errors.print(f"[bold red]{', '.join(assets)}:[/] {escape(message)}", soft_wrap=True)
        outcome = "stopped" if _exit_code(answer) == BUDGET_REACHED else "failed"
        errors.print(f"{outcome} after {seconds:.1f} s; the whole log: {answer['log']}", soft_wrap=True)
        _print_dead_letters(answer)
        return
    index = answer["assets"].get("reference_index", {})
    if texts or changes or index.get("promoted") or index.get("action") == "built":
        cost = f", ${dollars:.4f}" if dollars else ""
        out.print(f"\nDone in {seconds:.1f} s: {changes:,} records changed, {texts:,} texts embedded{cost}.")
    else:
        out.print(f"\nDone in {seconds:.1f} s: everything was up to date, there was nothing to do.")
    _print_dead_letters(answer)
    if is_embedded_running(settings):
        out.print(
            "[dim]PostgreSQL goes on running: `bootstrap db psql` opens it, `bootstrap db down` stops it.[/]"
        )


def _print_dead_letters(answer: dict[str, Any]) -> None:
    if dead := _dead_letters(answer):
        out.print(
            f"[bold red]{dead:,} record{'s' * (dead != 1)} failed:[/] `bootstrap failures list` says why, "
            "`bootstrap failures retry` tries them again.",
            soft_wrap=True,
        )


def _by_message(failures: list[dict[str, Any]]) -> dict[str, list[str]]:
    """What failed, by reason: one open breaker or spent budget ends several assets."""
    assets: dict[str, list[str]] = {}
    for failure in failures:
        assets.setdefault(failure["message"], []).append(failure["asset"])
    return assets
