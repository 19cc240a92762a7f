"""`label_scorers`: what the corpus' own labels teach. Not in `bootstrap`: training takes a minute."""

import dagster as dg

from bootstrap_assets.defs.about import KINDS, OWNERS, code, tags
from bootstrap_assets.defs.jobs import job_tags
from bootstrap_assets.defs.resources import CorpusResource, failing_for_good
from bootstrap_assets.defs.sources import RETRY
from bootstrap_assets.evaluation.scorers import Judgement, judge
from bootstrap_assets.labels.training import Trained, train_all
from bootstrap_assets.sources.registry import SOURCES


@dg.asset(
    deps=[f"{name}_records" for name, source in SOURCES.items() if source.teaching],
    group_name="labels",
    description=(
        "A scorer for each category of CUAD and each hypothesis of ContractNLI, trained on their records: what "
        "`bootstrap classify` reads a contract by. What changed is trained, and nothing else; a minute for two "
        "hundred contracts. Calls no provider."
    ),
    owners=OWNERS,
    kinds=KINDS["labels"],
    tags=tags("labels"),
    metadata=code(train_all),
    retry_policy=RETRY,
)
def label_scorers(context: dg.AssetExecutionContext, corpus: CorpusResource) -> dg.MaterializeResult[None]:
    """Train what changed."""
    with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
        results = train_all(open_corpus.database, SOURCES.values(), stop=open_corpus.stop)
    return dg.MaterializeResult(metadata=training_metadata(results))


def training_metadata(results: list[Trained]) -> dict[str, dg.MetadataValue]:
    """How many scorers were trained and kept, and what was left out."""
    return {
        "trained": dg.MetadataValue.int(sum(len(result.trained) for result in results)),
        "unchanged": dg.MetadataValue.int(sum(len(result.unchanged) for result in results)),
        "summary": dg.MetadataValue.md(
            "\n".join(f"* {result.sentence}" for result in results) or "nothing teaches"
        ),
    }


@dg.asset_check(
    asset="label_scorers",
    name="scorers_no_regression",
    description="No source's scorers order contracts that they were not trained on worse than the baseline, by "
    "more than noise; `bootstrap labels train --accept` sets it.",
    retry_policy=RETRY,
)
def check_scorers(context: dg.AssetCheckExecutionContext, corpus: CorpusResource) -> dg.AssetCheckResult:
    """Judge the scorers that are stored."""
    with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
        return verdict(open_corpus.database.transact(judge))


def verdict(judgement: Judgement) -> dg.AssetCheckResult:
    """What comes of a comparison with the baseline."""
    since = judgement.measured_at.isoformat(timespec="seconds") if judgement.measured_at else None
    against = f"against the baseline of {since}" if since else "which are the first baseline"
    falls = "; ".join(map(str, judgement.falls)) or "nothing fell by more than noise"
    return dg.AssetCheckResult(
        passed=not judgement.falls,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{judgement.scorers} scorers, {against}: {falls}.",
    )


TRAIN = dg.define_asset_job(
    "bootstrap_labels",
    selection=dg.AssetSelection.assets("label_scorers"),
    description="Train the scorers of the labels that changed, and compare them with the baseline; no provider.",
    tags=job_tags("bootstrap_labels"),
)


@dg.definitions
def label_definitions() -> dg.Definitions:
    """The scorers, their check and their job."""
    return dg.Definitions(assets=[label_scorers], asset_checks=[check_scorers], jobs=[TRAIN])
