"""`bootstrap search`: the best records for a question."""

import textwrap
from dataclasses import asdict

import click
from rich.markup import escape

from bootstrap_assets.cli.console import out, print_json
from bootstrap_assets.records import Granularity, NliLabel
from bootstrap_assets.search.query import Filters, Hit, Mode
from bootstrap_assets.search.query import search as find
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.registry import get_source
from bootstrap_assets.store import schema
from bootstrap_assets.store.database import Database, database_url

SNIPPET = 320
"""Characters of a hit's text that are shown; --json gives all of it."""


@click.command()
@click.argument("text")
@click.option("-k", "k", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many hits.")
@click.option(
    "--mode", type=click.Choice([mode.value for mode in Mode]), default=Mode.HYBRID.value, show_default=True
)
@click.option("--source", "sources", multiple=True, help="Only this source; may be repeated.")
@click.option("--category", "categories", multiple=True, help="Only this category, as in `Cap On Liability`.")
@click.option(
    "--granularity",
    "granularities",
    multiple=True,
    type=click.Choice([grain.value for grain in Granularity]),
    help="Only records of this size.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    type=click.Choice([label.value for label in NliLabel], case_sensitive=False),
    help="Only evidence with this label.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def search(
    text: str,
    k: int,
    mode: str,
    sources: tuple[str, ...],
    categories: tuple[str, ...],
    granularities: tuple[str, ...],
    labels: tuple[str, ...],
    as_json: bool,
) -> None:
    """Find the records that answer TEXT best."""
    settings = load_settings()
    filters = Filters(sources, categories, granularities, labels)
    url = database_url(settings)
    for name in sources:
        get_source(name)
    with Database(url, size=1) as database:
        with database.connection() as connection:
            schema.require_current(connection)
        hits = find(database, settings, text, k=k, mode=Mode(mode), filters=filters)
    if as_json:
        print_json({"query": text, "mode": mode, "results": [asdict(hit) for hit in hits]})
        return
    for hit in hits:
        _print(hit)
    if not hits:
        out.print("nothing found")


def _print(hit: Hit) -> None:
    label = hit.nli_label and f"{hit.nli_label}, hypothesis {hit.hypothesis_id}"
    about = [hit.granularity, hit.section_path, hit.category, label]
    out.print(
        f"[bold]{hit.rank}. {escape(hit.document)}[/]  [dim]{hit.source} · "
        f"{escape(' · '.join(part for part in about if part))} · {hit.score:.4f}[/]",
        soft_wrap=True,
    )
    snippet = textwrap.shorten(hit.content, SNIPPET, placeholder=" …")
    out.print(textwrap.indent(escape(textwrap.fill(snippet, min(out.width, 110) - 4)), "   "), highlight=False)
