"""`retrieval_quality`: how good the search is, on labels, and whether it is as good as it was. Not in `bootstrap`.

The asset measures and keeps the figures with the space; its checks judge what is kept.
"""

from collections.abc import Callable, Iterator, Mapping

import dagster as dg

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.defs.about import KINDS, OWNERS, code, table, tags
from bootstrap_assets.defs.pictures import quality_pictures
from bootstrap_assets.defs.resources import CorpusResource, failing_for_good
from bootstrap_assets.defs.sources import RETRY
from bootstrap_assets.errors import SchemaError
from bootstrap_assets.evaluation.ann import TARGET_RECALL
from bootstrap_assets.evaluation.document import Document
from bootstrap_assets.evaluation.evaluation import evaluate, is_of_this_corpus, last_evaluation, measured_on
from bootstrap_assets.evaluation.intervals import Interval
from bootstrap_assets.evaluation.tasks import PARTS

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


@dg.asset(
    deps=["reference_index"],
    group_name="quality",
    description=(
        "How good the search is: the index's recall against an exact search, and on the labels of ContractNLI and "
        "CUAD whether what is right comes first, by vector, by text, and by both. The figures are kept with the "
        "space (`embedding_spaces.quality`); the least `ef_search` that finds 99 % becomes the search's own. "
        "Takes a minute or two; spans that are no records are embedded once, which may cost a few cents."
    ),
    owners=OWNERS,
    kinds=KINDS["quality"],
    tags=tags("quality"),
    metadata={**table("embedding_spaces"), **code(evaluate)},
    retry_policy=RETRY,
)
def retrieval_quality(context: dg.AssetExecutionContext, corpus: CorpusResource) -> dg.MaterializeResult[None]:
    """Evaluate the search and report the figures."""
    with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
        evaluation = evaluate(
            open_corpus.database,
            open_corpus.settings,
            run_id=open_corpus.run_id,
            max_cost=open_corpus.max_cost,
            stop=open_corpus.stop,
        )
        pictures = quality_pictures(open_corpus)
    return dg.MaterializeResult(metadata=evaluation_metadata(evaluation.document) | pictures)


def evaluation_metadata(document: Document) -> dict[str, dg.MetadataValue]:
    """Figures for Dagster to plot, and a table of them with their intervals."""
    point = document.operating_point
    figures = {
        f"{task}_{name}_{metric}": score.mean
        for task, scores in document.tasks.items()
        for name, by_metric in scores.lists.items()
        for metric, score in by_metric.items()
    }
    return {
        "recall@10": dg.MetadataValue.float(point.recall_10),
        "recall@100": dg.MetadataValue.float(point.recall_100),
        "ef_search": dg.MetadataValue.int(point.ef_search),
        "index_ms": dg.MetadataValue.float(point.ms),
        **{name: dg.MetadataValue.float(value) for name, value in figures.items()},
        "falls": dg.MetadataValue.int(len(document.baseline.falls)),
        "texts_embedded": dg.MetadataValue.int(document.texts_embedded),
        "seconds": dg.MetadataValue.float(document.seconds),
        "measured_on": dg.MetadataValue.text(
            measured_on(document.invented)
            if document.invented
            else "the archives given; none of them is the sample"
        ),
        "scores": dg.MetadataValue.md(_scores(document)),
    }


def _scores(document: Document) -> str:
    blocks = []
    for name, task in document.tasks.items():
        head = f"| {name} | {' | '.join(task.metrics)} |\n|---|{'---:|' * len(task.metrics)}"
        lists = task.lists | {f"hybrid_minus_{part}": task.differences[part] for part in PARTS}
        rows = (
            f"| {which} | {' | '.join(_interval(scores[metric]) for metric in task.metrics)} |"
            for which, scores in lists.items()
        )
        blocks.append("\n".join((head, *rows)))
    return "\n\n".join(blocks) or "no labelled contract is in the corpus"


def _interval(value: Interval) -> str:
    return f"{value.mean:.3f} ({value.low:.3f} – {value.high:.3f})"


@dg.multi_asset_check(
    name="retrieval_quality_checks",
    specs=[
        dg.AssetCheckSpec(
            "ann_recall",
            asset="retrieval_quality",
            description=f"The index finds {TARGET_RECALL:.0%} of the true nearest 10, "
            "with the search's own effort.",
        ),
        dg.AssetCheckSpec(
            "no_regression",
            asset="retrieval_quality",
            description="No score fell by more than noise since the baseline, which `evaluate --accept` sets.",
        ),
        dg.AssetCheckSpec(
            "hybrid_beats_its_parts",
            asset="retrieval_quality",
            description="On ContractNLI the hybrid is better than vectors alone and than words alone: in every "
            "metric, and by more than noise.",
        ),
    ],
    can_subset=True,
    retry_policy=RETRY,
)
def check_quality(context: dg.AssetCheckExecutionContext, corpus: CorpusResource) -> Iterator[dg.AssetCheckResult]:
    """Judge the last evaluation of everything."""
    with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
        judge = open_corpus.database.transact(_judge)
    for name in (key.name for key in context.selected_asset_check_keys):
        answer = judge(VERDICTS[name])
        yield answer._replace(check_name=name, asset_key=dg.AssetKey("retrieval_quality"))


def ann_recall(document: Document) -> dg.AssetCheckResult:
    """Whether the index finds enough."""
    point = document.operating_point
    return dg.AssetCheckResult(
        passed=point.recall_10 >= TARGET_RECALL,
        severity=ERROR,
        description=f"Recall@10 is {point.recall_10:.4f} at ef_search {point.ef_search}, in "
        f"{point.ms:g} ms; {TARGET_RECALL} is wanted. {_when(document)}",
        metadata={"recall": point.recall_10, "ef_search": point.ef_search},
    )


def no_regression(document: Document) -> dg.AssetCheckResult:
    """Whether nothing is worse than it was."""
    baseline = document.baseline
    since = baseline.measured_at.isoformat(timespec="seconds") if baseline.measured_at else None
    falls = [
        f"* {fall.task}: {fall.metric} of {fall.list} from {fall.before:.3f} to {fall.now:.3f} "
        f"({fall.difference.low:+.3f} – {fall.difference.high:+.3f})"
        for fall in baseline.falls
    ]
    against = f"the baseline of {since}" if since else "no baseline: this was the first one"
    judged = baseline.judged or not since
    few = "" if judged else ", which has too few of the contracts: `bootstrap evaluate --accept` makes a new one"
    number = f"{len(falls)} score{'s' * (len(falls) != 1)} fell by more than noise"
    return dg.AssetCheckResult(
        passed=baseline.accepted or (not falls and judged),
        severity=ERROR if falls else WARN,
        description=f"{number}, against {against}{few}. {_when(document)}",
        metadata={"falls": dg.MetadataValue.md("\n".join(falls))} if falls else {},
    )


def hybrid_beats_its_parts(document: Document) -> dg.AssetCheckResult:
    """Whether it pays to fuse."""
    task = document.contract_nli
    if task is None:
        return dg.AssetCheckResult(
            passed=True, description="No labelled contract of ContractNLI is in the corpus."
        )
    lacking = [
        f"{metric} against {part}: {_interval(by)}"
        for part in PARTS
        for metric, by in task.differences[part].items()
        if by.low <= 0
    ]
    which = "; ".join(lacking) or "in every metric, against both"
    return dg.AssetCheckResult(
        passed=not lacking,
        severity=WARN,
        description=f"{'Not by more than noise' if lacking else 'By more than noise'}: {which}. {_when(document)}",
    )


Verdict = Callable[[Document], dg.AssetCheckResult]

VERDICTS: Mapping[str, Verdict] = {
    "ann_recall": ann_recall,
    "no_regression": no_regression,
    "hybrid_beats_its_parts": hybrid_beats_its_parts,
}


def _judge(connection: Connection) -> Callable[[Verdict], dg.AssetCheckResult]:
    """What comes of a verdict on the last evaluation, if there is one that can be read."""
    try:
        document = last_evaluation(connection)
    except SchemaError as error:
        message = f"Not judged: {error}."
        return lambda verdict: _unknown(message)
    if document is None:
        return lambda verdict: _unknown("Nothing has been evaluated yet: the job `evaluate` does it.")
    if is_of_this_corpus(connection, document):
        return lambda verdict: verdict(document)
    return lambda verdict: _of_another_corpus(verdict(document))


def _of_another_corpus(answer: dg.AssetCheckResult) -> dg.AssetCheckResult:
    severity = WARN if answer.passed else answer.severity
    description = f"The corpus has changed since: the job `evaluate` measures it again. {answer.description}"
    return answer._replace(passed=False, severity=severity, description=description)


def _unknown(message: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=WARN, description=message)


def _when(document: Document) -> str:
    when = f"Evaluated {document.evaluated_at.isoformat(timespec='seconds')}, in {document.space}."
    return f"{when} {measured_on(document.invented)}" if document.invented else when
