"""`bootstrap evaluate`: how good the search is, on labels, and whether it is as good as it was."""

import sys
from collections.abc import Sequence

import click
from rich.markup import escape

from bootstrap_assets import pipeline
from bootstrap_assets.cli.console import errors, out, print_json, print_table, table
from bootstrap_assets.cli.run import settings_for
from bootstrap_assets.cli.streams import FAILED
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Database, existing_database_url
from bootstrap_assets.embedding import context
from bootstrap_assets.evaluation.baseline import FEWEST
from bootstrap_assets.evaluation.comparison import Comparison
from bootstrap_assets.evaluation.document import Document, Scope
from bootstrap_assets.evaluation.evaluation import Evaluation, evaluate, measured_on
from bootstrap_assets.evaluation.intervals import Interval
from bootstrap_assets.evaluation.questions import CUAD, NLI
from bootstrap_assets.evaluation.scores_of_tasks import PartScores, TaskScores
from bootstrap_assets.evaluation.verdict import NAMES
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.contract_nli.source import SPLITS

WORST = 5
"""How many hypotheses and categories are shown: those that do worst."""

TITLES = {
    NLI: "ContractNLI: is the evidence for a hypothesis among the first spans of its contract?",
    CUAD: "CUAD: are the clauses of a category in the first sections of their contract?",
}
LISTS = {
    "vector": "vectors alone",
    "text": "words alone (BM25)",
    "text_widened": "the hybrid's words",
    "hybrid": "hybrid",
}
DIFFERENCES = {
    "vector": "hybrid minus vectors",
    "text": "hybrid minus words",
    "text_widened": "hybrid minus its words",
}
APART = {
    "known": "with the lists of scorers",
    "left_out": "its own label left out",
    "ablated": "without any list",
    "by_scorers": "the scorers alone",
}
OVER_ALL = "ContractNLI, over all contracts together: not judged where contracts came or went since the baseline"


@click.command(name="evaluate")
@click.option(
    "--data", metavar="sample|official|DIR|URL", help="Bring the corpus up to date with this first; else as it is."
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only N queries of each kind.")
@click.option("--split", type=click.Choice(SPLITS), help="Only this split of ContractNLI.")
@click.option("--accept", is_flag=True, help="Make these scores the baseline, whatever they are.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def evaluation(data: str | None, limit: int | None, split: str | None, accept: bool, as_json: bool) -> None:
    """Measure the search on the labels of ContractNLI and CUAD.

    Exits with 1 where the index finds too little, or a score fell by more than noise since the baseline, which the
    first evaluation sets. A part (--limit, --split) is compared, but not kept.
    """
    if accept and (limit or split):
        raise click.UsageError("--accept takes an evaluation of everything: without --limit and --split")
    settings = settings_for(data)
    if data:
        with context.open_corpus(settings) as corpus:
            pipeline.bootstrap(corpus)
    conclude(evaluate_in(settings, Scope(limit, split), accept=accept), as_json=as_json)


def conclude(result: Evaluation, *, as_json: bool) -> None:
    """Print an evaluation, and exit with 1 where it failed."""
    if as_json:
        print_json(result.document.for_json())
    else:
        print_evaluation(result)
    for failure in result.failures:
        errors.print(f"[bold red]failed:[/] {escape(failure)}", soft_wrap=True)
    if not result.ok:
        sys.exit(FAILED)


def evaluate_in(settings: Settings, scope: Scope, *, accept: bool = False, space: int | None = None) -> Evaluation:
    """Evaluate a space (None: the active one) of the database of these settings."""
    with Database(existing_database_url(settings), size=4) as database:
        with database.connection() as connection:
            schema.require_current(connection)
        return evaluate(database, settings, scope=scope, accept=accept, space=space)


def print_evaluation(evaluation: Evaluation) -> None:
    """The figures as small tables, for people."""
    document = evaluation.document
    if document.invented:
        out.print(f"[yellow]{measured_on(document.invented)}[/]\n", soft_wrap=True)
    for name, task in document.tasks.items():
        _print_task(TITLES[name], task, task.metrics, document.invented.get(name))
    for task in document.tasks.values():
        _print_worst(task.parts[:WORST], task.metrics)
    _print_known(document)
    if document.contract_nli and document.contract_nli.corpus:
        _print_corpus(document.contract_nli.corpus, document.invented.get(NLI))
    _print_curve(document)
    for line in document.left_out:
        out.print(f"[yellow]left out: {escape(line)}[/]", soft_wrap=True)
    _print_baseline(evaluation)


def _print_known(document: Document) -> None:
    """What the scorers of labels give, where they were measured."""
    for name, task in document.tasks.items():
        lists = task.apart.lists
        if lists:
            metrics = list(lists["known"])
            out.print(f"[bold]{TITLES[name]}, by what knows a question[/]")
            rows = table("", *metrics)
            for which, scores in lists.items():
                rows.add_row(APART[which], *(_interval(scores[metric], ".3f") for metric in metrics))
            for which, by in task.apart.differences.items():
                rows.add_row(
                    f"{APART[which]} minus without", *(_interval(by[metric], "+.3f") for metric in metrics)
                )
            print_table(rows)
            out.print()
    for name, task in document.tasks.items():
        if task.wrong_contract:
            share = task.wrong_contract.share
            out.print(
                f"{NAMES[name]}, asked of the whole corpus with the contract's title, {share.mean:.0%} of the "
                f"first 10 hits are from another contract ({share.low:.0%} to {share.high:.0%}).\n",
                soft_wrap=True,
            )


def _print_corpus(task: TaskScores, origin: str | None) -> None:
    metrics = [name for name in task.metrics if not name.startswith("R@")]  # far more are right than fit
    _print_task(OVER_ALL, task, metrics, origin)


def _print_task(title: str, task: TaskScores, metrics: Sequence[str], origin: str | None = None) -> None:
    out.print(f"[bold]{title}[/]{f' [yellow]({origin})[/]' if origin else ''}", soft_wrap=True)
    questions = f"{task.queries:,} questions about {task.contracts:,} contracts"
    out.print(f"[dim]{questions}; mean, and 95 % interval below it[/]")
    rows = table("", *metrics)
    for name, scores in task.lists.items():
        style = "bold" if name == "hybrid" else "dim" if name == "text_widened" else ""
        rows.add_row(LISTS[name], *(_interval(scores[metric], ".3f") for metric in metrics), style=style)
    for name, scores in task.differences.items():
        rows.add_row(DIFFERENCES[name], *(_interval(scores[metric], "+.3f") for metric in metrics))
    print_table(rows)
    out.print()


def _interval(value: Interval, form: str) -> str:
    return f"{value.mean:{form}}\n[dim]{value.low:{form}} – {value.high:{form}}[/]"


def _print_worst(parts: Sequence[PartScores], metrics: Sequence[str]) -> None:
    rows = table("hardest to find", "questions", *metrics)
    for part in parts:
        rows.add_row(escape(part.name), f"{part.queries:,}", *(f"{part.scores[metric]:.3f}" for metric in metrics))
    print_table(rows)
    out.print()


def _print_curve(document: Document) -> None:
    mark = "chosen" if document.scope.whole else "enough"
    out.print("[bold]The index: how much of the true nearest does it find, and how fast?[/]", soft_wrap=True)
    vectors = f"{document.ann_queries:,} vectors of the corpus, one at a time: of the true nearest 10 and 100"
    out.print(f"[dim]{vectors}[/]")
    rows = table(*("effort (ef_search)", "recall@10", "recall@100", "ms (median)", "ms (95 % are faster)", ""))
    for point in document.ann:
        here = point == document.operating_point
        cells = (f"{point.recall_10:.3f}", f"{point.recall_100:.3f}", f"{point.ms:g}", f"{point.ms_p95:g}")
        rows.add_row(f"{point.ef_search}", *cells, mark if here else "", style="bold" if here else "")
    print_table(rows)
    out.print()


def _print_baseline(evaluation: Evaluation) -> None:
    comparison = evaluation.comparison
    message = _against(comparison, evaluation.space)
    if comparison.accepted:
        message += " These scores are the baseline from now on."
    if not evaluation.scope.whole:
        message += " A part is not kept, but for what is apart." if evaluation.apart else " A part is not kept."
    out.print(escape(message), soft_wrap=True)
    out.print(f"[dim]{evaluation.seconds:.0f} s, {evaluation.embedded:,} texts embedded for it[/]")
    out.print(f"[bold]{escape(evaluation.document.verdict)}[/]", soft_wrap=True)


def _against(comparison: Comparison, space: str) -> str:
    baseline = comparison.baseline
    if baseline is None:
        return "There was no baseline to compare with."
    since = f"the baseline of {baseline.measured_at:%Y-%m-%d %H:%M}"
    number = len(comparison.falls)
    message = f"{number} score{'s' * (number != 1)} fell by more than noise since {since}"
    message += f" ({comparison.shared:,} of {comparison.contracts:,} contracts are in it)."
    if not comparison.judged:
        message += " So few prove little; `bootstrap evaluate --accept` makes a new baseline."
    elif comparison.shared < FEWEST:
        message += f" With fewer than {FEWEST}, nothing is judged."
    message += "" if baseline.space == space else f" It was measured on {baseline.space}."
    return message + ("" if comparison.same_search else " The search's functions have changed since.")
