"""Repositories: a partition for each, one asset that works on its jobs, and a sensor that asks for new commits."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Connection, Database, connect, database_url
from bootstrap_assets.defs.about import OWNERS, code
from bootstrap_assets.defs.launcher import this_host
from bootstrap_assets.defs.resources import CorpusResource, failing_for_good
from bootstrap_assets.defs.sources import RETRY
from bootstrap_assets.errors import BootstrapError
from bootstrap_assets.repositories import jobs, registry
from bootstrap_assets.repositories.git import Limits
from bootstrap_assets.repositories.registry import RepositoryState
from bootstrap_assets.repositories.store import Repository
from bootstrap_assets.settings import Settings, load_settings

REPOSITORIES_NAME = "repositories"
REPOSITORIES = dg.DynamicPartitionsDefinition(name=REPOSITORIES_NAME)

POOL = "repositories"
"""As many runs as repositories are indexed at a time."""

CORRELATION_TAG = "bootstrap/correlation"
"""Tag of a run: the correlation id of its job."""

SECONDS = 30.0
"""How long servers are asked at one look."""

PATIENCE = Limits(clone_seconds=10.0, stall_seconds=10.0)
"""What one server may take."""

MOST_FAILURES = 0.10
"""The share of jobs that may fail."""

MOST_WAITING = 100
"""Jobs that may wait."""

Results = Iterator[dg.MaterializeResult[None]]


class IndexConfig(dg.Config):
    """What is indexed of the partition's repository."""

    commit: str = Field(default="", description="The full id of a commit; empty: that of the ref.")
    correlation_id: str = Field(default="", description="Stands in every line of the log; empty: one is made.")


@dg.asset(
    name="repository_index",
    group_name="repositories",
    description="Files, symbols, references and dependencies of a repository at a commit (`repository_*`), its "
    "records and their vectors. Old or new, never half; what did not change is neither parsed nor embedded again.",
    owners=OWNERS,
    kinds={"python", "postgres"},
    tags={"stage": "repositories"},
    partitions_def=REPOSITORIES,
    retry_policy=RETRY,
    pool=POOL,
    metadata=code(jobs.process),
)
def repository_index(context: dg.AssetExecutionContext, config: IndexConfig, corpus: CorpusResource) -> Results:
    """Index a commit, and whatever else was asked for of the repository."""
    name = context.partition_key
    with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
        correlation = open_corpus.database.transact(partial(_enqueue, name=name, config=config))
        context.log.info(f"[{correlation}] {name}: asked for")
        jobs.process(open_corpus, [name])
        state = open_corpus.database.transact(partial(registry.state, name=name))
        context.log.info(f"[{state.correlation_id}] {name}: {state.status}")
    if state.status == "failed":
        raise dg.Failure(f"[{state.correlation_id}] {state.reason}", allow_retries=False)
    yield dg.MaterializeResult(metadata=_metadata(state))


def _enqueue(connection: Connection, name: str, config: IndexConfig) -> str:
    """Ask for what is configured, unless its job was cancelled before the run began; the correlation id."""
    if config.correlation_id and registry.is_cancelled(connection, name, config.correlation_id):
        return config.correlation_id
    return registry.enqueue(connection, name, config.commit, config.correlation_id)[1]


def _metadata(state: RepositoryState) -> dict[str, Any]:
    counts = {name: getattr(state, name) or 0 for name in (*registry.COUNTS, "findings")}
    about = {"status": state.status, "commit": state.commit, "correlation_id": state.correlation_id}
    return {**about, **counts, "stages": dg.MetadataValue.json(dict(state.seconds))}


@dg.asset_check(
    asset=repository_index,
    name="repositories_at_work",
    description=f"Warns above {MOST_FAILURES:.0%} failed jobs of the last {registry.HOURS} hours, or "
    f"{MOST_WAITING} jobs that wait.",
)
def repositories_at_work(corpus: CorpusResource) -> dg.AssetCheckResult:
    """One look at the queue."""
    with connect(database_url(corpus.settings())) as connection:
        queue = registry.queue(connection)
    return dg.AssetCheckResult(
        passed=queue.failure_rate <= MOST_FAILURES and queue.waiting <= MOST_WAITING,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "waiting": queue.waiting,
            "processing": queue.processing,
            "ended": queue.ended,
            "failure_rate": queue.failure_rate,
        },
    )


INDEX = dg.define_asset_job(
    "index_repositories",
    selection=dg.AssetSelection.assets("repository_index"),
    partitions_def=REPOSITORIES,
    description="Index a repository at a commit. May spend money, on texts that are new.",
    tags=this_host(),
)


@dg.sensor(
    name="repositories",
    job=INDEX,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks the servers of all repositories for new commits, and makes one run for each job that waits, "
    "however often it looks.",
)
def repositories_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One look at every repository."""
    settings = load_settings()
    url = database_url(settings)
    with connect(url) as connection:
        if schema.current(connection) != schema.head():
            yield dg.SkipReason("the database has no corpus of this version yet")
            return
        everyone = registry.repositories(connection)
    _register(context.instance, {one.name for one in everyone})
    _set_limit(context.instance, settings.repositories_at_work)
    with Database(url, size=1) as database:
        _ask_some(context, database, settings, everyone)
        with database.connection() as connection:
            waiting = registry.waiting_runs(connection)
    for run in waiting:
        if not _is_under_way(context.instance, run.repository):
            yield _run_request(run)


def _register(instance: dg.DagsterInstance, names: set[str]) -> None:
    """Let the partitions be the repositories."""
    before = set(instance.get_dynamic_partitions(REPOSITORIES_NAME))
    if names - before:
        instance.add_dynamic_partitions(REPOSITORIES_NAME, sorted(names - before))
    for name in before - names:
        instance.delete_dynamic_partition(REPOSITORIES_NAME, name)


def _set_limit(instance: dg.DagsterInstance, limit: int) -> None:
    """Give the pool its limit, unless somebody did (Deployment > Concurrency)."""
    storage = instance.event_log_storage
    if all(one.name != POOL or one.from_default for one in storage.get_pool_limits()):
        storage.set_concurrency_slots(POOL, limit)


def _ask_some(
    context: dg.SensorEvaluationContext, database: Database, settings: Settings, everyone: list[Repository]
) -> None:
    """Ask servers for SECONDS at most, and go on after the last one the next time."""
    until, last = time.monotonic() + SECONDS, context.cursor or ""
    for repository in sorted(everyone, key=lambda one: (one.name <= last, one.name)):
        if time.monotonic() > until:
            break
        _ask(context, database, settings, repository)
        context.update_cursor(repository.name)


def _ask(
    context: dg.SensorEvaluationContext, database: Database, settings: Settings, repository: Repository
) -> None:
    """Ask a server for its commit; a new one becomes a job. One that does not answer is asked the next time."""
    try:
        commit = jobs.remote_commit(settings, repository, PATIENCE)
    except BootstrapError as error:
        context.log.warning(f"{repository.name}: {error}")
        return
    with database.connection() as connection:
        if registry.is_new(connection, repository.name, commit):
            registry.enqueue(connection, repository.name, commit)


def _is_under_way(instance: dg.DagsterInstance, name: str) -> bool:
    """Whether a run for the repository has not ended: at most one is in the queue."""
    filters = dg.RunsFilter(
        job_name=INDEX.name,
        tags={"dagster/partition": name},
        statuses=[
            *(dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING),
            *(dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING),
        ],
    )
    return bool(instance.get_runs(filters, limit=1))


def _run_request(run: registry.WaitingRun) -> dg.RunRequest:
    """A run that died over the same job is asked for again the next hour."""
    config = IndexConfig(commit=run.revision, correlation_id=run.correlation_id)
    return dg.RunRequest(
        run_key=f"index-{run.job}-{run.attempts}-{datetime.now(UTC):%Y%m%d%H}",
        partition_key=run.repository,
        run_config=dg.RunConfig(ops={"repository_index": config}),
        tags={CORRELATION_TAG: run.correlation_id},
    )


@dg.definitions
def repository_definitions() -> dg.Definitions:
    """The asset, its check, its job and the sensor."""
    return dg.Definitions(
        assets=[repository_index], asset_checks=[repositories_at_work], jobs=[INDEX], sensors=[repositories_sensor]
    )
