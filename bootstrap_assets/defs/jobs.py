"""Jobs: everything, one source, the index, what failed, the space that is searched, the checks alone.

All take the resource's config.

resources: {corpus: {config: {data: sample, force_refresh: false, allow_deletes: false, max_cost: 5}}}
"""

from collections.abc import Sequence
from enum import Enum
from functools import cache, partial
from typing import Any

import dagster as dg
from pydantic import Field

from bootstrap_assets import pipeline
from bootstrap_assets.corpus import overview
from bootstrap_assets.defs.executors import executor
from bootstrap_assets.defs.launcher import this_host
from bootstrap_assets.defs.metadata import filled_metadata
from bootstrap_assets.defs.partitions import all_batches
from bootstrap_assets.defs.resources import STOP, CorpusResource, failing_for_good
from bootstrap_assets.evaluation.evaluation import evaluate
from bootstrap_assets.search import promotion
from bootstrap_assets.sources.registry import SOURCES

JOB_TAG = "bootstrap/job"
"""Runs with the same value wait for each other: see dagster.yaml."""


def job_tags(name: str) -> dict[str, str]:
    """Tags of a job: which runs it excludes, and where its own are.

    The machine that loads this code is the one that a run's process is on, also where nobody launches it
    (`dagster job execute`): so run monitoring can tell that it was killed.
    """
    return {JOB_TAG: name} | this_host()


SOURCES_TAG = "bootstrap/sources"
"""Tag of a run: the sources that it was asked for."""

PARTITIONED = (
    "Materialize all offers every batch in one run. In the launchpad leave the partition empty: the tags name "
    "every batch, and Dagster's question whether to go on without one can be answered with yes."
)
"""What to do about the partitions; Dagster asks of every job whose assets have some."""


def job_for(sources: Sequence[str]) -> str:
    """The job that brings some sources (none: all) up to date: that of the one source, or `bootstrap`."""
    return f"bootstrap_{sources[0]}" if len(sources) == 1 else "bootstrap"


def assets_of(sources: Sequence[str]) -> list[dg.AssetKey]:
    """The assets of some sources (none: all), and the index."""
    names = [f"{source}{stage}" for source in sources or SOURCES for stage in ("_archive", "_records", "")]
    return [dg.AssetKey(name) for name in [*names, "reference_index"]]


def sources_tag(sources: Sequence[str]) -> dict[str, str]:
    """The tag that says what a run is for."""
    return {SOURCES_TAG: ", ".join(sources or SOURCES)}


DOCUMENT_ASSETS = (
    *("document_text", "document_passages", "document_embeddings", "document_connections"),
    "repository_index",
)
"""Of tenants' documents and of repositories: their jobs are in defs/documents.py and defs/repositories.py."""


APART = ("retrieval_quality", "label_scorers", *DOCUMENT_ASSETS)
"""What `bootstrap` leaves to other jobs."""


def whole_job() -> Any:
    """`bootstrap`: all sources, and the index after them."""
    return dg.define_asset_job(
        "bootstrap",
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(*APART),
        description="Everything: archives, records, vectors of every batch, their checks, then the index and its "
        f"own. {PARTITIONED}",
        tags=all_batches() | job_tags("bootstrap"),
    )


REBUILD_INDEX = dg.define_asset_job(
    "rebuild_index",
    selection=dg.AssetSelection.assets("reference_index"),
    description="Build the index anew, beside the old one, and check it. Calls no provider.",
    config={"ops": {"reference_index": {"config": {"rebuild": True}}}},
    tags=job_tags("rebuild_index"),
)

EVALUATE = dg.define_asset_job(
    "evaluate",
    selection=dg.AssetSelection.assets("retrieval_quality"),
    description="Measure the search on labels and compare it with the baseline. May cost a few cents, once.",
    tags=job_tags("evaluate"),
)

VERIFY = dg.define_asset_job(
    "verify",
    selection=dg.AssetSelection.all_asset_checks() - dg.AssetSelection.checks_for_assets(*APART),
    description="Every check, and nothing else. Archives unchanged since they were loaded are parsed again "
    "and compared record by record; nothing is downloaded.",
    config={"ops": {f"{source}_records_checks": {"config": {"parse_again": True}} for source in SOURCES}},
    executor_def=dg.in_process_executor,  # mere queries: starting a process for each set would take longer
    tags=this_host(),
)


def source_job(source: str) -> Any:
    """`bootstrap_<source>`: a source's archive, records and vectors, and the index after them."""
    return dg.define_asset_job(
        job_for([source]),
        selection=dg.AssetSelection.assets(*assets_of([source])),
        description=f"{SOURCES[source].title}: archive, records, vectors of every batch, then the index; and "
        f"their checks. {PARTITIONED}",
        tags=all_batches() | job_tags(source),
    )


@cache
def loading_jobs() -> list[Any]:
    """The jobs that load: everything, and each source by itself."""
    return [whole_job(), *(source_job(source) for source in SOURCES)]


SourceName = Enum("SourceName", {name: name for name in SOURCES})  # type: ignore[misc]


class RetryConfig(dg.Config):
    """Which dead letters are tried again."""

    source: SourceName | None = Field(default=None, description="Only those of this source.")
    error_class: str | None = Field(
        default=None, description="Only those of this class, as `bootstrap failures list` shows it."
    )


@dg.op
def retry(context: dg.OpExecutionContext, config: RetryConfig, corpus: CorpusResource) -> None:
    """Embed the texts of dead letters, and report for each source how it went."""
    source = config.source.value if config.source else None
    with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
        results = pipeline.retry_failures(open_corpus, source=source, error_class=config.error_class)
        for name, result in results.items():
            contents = open_corpus.database.transact(partial(overview.holdings, source=name))
            context.log_event(dg.AssetObservation(name, metadata=filled_metadata(result, name, contents)))
    context.log.info(f"dead letters tried again: {', '.join(results) or 'there are none'}")


@dg.job(
    name="retry_failures",
    description="Embed the texts of dead letters again, all or those of a source or class. May spend money.",
    tags=job_tags("retry_failures"),
)
def retry_job() -> None:
    """One step."""
    retry()


class SpaceConfig(dg.Config):
    """Which space it is about."""

    space: int = Field(description="Its ID, as `bootstrap spaces list` shows it.")


class CandidateConfig(SpaceConfig):
    """Which space is evaluated, and what follows."""

    promote: bool = Field(default=False, description="Make it the one that is searched where no score fell.")


@dg.op
def promote(context: dg.OpExecutionContext, config: SpaceConfig, corpus: CorpusResource) -> None:
    """Make a space the one that is searched."""
    _promote(context, config.space, corpus)


def _promote(context: dg.OpExecutionContext, number: int, corpus: CorpusResource) -> None:
    with failing_for_good(context), promotion.deciding(corpus.settings()) as connection:
        space = promotion.promote(connection, number, stop=STOP)
    context.log.info(f"space {space.id} ({space.name}) is searched now")


@dg.op
def evaluate_candidate(context: dg.OpExecutionContext, config: CandidateConfig, corpus: CorpusResource) -> None:
    """Measure the search over a space, and fail where it is worse than the baseline."""
    with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
        result = evaluate(
            open_corpus.database,
            open_corpus.settings,
            space=config.space,
            run_id=open_corpus.run_id,
            max_cost=open_corpus.max_cost,
            stop=open_corpus.stop,
        )
    context.log.info(result.document.verdict)
    if not result.ok:
        raise dg.Failure("; ".join(result.failures), allow_retries=False)
    if config.promote:
        _promote(context, config.space, corpus)


@dg.job(
    name="evaluate_space",
    description="Measure the search over a space while the active one answers. The figures are kept with the "
    "space; the run fails where a score fell by more than noise since the baseline, and promotes it "
    "otherwise if it is told to. May cost a few cents, once.",
    executor_def=dg.in_process_executor,
    tags=job_tags("evaluate"),
)
def evaluate_job() -> None:
    """One step."""
    evaluate_candidate()


@dg.op
def rollback(context: dg.OpExecutionContext, corpus: CorpusResource) -> None:
    """Go back to the space that was searched before."""
    with failing_for_good(context), promotion.deciding(corpus.settings()) as connection:
        space = promotion.rollback(connection, stop=STOP)
    context.log.info(f"space {space.id} ({space.name}) is searched now")


@dg.job(
    name="promote_space",
    description="Make a space the one that is searched. It has to be complete and indexed. Calls no provider.",
    executor_def=dg.in_process_executor,
    tags=job_tags("promote_space"),
)
def promote_job() -> None:
    """One step."""
    promote()


@dg.job(
    name="rollback_space",
    description="Go back to the space that was searched before this one. Calls no provider.",
    executor_def=dg.in_process_executor,
    tags=job_tags("promote_space"),
)
def rollback_job() -> None:
    """One step."""
    rollback()


SPACE_JOBS = [evaluate_job, promote_job, rollback_job]


@dg.definitions
def jobs() -> dg.Definitions:
    """The jobs, and the executor of every run."""
    return dg.Definitions(
        jobs=[*loading_jobs(), REBUILD_INDEX, EVALUATE, retry_job, *SPACE_JOBS, VERIFY],
        executor=executor(),
    )
