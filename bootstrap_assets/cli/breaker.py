"""`bootstrap breaker`: what is kept from being sent, why, and letting it through again."""

import click
from rich.markup import escape

from bootstrap_assets.cli.console import open_corpus_database, out, print_json, print_table, table
from bootstrap_assets.embedding import breakers
from bootstrap_assets.errors import ConfigurationError

COLOURS = {"open": "red", "half-open": "yellow", "closed": "green"}


@click.group()
def breaker() -> None:
    """Circuit breakers of providers and sources."""


@breaker.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def status(as_json: bool) -> None:
    """Show the breakers that are, or were, open."""
    with open_corpus_database() as connection:
        rows = breakers.listing(connection)
    if as_json:
        print_json([one._asdict() for one in rows])
        return
    if not rows:
        out.print("no breaker was ever open")
        return
    grid = table("breaker", "state", "since", "tries again", "why", left=5, free=("why",))
    for one in rows:
        since, again = (f"{moment.astimezone():%Y-%m-%d %H:%M:%S}" for moment in (one.opened_at, one.retry_at))
        closed = one.state == "closed"
        state = f"[{COLOURS[one.state]}]{one.state}[/]"
        grid.add_row(one.name, state, since, "" if closed else again, escape(one.reason))
    print_table(grid)


@breaker.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def reset(names: tuple[str, ...]) -> None:
    """Close the breakers of these NAMES, or all."""
    with open_corpus_database() as connection:
        all_names = [one.name for one in breakers.listing(connection)]
        unknown = [name for name in names if name not in all_names]
        if unknown:
            there = f"there are {', '.join(all_names)}" if all_names else "none was ever open"
            raise ConfigurationError(f"no breaker {', '.join(unknown)}; {there}")
        count = breakers.close(connection, list(names or all_names))
    out.print(f"{count} closed" if count else "none was open")
