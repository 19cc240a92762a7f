"""`bootstrap search`: the best records for a question."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import click
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from bootstrap_assets.cli.console import Number, out, print_block, print_json
from bootstrap_assets.corpus.records import SAMPLE, Granularity, NliLabel
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Database, existing_database_url
from bootstrap_assets.search.hints import why_nothing
from bootstrap_assets.search.query import Filters, Hit, Mode, Ranking
from bootstrap_assets.search.query import search as find
from bootstrap_assets.search.snippets import MARK, shortened, snippets
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.registry import searched_name


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
@click.option("--document", "documents", multiple=True, help="Only this document: its title, source id or id.")
@click.option("--tenant", help="Find the documents of this tenant too, beside the reference corpus.")
@click.option(
    "--min-score",
    type=Number(0, 1),
    help="Leave out what scores less. A score is 0 to 1 and compares across queries; what is marked weak has few "
    "of the words and is not near.",
)
@click.option(
    "--all",
    "unfolded",
    is_flag=True,
    help="Show each text by itself, even where it says the same as a better hit.",
)
@click.option(
    "--vector-weight",
    type=Number(min=0),
    help="Weight of the cosine of the vectors in the score. Default: that of the space.",
)
@click.option(
    "--text-weight",
    type=Number(min=0),
    help="Weight of the words in the score. Default: that of the space.",
)
@click.option(
    "--fusion-constant",
    type=click.IntRange(min=0),
    help="Order hits by reciprocal ranks with this k, not by score: the greater, the less first ranks stand out.",
)
@click.option(
    "--space", metavar="ID", type=int, help="Search this space, not the active one: see `bootstrap spaces list`."
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
    documents: tuple[str, ...],
    tenant: str | None,
    min_score: float | None,
    unfolded: bool,
    vector_weight: float | None,
    text_weight: float | None,
    fusion_constant: int | None,
    space: int | None,
    as_json: bool,
) -> None:
    """Find the records that answer TEXT best."""
    settings = load_settings()
    names = tuple(map(searched_name, sources))
    filters = Filters(names, categories, granularities, labels, documents, tenant)
    ranking = Ranking(vector_weight=vector_weight, text_weight=text_weight, fusion_constant=fusion_constant)
    url = existing_database_url(settings)
    with Database(url, size=1) as database:
        with database.connection() as connection:
            schema.require_current(connection)
        hits = find(
            database,
            settings,
            text,
            k=k,
            mode=Mode(mode),
            filters=filters,
            ranking=ranking,
            min_score=min_score,
            fold=not unfolded,
            space=space,
        )
        parts = snippets(database, text, [hit.content for hit in hits])
        hints = (
            [] if hits else database.transact(partial(why_nothing, query=text, mode=Mode(mode), filters=filters))
        )
    if as_json:
        print_json({"query": text, "mode": mode, "results": [asdict(hit) for hit in hits]})
        return
    if hits and all(hit.weak for hit in hits):
        out.print("[yellow]only weak matches: they share little with the query[/]", soft_wrap=True)
    for hit, part in zip(hits, parts, strict=True):
        _print(hit, part)
    if not hits:
        out.print("nothing found")
    if not hits and not hints and min_score:
        hints = [f"nothing scores {min_score:g} or more: without --min-score weaker matches are shown too"]
    for hint in hints:
        out.print(escape(hint), soft_wrap=True)


def _by_scorer(scorer: Mapping[str, Any]) -> str:
    label = scorer["category"] or f"hypothesis {scorer['hypothesis_id']}"
    return f"by its scorer {label}, {scorer['probability']:.0%} sure"


def _print(hit: Hit, part: str | None) -> None:
    label = hit.nli_label and f"{hit.nli_label}, hypothesis {hit.hypothesis_id}"
    about = [SAMPLE if hit.invented else None, hit.granularity, hit.section_path, hit.category, label]
    about += [_by_scorer(hit.scorer)] if hit.scorer else []
    weak = "  [yellow]weak match[/]" if hit.weak else ""
    out.print(
        f"[bold]{hit.rank}. {escape(hit.document)}[/]  [dim]{hit.source} · "
        f"{escape(' · '.join(part for part in about if part))} · score {hit.score:.2f}[/]{weak}",
        soft_wrap=True,
    )
    for relation, records in (("the same text", hit.records[1:]), ("says the same", hit.others)):
        if records:
            counts = Counter(f"{record['source']} {record['granularity']}" for record in records)
            places = ", ".join(f"{count} {what}{'s' * (count != 1)}" for what, count in counts.items())
            out.print(f"   [dim]{relation}, {len(records)} more: {escape(places)}[/]", soft_wrap=True)
    snippet = Text(style="")
    for piece in re.split(f"({MARK[0]}[^{MARK[1]}]*{MARK[1]})", part or shortened(hit.content)):
        is_marked = piece.startswith(MARK[0])
        snippet.append(
            piece.strip("".join(MARK)) if is_marked else piece, style="bold yellow" if is_marked else ""
        )
    print_block(Padding(snippet, (0, 0, 0, 3)), width=min(out.width, 110))
