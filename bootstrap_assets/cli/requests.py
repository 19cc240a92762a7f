"""`bootstrap request|cancel|resume|wait|events`: for other programs and shells, through the database.

A request is turned into a run by the sensor `requests` of a running Dagster daemon (`bootstrap ui`).
"""

import fcntl
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import NoReturn

import click
import psycopg
from rich.markup import escape

from bootstrap_assets.cli.console import Number, errors, open_corpus_database, out, print_json
from bootstrap_assets.cli.streams import FAILED, TIMED_OUT, WITH_FAILURES
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Connection, Database, existing_database_url
from bootstrap_assets.database.readiness import ready_database_url
from bootstrap_assets.documents import tenants
from bootstrap_assets.errors import ConfigurationError, DatabaseUnavailable
from bootstrap_assets.operations import outbox, requests
from bootstrap_assets.operations.events import EVENTS, MAX_PRIORITY, IngestRequested
from bootstrap_assets.operations.outbox import Row
from bootstrap_assets.operations.requests import Request
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.sources.registry import SOURCES, get_source

PRIORITY = click.IntRange(-MAX_PRIORITY, MAX_PRIORITY)
NOBODY = "no `bootstrap ui` is running here: the request waits for one"

as_json = click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--tenant", help="Ask for this tenant's documents instead: whatever they lack, up to their vectors.")
@click.option("--force-refresh", is_flag=True, help="Download again what has changed on the server.")
@click.option("--priority", type=PRIORITY, default=0, help="The higher, the sooner.")
@click.option("--by", default="", metavar="NAME", help="Who asks.")
@click.option("--key", metavar="KEY", help="Asking again with this key while it is under way is the same request.")
@as_json
def request(
    sources: tuple[str, ...],
    tenant: str | None,
    force_refresh: bool,
    priority: int,
    by: str,
    key: str | None,
    as_json: bool,
) -> None:
    """Ask for sources to be brought up to date, or a tenant's documents.

    Without a source: for all of them. Asking twice for the same while it is under way makes one run; with a higher
    priority, that one becomes more urgent if it has not begun. Prints the request's number.
    """
    if tenant is not None and (sources or force_refresh):
        raise ConfigurationError("--tenant asks for documents: it goes with no source and no --force-refresh")
    for name in sources:
        get_source(name)
    names = [] if set(sources) == set(SOURCES) else list(sources)
    event = IngestRequested(
        sources=names, tenant=tenant, force_refresh=force_refresh, priority=priority, requested_by=by
    )
    settings = load_settings()
    ready_database_url(settings)
    with open_corpus_database() as connection:
        if tenant is not None:
            tenants.require(connection, tenant)
        number, new = requests.ask(connection, event, key=key)
        one = requests.get(connection, number)
    if as_json:
        print_json({"request": number, "new": new, "priority": one.priority})
    else:
        already = f", which is under way already, with priority {one.priority}"
        out.print(f"request {number}{'' if new else already}")
    _warn_where_nobody_works(settings, [one])


@click.command()
@click.argument("number", type=int)
def cancel(number: int) -> None:
    """Ask a request to end. Its run ends at the next safe point.

    Asking again changes nothing. Ends with 2 where there is no such request, or it has ended already.
    """
    with open_corpus_database() as connection:
        is_new = requests.cancel(connection, number)
        one = requests.get(connection, number)
    if not is_new and one.status != "cancelled" and not one.under_way:
        raise ConfigurationError(f"request {number} has ended already: {_standing(one)}")
    again = "" if is_new else " already"
    ending = ": its run ends at the next safe point" if one.under_way else ""
    out.print(f"request {number} is cancelled{again}{ending}", soft_wrap=True)


@click.command()
@click.argument("number", type=int)
def resume(number: int) -> None:
    """Ask again for a request that failed or was cancelled."""
    with open_corpus_database() as connection:
        if not requests.resume(connection, number):
            one = requests.get(connection, number)
            state = f"is under way ({one.status})" if one.under_way else f"is {_standing(one)}"
            hint = ", and was asked to end: resume it when it has" if one.under_way and one.cancelled else ""
            hint = hint or ": only a failed or cancelled one is resumed"
            raise ConfigurationError(f"request {number} {state}{hint}")
        one = requests.get(connection, number)
    out.print(f"request {number}")
    _warn_where_nobody_works(load_settings(), [one])


@click.command()
@click.argument("numbers", nargs=-1, type=int, metavar="[NUMBER]...")
@click.option("--timeout", type=Number(min=0), metavar="SECONDS", help="Then give up, with code 5.")
@as_json
def wait(numbers: tuple[int, ...], timeout: float | None, as_json: bool) -> None:
    """Wait until requests have ended, with their sources and the index.

    Without a number: all that are under way. Where nothing is under way it says so and ends with 0. A database
    that is away for a moment is waited for; one that stays away ends it with code 5, too.
    """
    settings = load_settings()
    with Database(existing_database_url(settings), size=1) as database:
        ids, entries, last = database.transact(partial(_look, numbers=numbers))
        before = {one.id for one in entries if not one.under_way}
        _warn_where_nobody_works(settings, entries)
        try:
            in_time = requests.wait(database, ids, timeout=timeout)
            entries = [database.transact(partial(requests.get, number=number)) for number in ids]
        except (psycopg.Error, DatabaseUnavailable) as error:
            _give_up(error, ids)
    if as_json:
        print_json([asdict(one) for one in entries])
    else:
        for one in entries:
            words = (
                _standing(one) if one.id in before else f"{one.status}{': ' + one.message if one.message else ''}"
            )
            out.print(f"request {one.id}: {escape(words)}", soft_wrap=True)
    if not entries:
        errors.print(last, soft_wrap=True)
    if not in_time:
        sys.exit(TIMED_OUT)
    statuses = {one.status for one in entries} - {"completed"}
    sys.exit(FAILED if statuses & {"failed", "cancelled"} else WITH_FAILURES if statuses else 0)


def _look(connection: Connection, numbers: Sequence[int]) -> tuple[list[int], list[Request], str]:
    """Which requests to wait for, how they are, and what to say where there are none."""
    schema.require_current(connection)
    ids = list(numbers) or [one.id for one in requests.listing(connection, statuses=requests.UNDER_WAY)]
    entries = [requests.get(connection, number) for number in ids]
    return ids, entries, "" if entries else _nothing_under_way(connection)


def _standing(one: Request) -> str:
    """A request's status, with the reason and since when."""
    since = f" since {one.finished_at.astimezone():%Y-%m-%d %H:%M:%S}" if one.finished_at else ""
    return f"{one.status}{since}{': ' + one.message if one.message else ''}"


def _nothing_under_way(connection: Connection) -> str:
    """The message where there is nothing to wait for."""
    entries = requests.listing(connection)
    if not entries:
        return "nothing was ever requested: `bootstrap request` does that"
    newest = max(entries, key=lambda one: one.id)
    return f"no request is under way; the last one, {newest.id}, is {_standing(newest)}"


def _give_up(error: Exception, numbers: Sequence[int]) -> NoReturn:
    """Say that it is not known how the requests end."""
    again = " ".join(map(str, ("bootstrap wait", *numbers)))
    errors.print(
        f"[bold red]gave up waiting:[/] {escape(' '.join(str(error).split()))}\n"
        f"The requests go on all the same; `{again}` waits again.",
        soft_wrap=True,
    )
    sys.exit(TIMED_OUT)


def _warn_where_nobody_works(settings: Settings, entries: Sequence[Request]) -> None:
    """Requests that nobody has begun may wait for ever."""
    if any(one.status == "requested" for one in entries) and not _is_ui_at_work(settings):
        errors.print(NOBODY, soft_wrap=True)


def _is_ui_at_work(settings: Settings) -> bool:
    """Whether a `bootstrap ui` holds the lock of this home, or one cannot tell."""
    try:
        with (settings.root / "ui.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


@click.command()
@click.option("--follow", is_flag=True, help="Keep printing new events, until Ctrl-C.")
@click.option("--after", type=int, metavar="ID", help="Only events after this one.")
@click.option("--name", "names", multiple=True, type=click.Choice(list(EVENTS)), help="Only these.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many of the newest.")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines on stdout.")
def events(follow: bool, after: int | None, names: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Show what was asked and what was done."""
    with open_corpus_database() as connection:
        newest = max((row.id for row in outbox.listing(connection, limit=1)), default=0)
        rows = outbox.listing(connection, after=after or 0, names=names, limit=limit)  # may have newer ones
    ids = {row.id for row in rows}
    for row in rows:
        _print(row, as_json=as_json)
    if follow:
        try:
            for row in outbox.follow(existing_database_url(load_settings()), after=newest, names=names):
                if row.id not in ids:
                    _print(row, as_json=as_json)
        except KeyboardInterrupt:
            sys.exit(0)


def _print(row: Row, *, as_json: bool) -> None:
    if as_json:
        print_json(row._asdict(), lines=True)
        return
    payload = "  ".join(f"{name} {_plain(value)}" for name, value in row.payload.items() if value not in _EMPTY)
    when = f"{row.created_at.astimezone():%Y-%m-%d %H:%M:%S}"
    out.print(f"[dim]{row.id:>6}  {when}[/]  {row.name:<28} {escape(payload)}", soft_wrap=True)


_EMPTY: tuple[object, ...] = ("", None, [], {})


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
