"""`bootstrap status`: what is in the corpus and how the last work on it ended."""

from typing import Any

import click
from rich.markup import escape

from bootstrap_assets.cli.console import out, print_json, print_table, table
from bootstrap_assets.corpus.records import Granularity
from bootstrap_assets.settings import load_settings
from bootstrap_assets.status import read_status

COLOURS = {
    "completed": "green",
    "completed_with_failures": "yellow",
    "in_progress": "yellow",
    "failed": "red",
    "pending": "dim",
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def status(as_json: bool) -> None:
    """Show what is in the corpus."""
    document = read_status(load_settings())
    if as_json:
        print_json(document)
    else:
        print_status(document)


INVENTED = "The sample is invented, to try things out: `bootstrap run --data official` takes the real archives."
WHAT = "what they are"


def print_status(document: dict[str, Any]) -> None:
    """The status as a table, for people."""
    grid = table("source", "status", "records", "vectors", "errors", WHAT, left=2, free=(WHAT,))
    grid.columns[-1].justify = "left"
    for name, source in document["sources"].items():
        errors, grains = source["error_count"], _grains(source["by_granularity"])
        grid.add_row(
            name,
            f"[{COLOURS.get(source['status'], 'none')}]{source['status'].replace('_', ' ')}[/]",
            f"{source['total_records']:,}",
            f"{source['embedded_records']:,}",
            f"[red]{errors:,}[/]" if errors else "0",
            f"[yellow]{source['origin']}:[/] {grains}" if source["origin"] else grains,
        )
    print_table(grid)
    _print_rest(document)


def _grains(counts: dict[str, int]) -> str:
    """`94 documents, 3,765 sections`, from the largest unit to the smallest."""
    pairs = [(grain.value, counts.get(grain.value, 0)) for grain in Granularity]
    return ", ".join(f"{count:,} {grain}{'s' * (count != 1)}" for grain, count in pairs if count)


def _print_rest(document: dict[str, Any]) -> None:
    space, index = document["space"], document["index"]
    if space is None:
        out.print("\nThe corpus is empty: `bootstrap run` fills it.")
        return
    state = "valid" if index["valid"] else "invalid" if index["exists"] else "not built yet"
    out.print(
        f"\n{document['texts']:,} distinct texts, {space['vectors']:,} vectors of {space['dimensions']} dimensions"
        f" ({space['provider']}, {space['model']}); index {state}",
        soft_wrap=True,
    )
    if any(source["invented"] for source in document["sources"].values()):
        out.print(f"[yellow]{INVENTED}[/]", soft_wrap=True)
    for name, source in document["sources"].items():
        batches = source["batches"]
        if batches["total"] != batches["complete"]:
            out.print(f"{name}: {batches['complete']} of {batches['total']} batches complete")
        if batches["stale"] or source["stale"]:
            out.print(
                f"[yellow]{name}: no sign of life for {_ago(source['heartbeat_seconds'])}: whoever worked on "
                f"{_batches(batches['stale'])} is gone; `bootstrap run {name}` goes on[/]",
                soft_wrap=True,
            )
        if source["error_count"]:
            out.print(
                f"[red]{name}: {source['error_count']:,} failed: `bootstrap failures list --source {name}`[/]",
                soft_wrap=True,
            )
        if source["warnings"]:
            warnings = ", ".join(f"{count} {kind}" for kind, count in sorted(source["warnings"].items()))
            out.print(f"[dim]{name}: noticed while parsing: {escape(warnings)}[/]", soft_wrap=True)
        if source["message"]:
            colour = "red" if source["status"] == "failed" else "yellow"
            out.print(f"[{colour}]{name}: {escape(source['message'])}[/]", soft_wrap=True)
    queue = document["repositories"]
    if any(queue.values()):
        out.print(
            f"repositories: {queue['waiting']:,} waiting, {queue['processing']:,} at work; "
            f"{queue['failed']:,} of {queue['ended']:,} failed since yesterday",
            soft_wrap=True,
        )
    for name, reason in document["breakers"].items():
        out.print(f"[red]circuit breaker {name} is open: {escape(reason)}[/]", soft_wrap=True)
    _print_building(document)


def _ago(seconds: float | None) -> str:
    return "half an hour or more" if seconds is None else f"{seconds / 60:,.0f} minutes"


def _batches(stale: int) -> str:
    return f"{stale} of its batches" if stale > 1 else "one of its batches" if stale else "it"


def _print_building(document: dict[str, Any]) -> None:
    building, space = document["building"], document["space"]
    if building and building["uncovered"]:
        out.print(
            f"[yellow]Searches still use {space['model']}: {building['uncovered']:,} records have no vector of "
            f"{building['model']} yet. A run over all sources makes it complete.[/]",
            soft_wrap=True,
        )
    elif building and building["state"] == "ready":
        out.print(
            f"[yellow]Searches still use {space['model']}: the vectors of {building['model']} are complete; "
            f"`bootstrap spaces promote {building['id']}` has them searched.[/]",
            soft_wrap=True,
        )
