"""`bootstrap repositories`: git repositories, what they define, refer to and depend on."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.markup import escape

from bootstrap_assets.cli.console import (
    Number,
    open_corpus_database,
    out,
    print_json,
    print_table,
    table,
)
from bootstrap_assets.cli.signals import stopping_signals
from bootstrap_assets.cli.streams import FAILED, WITH_FAILURES
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Database, database_url, existing_database_url
from bootstrap_assets.embedding import context
from bootstrap_assets.repositories import jobs, reading, registry, removal
from bootstrap_assets.settings import load_settings

COLOURS = {"completed": "green", "completed_with_findings": "green", "failed": "red"}

CODES = {"completed": 0, "completed_with_findings": WITH_FAILURES}
"""Exit codes by how a job ended; else it failed."""

SYMBOL = ("name", "qualified_name", "kind", "path", "line", "end_line", "signature")
REFERENCE = ("from_path", "from_line", "name", "kind", "to", "how", "confidence")

name_ = click.argument("name", metavar="NAME")
as_document = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
max_cost = click.option("--max-cost", type=Number(min=0, min_open=True), metavar="USD", help="Stop before that.")


@click.group()
def repositories() -> None:
    """Git repositories: what they define, what refers to what, what depends on what."""


@repositories.command()
@name_
@click.argument("address")
@click.option("--ref", default="", help="The branch or tag that is followed; without it the default branch.")
@click.option("--tenant", help="Whose it is; without it everybody's.")
@as_document
def add(name: str, address: str, ref: str, tenant: str | None, as_json: bool) -> None:
    """Keep the repository at ADDRESS indexed under NAME: https, ssh, file, or a folder. Asks nobody yet.

    Makes the schema where there is none, as `bootstrap run` does.
    """
    settings = load_settings()
    schema.upgrade(database_url(settings))
    with open_corpus_database() as connection:
        is_new = registry.add(connection, name, address, ref=ref, tenant=tenant, access=jobs.access(settings))
    if as_json:
        print_json({"name": name, "address": address, "ref": ref, "tenant": tenant, "added": is_new})
        return
    word = "added" if is_new else "is what was given now"
    out.print(f"{escape(name)} {word}: `bootstrap repositories index {escape(name)}` indexes it", soft_wrap=True)


@repositories.command("index")
@name_
@click.option("--commit", default="", help="This commit, by its full id; without it that of the ref.")
@click.option("--wait", is_flag=True, help="Index it now, and end when that has ended.")
@max_cost
@as_document
def index_(name: str, commit: str, wait: bool, max_cost: float | None, as_json: bool) -> None:
    """Index a repository; asked twice while it is under way is once.

    Without --wait the sensor `repositories` of a running deployment makes a run of it.
    """
    with open_corpus_database() as connection:
        _, correlation = registry.enqueue(connection, name, commit)
    if wait:
        _work([name], max_cost)
    elif not as_json:
        out.print(f"{escape(name)}: asked for, {correlation}")
        return
    _end_with(name, as_json, is_over=wait)


def _work(names: Sequence[str], max_cost: float | None) -> None:
    with stopping_signals() as stop, context.open_corpus(load_settings(), max_cost=max_cost, stop=stop) as corpus:
        jobs.process(corpus, names)


def _end_with(name: str, as_json: bool, *, is_over: bool) -> None:
    with open_corpus_database() as connection:
        shape = reading.show(connection, name)
    if as_json:
        print_json(shape)
    else:
        _print_state(shape)
    sys.exit(CODES.get(shape["status"], FAILED) if is_over else 0)


@repositories.command("list")
@as_document
def list_(as_json: bool) -> None:
    """List the repositories, and how far each of them is."""
    with open_corpus_database() as connection:
        rows = reading.listing(connection)
    if as_json:
        print_json(rows)
        return
    grid = table("repository", "commit", "status", *registry.COUNTS, "why", left=3, free=("why",))
    grid.columns[-1].justify = "left"
    for row in rows:
        counts = ["" if row[count] is None else f"{row[count]:,}" for count in registry.COUNTS]
        grid.add_row(
            escape(row["name"]), row["commit"][:12], _coloured(row["status"]), *counts, escape(row["reason"])
        )
    _print_grid(grid, "none: `bootstrap repositories add NAME ADDRESS` adds one")


@repositories.command()
@name_
@as_document
def show(name: str, as_json: bool) -> None:
    """Show on one screen what is in a repository, and how its last job went."""
    with open_corpus_database() as connection:
        shape = reading.show(connection, name)
    if as_json:
        print_json(shape)
    else:
        _print_state(shape)


@repositories.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
def retry(names: tuple[str, ...]) -> None:
    """Let jobs that failed, and texts that were refused, begin again: all, or those of these repositories."""
    with open_corpus_database() as connection:
        again = jobs.retry(connection, names or None)
    out.print(f"{len(again):,} to be tried again{': ' if again else ''}{escape(', '.join(again))}", soft_wrap=True)


@repositories.command()
@name_
def cancel(name: str) -> None:
    """Stop the work on a repository at its next safe point, and leave its index as it is."""
    with open_corpus_database() as connection:
        count = registry.cancel(connection, name)
    out.print(f"{count:,} cancelled", soft_wrap=True)


@repositories.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def remove(names: tuple[str, ...]) -> None:
    """Remove repositories, with every record, text and vector that only they had; work on them is cancelled."""
    with Database(existing_database_url(load_settings())) as database:
        for name in names:
            removal.remove(database, name)
    out.print(f"{len(names):,} removed")


@repositories.command()
@name_
@click.option("--kind", help="Only these: function, class, method, section and others.")
@click.option("--path", help="Only of this file, or below this folder.")
@as_document
def symbols(name: str, kind: str | None, path: str | None, as_json: bool) -> None:
    """List what a repository defines."""
    with open_corpus_database() as connection:
        rows = reading.symbols(connection, name, kind=kind, path=path)
    if as_json:
        print_json(_shaped(rows, SYMBOL))
        return
    grid = table("where", "kind", "symbol", "signature", left=4, free=("signature",))
    for row in rows:
        place, symbol = f"{row['path']}:{row['line']}", row["qualified_name"]
        grid.add_row(*map(escape, (place, row["kind"], symbol, row["signature"])))
    _print_grid(grid)


@repositories.command()
@name_
@click.option("--to", metavar="QUALIFIED_NAME", help="Only what leads to this symbol.")
@as_document
def references(name: str, to: str | None, as_json: bool) -> None:
    """List what a repository refers to, resolved or not."""
    with open_corpus_database() as connection:
        rows = reading.references(connection, name, to=to)
    _print_references(rows, as_json)


@repositories.command()
@name_
@click.argument("symbol", metavar="QUALIFIED_NAME")
@as_document
def callers(name: str, symbol: str, as_json: bool) -> None:
    """List from where a function is called."""
    with open_corpus_database() as connection:
        rows = reading.callers(connection, name, symbol)
    _print_references(rows, as_json, (*REFERENCE, "scope"))


@repositories.command()
@name_
@as_document
def dependencies(name: str, as_json: bool) -> None:
    """List which files depend on which files and packages."""
    with open_corpus_database() as connection:
        shape = reading.dependencies(connection, name)
    if as_json:
        print_json(shape)
        return
    for start, end in [*shape["files"], *shape["packages"]]:
        out.print(f"{escape(start)} [dim]→[/] {escape(end)}", soft_wrap=True)


@repositories.command()
@name_
@as_document
def cycles(name: str, as_json: bool) -> None:
    """List groups of files that depend on each other."""
    with open_corpus_database() as connection:
        groups = reading.cycles(connection, name)
    if as_json:
        print_json(groups)
        return
    for group in groups:
        out.print(escape(", ".join(group)), soft_wrap=True)


def _shaped(rows: Iterable[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in rows]


def _print_references(rows: list[dict[str, Any]], as_json: bool, shape: Sequence[str] = REFERENCE) -> None:
    if as_json:
        print_json(_shaped(rows, shape))
        return
    grid = table("where", "kind", "name", "leads to", "how", "in", left=6, free=("leads to",))
    for row in rows:
        target = " ".join(filter(None, (row["to"], row["to_path"] and f"({row['to_path']})")))
        place = f"{row['from_path']}:{row['from_line']}"
        grid.add_row(*map(escape, (place, row["kind"], row["name"], target, row["how"] or "–", row["scope"])))
    _print_grid(grid)


def _print_grid(grid: Any, nothing: str = "none") -> None:
    if grid.row_count:
        print_table(grid)
    else:
        out.print(nothing)


def _coloured(status: str) -> str:
    return f"[{COLOURS.get(status, 'yellow')}]{status.replace('_', ' ')}[/]"


def _print_state(shape: dict[str, Any]) -> None:
    counts = ", ".join(f"{shape[name]:,} {name}" for name in registry.COUNTS if shape[name] is not None)
    lines = {
        "repository": escape(shape["name"]),
        "address": escape(f"{shape['address']} {shape['ref']}".strip()),
        "tenant": escape(shape["tenant"] or ""),
        "commit": shape["commit"],
        "status": _coloured(shape["status"]) + (f" in {shape['stage']}" if shape["stage"] else ""),
        "why": escape(shape["reason"]),
        "next": f"bootstrap repositories retry {escape(shape['name'])}" if shape["status"] == "failed" else "",
        "holds": counts,
        "languages": escape(", ".join(f"{row['files']:,} {row['language']}" for row in shape["languages"])),
        "left out": escape(", ".join(f"{row['files']:,} {row['reason']}" for row in shape["left_out"])),
        "stages": ", ".join(f"{stage} {seconds:g} s" for stage, seconds in shape["seconds"].items()),
        "job": shape["correlation_id"],
    }
    for label, value in lines.items():
        if value:
            out.print(f"[dim]{label:<12}[/] {value}", soft_wrap=True)
    for row in shape["finding_list"]:
        out.print(f"[yellow]{escape(row['path'])}:{row['line']}[/] {escape(row['message'])}", soft_wrap=True)
