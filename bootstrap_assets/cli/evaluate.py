"""`bootstrap evaluate`: how good the search is, on labels, and whether it is as good as it was."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.markup import escape

from bootstrap_assets import pipeline
from bootstrap_assets.cli.console import FAILED, errors, out, print_json, print_table, table
from bootstrap_assets.cli.run import settings_for
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Database, existing_database_url
from bootstrap_assets.embedding import context
from bootstrap_assets.evaluation.baseline import FEWEST
from bootstrap_assets.evaluation.evaluation import Evaluation, evaluate, measured_on
from bootstrap_assets.evaluation.questions import CUAD, NLI, Scope
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.contract_nli.source import SPLITS

WORST = 5
"""How many hypotheses and categories are shown, those found worst."""

TITLES = {
    NLI: "ContractNLI: is the evidence for a hypothesis among the first spans of its contract?",
    CUAD: "CUAD: are the clauses of a category in the first sections of their contract?",
}
LISTS = {
    "vector": "vectors alone",
    "text": "words alone (BM25)",
    "text_widened": "the hybrid's words",
    "hybrid": "hybrid",
    "hybrid_minus_vector": "hybrid minus vectors",
    "hybrid_minus_text": "hybrid minus words",
    "hybrid_minus_text_widened": "hybrid minus its words",
}


@click.command(name="evaluate")
@click.option(
    "--data", metavar="sample|official|DIR", help="Bring the corpus up to date with this first; else as it is."
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only N queries of each kind.")
@click.option("--split", type=click.Choice(SPLITS), help="Only this split of ContractNLI.")
@click.option("--accept", is_flag=True, help="Take these scores for the baseline, whatever they are.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def evaluation(data: str | None, limit: int | None, split: str | None, accept: bool, as_json: bool) -> None:
    """Measure the search on the labels of ContractNLI and CUAD.

    Ends with 1 where the index finds too little, or a score fell by more than noise since the baseline, which the
    first evaluation sets. A part (--limit, --split) is compared, but not kept.
    """
    if accept and (limit or split):
        raise click.UsageError("--accept takes an evaluation of everything: without --limit and --split")
    settings = settings_for(data)
    if data:
        with context.open_corpus(settings) as corpus:
            pipeline.bootstrap(corpus)
    conclude(evaluate_in(settings, Scope(limit, split), accept=accept), as_json=as_json)


def conclude(found: Evaluation, *, as_json: bool) -> None:
    """Print an evaluation, and end with 1 where it failed."""
    if as_json:
        print_json(found.document())
    else:
        print_evaluation(found)
    for failure in found.failures:
        errors.print(f"[bold red]failed:[/] {escape(failure)}", soft_wrap=True)
    if not found.ok:
        sys.exit(FAILED)


def evaluate_in(settings: Settings, scope: Scope, *, accept: bool = False, space: int | None = None) -> Evaluation:
    """Evaluate a space (None: the active one) of the database of these settings."""
    with Database(existing_database_url(settings), size=4) as database:
        with database.connection() as connection:
            schema.require_current(connection)
        return evaluate(database, settings, scope=scope, accept=accept, space=space)


def print_evaluation(found: Evaluation) -> None:
    """The figures as small tables, for people."""
    document = found.document()
    if found.invented:
        out.print(f"[yellow]{measured_on(found.invented)}[/]\n", soft_wrap=True)
    for name, title in TITLES.items():
        if name in document:
            _print_task(title, document[name], found.tasks[name].metrics, found.invented.get(name))
    for name, key, label in ((NLI, "by_hypothesis", "hypothesis"), (CUAD, "by_category", "category")):
        if name in document:
            _print_worst(document[name][key][:WORST], label, found.tasks[name].metrics)
    if found.corpus:
        title = (
            "ContractNLI, over all contracts together: not judged where contracts came or went since the baseline"
        )
        share = [name for name in found.corpus.metrics if not name.startswith("R@")]  # far more are right than fit
        _print_task(title, document[NLI]["corpus"], share, found.invented.get(NLI))
    _print_curve(document["ann"], found)
    for line in found.left_out:
        out.print(f"[yellow]left out: {escape(line)}[/]", soft_wrap=True)
    _print_baseline(found)


def _print_task(title: str, task: Mapping[str, Any], metrics: Sequence[str], origin: str | None = None) -> None:
    out.print(f"[bold]{title}[/]{f' [yellow]({origin})[/]' if origin else ''}", soft_wrap=True)
    asked = f"{task['queries']:,} questions about {task['contracts']:,} contracts"
    out.print(f"[dim]{asked}; mean, and 95 % interval below it[/]")
    filled = table("", *metrics)
    for name, told in LISTS.items():
        signed = "minus" in name
        cells = [_interval(task[name][metric], signed=signed) for metric in metrics]
        filled.add_row(told, *cells, style="bold" if name == "hybrid" else "dim" if name == "text_widened" else "")
    print_table(filled)
    out.print()


def _interval(value: Mapping[str, float], *, signed: bool) -> str:
    form = "+.3f" if signed else ".3f"
    return f"{value['mean']:{form}}\n[dim]{value['low']:{form}} – {value['high']:{form}}[/]"


def _print_worst(rows: Sequence[Mapping[str, Any]], label: str, metrics: Sequence[str]) -> None:
    filled = table("found worst", "questions", *metrics)
    for row in rows:
        filled.add_row(escape(row[label]), f"{row['queries']:,}", *(f"{row[metric]:.3f}" for metric in metrics))
    print_table(filled)
    out.print()


def _print_curve(points: Sequence[Mapping[str, Any]], found: Evaluation) -> None:
    chosen, told = found.curve.chosen.ef_search, "chosen" if found.scope.whole else "enough"
    out.print("[bold]The index: how much of the true nearest does it find, and how fast?[/]", soft_wrap=True)
    asked = f"{found.curve.queries:,} vectors of the corpus, one at a time: of the true nearest 10 and 100"
    out.print(f"[dim]{asked}[/]")
    columns = ("ef_search", "recall@10", "recall@100", "ms", "ms_p95")
    filled = table(*("effort (ef_search)", "recall@10", "recall@100", "ms (median)", "ms (95 % are faster)", ""))
    for point in points:
        here = point["ef_search"] == chosen
        cells = [f"{point[name]:.3f}" if name.startswith("rec") else f"{point[name]:g}" for name in columns]
        filled.add_row(*cells, told if here else "", style="bold" if here else "")
    print_table(filled)
    out.print()


def _print_baseline(found: Evaluation) -> None:
    compared = found.compared
    known = compared.baseline
    if known is None:
        told = "There was no baseline to compare with."
    else:
        since = f"the baseline of {known.measured_at:%Y-%m-%d %H:%M}"
        number = len(compared.falls)
        told = f"{number} score{'s' * (number != 1)} fell by more than noise since {since}"
        told += f" ({compared.shared:,} of {compared.contracts:,} contracts are in it)."
        if not compared.judged:
            told += " So few say little; `bootstrap evaluate --accept` makes a new baseline."
        elif compared.shared < FEWEST:
            told += f" Of fewer than {FEWEST} nothing is judged."
        told += "" if known.space == found.space else f" It was measured on {known.space}."
        told += "" if compared.same_search else " The search's functions have changed since."
    if compared.accepted:
        told += " These scores are the baseline from now on."
    if not found.scope.whole:
        told += " A part is not kept."
    out.print(escape(told), soft_wrap=True)
    out.print(f"[dim]{found.seconds:.0f} s, {found.embedded:,} texts embedded for it[/]")
    out.print(f"[bold]{escape(found.document()['verdict'])}[/]", soft_wrap=True)
