"""`bootstrap spaces`: the models' vectors, which of them are searched, and the decision to search others."""

import json
from dataclasses import asdict

import click
from rich.markup import escape

from bootstrap_assets import pipeline
from bootstrap_assets.cli.console import Number, open_corpus_database, out, print_json, print_table, table
from bootstrap_assets.cli.evaluate import conclude, evaluate_in
from bootstrap_assets.cli.signals import stopping_signals
from bootstrap_assets.embedding import context
from bootstrap_assets.embedding import spaces as space_store
from bootstrap_assets.embedding.providers.registry import PROVIDERS
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.evaluation.document import Scope
from bootstrap_assets.search import promotion
from bootstrap_assets.search.promotion import Standing
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.contract_nli.source import SPLITS

COLOURS = {"building": "yellow", "ready": "cyan", "active": "green", "retired": "dim"}

number = click.argument("number", metavar="ID", type=int)
as_document = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


@click.group()
def spaces() -> None:
    """The models' vectors: one space is searched, others are built beside it."""


@spaces.command("list")
@as_document
def list_(as_json: bool) -> None:
    """List the spaces, and what each of them lacks."""
    with open_corpus_database() as connection:
        standings = promotion.standings(connection)
    if as_json:
        print_json([asdict(standing) for standing in standings])
    elif standings:
        _print(standings)
    else:
        out.print("none: `bootstrap run` makes the first one")


@spaces.command()
@number
@as_document
def show(number: int, as_json: bool) -> None:
    """Show space ID, with the figures of its last evaluation."""
    with open_corpus_database() as connection:
        standing = promotion.standing(connection, space_store.numbered(connection, number))
    if as_json:
        print_json(asdict(standing))
        return
    _print([standing])
    if standing.quality:
        out.print(escape(json.dumps(standing.quality, indent=2, default=str)))
    else:
        out.print("it was never evaluated")


@spaces.command()
@click.option("--provider", type=click.Choice(list(PROVIDERS)), required=True, help="Whose model.")
@click.option("--model", help="Which of its models, where it has several.")
@click.option("--dimensions", type=click.IntRange(min=1), help="How many, where the model offers several.")
@click.option(
    "--element-type",
    type=click.Choice(["vector", "halfvec"]),
    help="halfvec takes half the room, and up to 4,000 dimensions. Default: the database's, else vector.",
)
@click.option("--max-cost", type=Number(min=0, min_open=True), metavar="USD", help="Stop before it costs more.")
def build(
    provider: str, model: str | None, dimensions: int | None, element_type: str | None, max_cost: float | None
) -> None:
    """Fill a model's space with all records that are stored, and index it.

    It is built beside the active one, which stays active. Goes on where it was interrupted.
    """
    choice = {"embedder": provider, f"{provider}_model": model, f"{provider}_dimensions": dimensions}
    choice["element_type"] = element_type
    settings = load_settings(**{name: value for name, value in choice.items() if value is not None})
    with stopping_signals() as stop, context.open_corpus(settings, max_cost=max_cost, stop=stop) as corpus:
        result = pipeline.build_space(corpus)
    out.print(f"space {result.number} ({escape(result.space)}): {result.vectors:,} vectors", soft_wrap=True)
    if result.ready:
        out.print(
            f"it is ready: `bootstrap spaces promote {result.number}` makes it the active one", soft_wrap=True
        )
    elif result.uncovered:
        out.print(f"[yellow]{result.uncovered:,} records have no vector in it yet[/]", soft_wrap=True)


@spaces.command()
@number
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only N queries of each kind.")
@click.option("--split", type=click.Choice(SPLITS), help="Only this split of ContractNLI.")
@as_document
def evaluate(number: int, limit: int | None, split: str | None, as_json: bool) -> None:
    """Measure the search over space ID, while the one that is searched answers.

    Compares with the baseline, which stays, and exits with 1 where a score fell by more than noise.
    The figures are kept with the space, unless it is a part (--limit, --split).
    """
    conclude(evaluate_in(load_settings(), Scope(limit, split), space=number), as_json=as_json)


@spaces.command()
@number
def promote(number: int) -> None:
    """Make space ID the one that is searched.

    It has to have a vector of every record, and its index. Searches go on meanwhile; what was searched before is
    kept, and `bootstrap spaces rollback` goes back to it.
    """
    with promotion.deciding(load_settings()) as connection:
        _tell(promotion.promote(connection, number))


@spaces.command()
def rollback() -> None:
    """Go back to the space that was searched before this one."""
    with promotion.deciding(load_settings()) as connection:
        _tell(promotion.rollback(connection))


@spaces.command()
@number
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(number: int, yes: bool) -> None:
    """Drop space ID with its vectors. What they cost stays in the ledger."""
    with promotion.deciding(load_settings()) as connection:
        space = space_store.numbered(connection, number)
        count = space_store.count(connection, space)
        if not yes:
            click.confirm(f"drop {count:,} vectors of {space.provider}'s {space.model}?", abort=True, err=True)
        promotion.drop(connection, number)
    out.print(f"space {number} ({escape(space.name)}) is dropped, with {count:,} vectors", soft_wrap=True)


def _tell(space: Space) -> None:
    out.print(f"space {space.id} ({escape(space.name)}) is searched now", soft_wrap=True)


def _print(standings: list[Standing]) -> None:
    rows = table("ID", "provider", "model", "dimensions", "state", "vectors", "missing", "index", left=3)
    for standing in standings:
        rows.add_row(
            str(standing.id),
            escape(standing.provider),
            escape(standing.model),
            f"{standing.dimensions:,} {standing.element_type}",
            f"[{COLOURS[standing.state]}]{standing.state}[/]",
            f"{standing.vectors:,}",
            f"{standing.missing:,}",
            "valid" if standing.indexed else "none",
        )
    print_table(rows)
