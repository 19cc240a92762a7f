"""`bootstrap failures`: list, show, export, retry or ignore the dead letters."""

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from bootstrap_assets import pipeline
from bootstrap_assets.cli.console import (
    Number,
    check_place,
    open_corpus_database,
    out,
    print_json,
    print_table,
    table,
)
from bootstrap_assets.cli.signals import stopping_signals
from bootstrap_assets.cli.streams import WITH_FAILURES
from bootstrap_assets.documents.states import SOURCE as DOCUMENTS
from bootstrap_assets.embedding import context
from bootstrap_assets.embedding import failures as letters
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.repositories.records import SOURCE as REPOSITORIES
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.registry import get_source

MOST_ROWS = 100
"""Rows that `list` prints; --json gives all."""

of_source = click.option("--source", help="Only of this source.")
of_class = click.option("--class", "error_class", help="Only of this class of error, as `list` shows it.")

with_closed = click.option("--all", "closed", is_flag=True, help="Those too that are resolved or ignored.")


@click.group()
def failures() -> None:
    """Records that could not be taken or embedded, and why."""


@failures.command("list")
@of_source
@of_class
@with_closed
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def list_(source: str | None, error_class: str | None, closed: bool, as_json: bool) -> None:
    """List the dead letters."""
    rows = _read(source, error_class, closed=closed)
    if as_json:
        print_json([_plain(letter) for letter in rows])
        return
    if not rows:
        out.print("none")
        return
    columns = ("no.", "source", "record", "stage", "class", "tries", "why")
    grid = table(*columns, left=len(columns), free=("record", "why"))
    grid.columns[5].justify = "right"
    for letter in rows[:MOST_ROWS]:
        where = letter["source_id"] or letter["place"] or "(a passage)"
        state = "" if not closed else _state(letter)
        cells = (letter["source"], where, letter["stage"], letter["class"], str(letter["attempts"]))
        grid.add_row(str(letter["id"]), *map(escape, cells), escape(state + letter["message"]))
    print_table(grid)
    if len(rows) > MOST_ROWS:
        out.print(f"… and {len(rows) - MOST_ROWS:,} more: --source and --class choose, --json gives all")


@failures.command()
@click.argument("number", type=int, metavar="NO.")
def show(number: int) -> None:
    """Show one dead letter with its text."""
    with open_corpus_database() as connection:
        rows = letters.listing(connection, number=number, closed=True)
        if not rows:
            raise ConfigurationError(f"there is no failure {number}")
        letter = rows[0]
        text = (
            letters.text_of(connection, letter["source"], letter["content_hash"])
            if letter["content_hash"]
            else None
        )
    for name, value in (_plain(letter) | {"state": _state(letter).strip(": ") or "open"}).items():
        if value not in (None, ""):
            out.print(f"[bold]{name:<13}[/] {escape(str(value))}", soft_wrap=True)
    if text:
        content, document, place = text
        out.print(
            f"[bold]{'document':<13}[/] {escape(' · '.join(filter(None, (document, place))))}", soft_wrap=True
        )
        out.print(f"\n{escape(content)}", soft_wrap=True)


@failures.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@of_source
@of_class
@with_closed
def export(file: Path, source: str | None, error_class: str | None, closed: bool) -> None:
    """Append the dead letters to FILE, as JSON Lines."""
    check_place(file)
    rows = _read(source, error_class, closed=closed)
    with file.open("a", encoding="utf-8") as lines:
        for letter in rows:
            lines.write(json.dumps(_plain(letter), ensure_ascii=False, default=str) + "\n")
    out.print(f"{len(rows):,} appended to {escape(str(file))}", soft_wrap=True)


@failures.command()
@of_source
@of_class
@click.option("--max-cost", type=Number(min=0, min_open=True), metavar="USD", help="Stop before that.")
def retry(source: str | None, error_class: str | None, max_cost: float | None) -> None:
    """Embed the texts of the dead letters again, and nothing else."""
    _read(source, None)  # reports an unknown source before anything starts
    with stopping_signals() as stop, context.open_corpus(load_settings(), max_cost=max_cost, stop=stop) as corpus:
        results = pipeline.retry_failures(corpus, source=source, error_class=error_class)
    count = sum(result.texts + result.pooled for result in results.values())
    with open_corpus_database() as connection:
        rest = letters.listing(connection, source=source, error_class=error_class, space=corpus.space)
    unreadable = sum(letter["stage"] == "parse" for letter in rest)
    of_documents = sum(letter["source"] == DOCUMENTS for letter in rest)
    others = len(_read(source, error_class)) - len(rest)
    out.print(f"{count:,} text{'s' * (count != 1)} embedded, {len(rest):,} dead letters left", soft_wrap=True)
    if unreadable:
        out.print(
            f"{unreadable:,} of them could not be read from their archive: they are tried again when it changes "
            "(`bootstrap run --force-refresh`)",
            soft_wrap=True,
        )
    if sum(letter["source"] == REPOSITORIES for letter in rest):
        out.print("those of repositories are tried again by `bootstrap repositories retry`", soft_wrap=True)
    if of_documents:
        command = "`bootstrap documents retry --tenant NAME` tries them again"
        out.print(f"{of_documents:,} of them are of tenants' documents: {command}", soft_wrap=True)
    if others:
        out.print(f"{others:,} more are of other models than {corpus.space.model}, and were left alone")
    sys.exit(WITH_FAILURES if rest else 0)


@failures.command()
@click.argument("numbers", nargs=-1, type=int, metavar="[NO.]...")
@of_source
@of_class
def ignore(numbers: tuple[int, ...], source: str | None, error_class: str | None) -> None:
    """Leave dead letters as they are: they are no longer counted or retried."""
    if not (numbers or source or error_class):
        raise ConfigurationError("which ones? Give numbers, --source or --class")
    unknown = set(numbers) - {letter["id"] for letter in _read(source, error_class)}
    if unknown:
        raise ConfigurationError(f"no such dead letter: {', '.join(map(str, sorted(unknown)))}")
    with open_corpus_database() as connection:
        count = letters.ignore(connection, numbers=numbers, source=source, error_class=error_class)
    out.print(f"{count:,} ignored")


def _read(source: str | None, error_class: str | None, *, closed: bool = False) -> list[dict[str, Any]]:
    with open_corpus_database() as connection:
        rows = letters.listing(connection, source=source, error_class=error_class, closed=closed)
        if source and not rows and not letters.listing(connection, source=source, closed=True):
            get_source(source)  # an unknown one is wrong usage
    return rows


def _plain(letter: dict[str, Any]) -> dict[str, Any]:
    digest = letter["content_hash"]
    return letter | {"content_hash": digest.hex() if digest else None}


def _state(letter: dict[str, Any]) -> str:
    return "resolved: " if letter["resolved_at"] else "ignored: " if letter["ignored"] else ""
