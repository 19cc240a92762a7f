"""`bootstrap plan` and `bootstrap cost`: what a run would cost, and what runs have cost."""

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import click

from bootstrap_assets.cli.console import errors, open_corpus_database, out, print_json, print_table, table
from bootstrap_assets.cli.run import settings_for
from bootstrap_assets.corpus.records import SAMPLE
from bootstrap_assets.database.connection import existing_database_url
from bootstrap_assets.embedding import ledger
from bootstrap_assets.embedding.providers.protocol import Model
from bootstrap_assets.embedding.providers.registry import PROVIDERS
from bootstrap_assets.errors import NoCorpusError
from bootstrap_assets.plan import Estimate, estimate
from bootstrap_assets.sources.registry import SOURCES, get_source

COUNTS = ("requests", "failed", "limited", "unanswered", "texts", "tokens")
COLUMNS = ("source", "records", "texts", "already there", "to send", "tokens", "requests", "dollars", "minutes")


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option(
    "--data",
    metavar="sample|official|DIR|URL",
    help="What would be loaded; DIR or URL holds <source>/<archives>.",
)
@click.option("--allow-deletes", is_flag=True, help="Plan a run that may delete more than a fifth of a source.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def plan(sources: tuple[str, ...], data: str | None, allow_deletes: bool, as_json: bool) -> None:
    """Show what a run would embed and cost, and what it would refuse.

    Reads the archives and asks the database; changes nothing there, pays for nothing and needs no key.
    """
    selection = [get_source(name) for name in sources] or list(SOURCES.values())
    settings = settings_for(data)
    model, estimates = estimate(settings, selection, allow_deletes=allow_deletes)
    try:
        existing_database_url(settings)
    except NoCorpusError as nothing:
        errors.print(f"this is for an empty corpus: {nothing}", soft_wrap=True, markup=False)
    if as_json:
        print_json({"model": asdict(model), "sources": [asdict(one) for one in estimates]})
        return
    grid = table(*COLUMNS)
    for one in estimates:
        grid.add_row(one.source, *_cells(one))
    if len(estimates) > 1:
        grid.add_section()
        grid.add_row("together", *_cells(_sum(estimates)), style="bold")
    print_table(grid)
    out.print(f"\n{_explain(model)}", soft_wrap=True)
    if invented := [one.source for one in estimates if one.invented]:
        out.print(f"[yellow]{SAMPLE}: {', '.join(invented)}; `--data official` plans for the real archives[/]")
    if failed := sum(one.failed for one in estimates):
        out.print(f"{failed:,} texts are dead letters and are not sent: `bootstrap failures retry` does that")
    for one in estimates:
        if one.refused:
            out.print(f"\na run would stop: {one.refused}", soft_wrap=True, markup=False, style="bold red")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def cost(as_json: bool) -> None:
    """Show what requests have cost, by day (UTC), model and source."""
    with open_corpus_database() as connection:
        rows = ledger.costs(connection)
    if as_json:
        print_json([{name: _plain(value) for name, value in row.items()} for row in rows])
        return
    if not rows:
        out.print("nothing has been sent yet")
        return
    grid = table(
        "day",
        "model",
        "source",
        "requests",
        "failed",
        "limited",
        "unanswered",
        "texts",
        "tokens",
        "dollars",
        left=3,
    )
    for row in rows:
        counts = (f"{row[name]:,}" for name in COUNTS)
        grid.add_row(str(row["day"]), row["model"], row["source"] or "", *counts, f"{row['dollars']:.4f}")
    grid.add_section()
    totals = (f"{sum(row[name] for row in rows):,}" for name in COUNTS)
    grid.add_row("together", "", "", *totals, f"{sum(row['dollars'] for row in rows):.4f}", style="bold")
    print_table(grid)
    unsure = sum(row["unsure_dollars"] for row in rows)
    if unsure >= Decimal("0.00005"):
        out.print(
            f"\nUp to ${unsure:.4f} more may have been charged for requests that got no complete answer, among "
            "them those of a process that was killed, and those in flight.",
            soft_wrap=True,
        )


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _cells(one: Estimate) -> Sequence[str]:
    counts = (one.records, one.texts, one.already, one.send, one.tokens, one.requests)
    minutes = "?" if one.minutes is None else f"{one.minutes:.1f}" if not 0 < one.minutes < 0.05 else "< 0.1"
    return *(f"{count:,}" for count in counts), f"{one.dollars:.4f}", minutes


def _sum(estimates: Sequence[Estimate]) -> Estimate:
    rows: list[dict[str, Any]] = [asdict(one) for one in estimates]
    minutes = [one.minutes for one in estimates if one.minutes is not None]
    totals = {
        name: sum(row[name] for row in rows)
        for name in rows[0]
        if name not in ("source", "minutes", "refused", "invented")
    }
    return Estimate(source="together", minutes=sum(minutes) if len(minutes) == len(rows) else None, **totals)


def _explain(model: Model) -> str:
    if model.is_free:
        prices = [
            f"; BOOTSTRAP_EMBEDDER={other.name} shows {other.title}'s price"
            for other in PROVIDERS.values()
            if not other.is_free
        ]
        return f"with {model.provider}'s {model.name}, at no cost{''.join(prices)}"
    limits = [
        f", {limit:,} {what} per minute"
        for limit, what in ((model.requests_minute, "requests"), (model.tokens_minute, "tokens"))
        if limit
    ]
    return (
        f"with {model.provider}'s {model.name}, ${model.dollars} per million tokens{''.join(limits)}; tokens are "
        "estimated, and a text that several sources hold is counted for the first"
    )
