"""The sensor `inbox`: files of the inbox become documents, documents that wait become runs, one per tenant."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Connection, Database, connect, database_url
from bootstrap_assets.defs.documents import CONNECTING, PROCESS, TENANTS_NAME, tags_for
from bootstrap_assets.defs.sensors import PRIORITY_TAG
from bootstrap_assets.documents import connections, inbox, states, tenants
from bootstrap_assets.documents.folders import Folder
from bootstrap_assets.documents.steps import CHUNK, CONNECT, EMBED, EXTRACT
from bootstrap_assets.documents.tenants import Tenant
from bootstrap_assets.errors import DownloadInterrupted, PermanentError
from bootstrap_assets.settings import load_settings

SECONDS = 30.0
"""How long files are taken in at most at one look over all tenants: Dagster gives a look a minute."""

WORK = ((PROCESS.name, (EXTRACT, CHUNK, EMBED)), (CONNECTING.name, (CONNECT,)))
"""What has a run of which job."""


@dg.sensor(
    name="inbox",
    jobs=[PROCESS, CONNECTING],
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Takes new and changed files of BOOTSTRAP_INBOX/<tenant>/ as documents, forgets vanished ones, "
    "and makes one run for each tenant whose documents wait, however often it looks.",
)
def inbox_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One look at every tenant, the most urgent first."""
    settings = load_settings()
    url = database_url(settings)
    with connect(url) as connection:
        if schema.current(connection) != schema.head():
            yield dg.SkipReason("the database has no corpus of this version yet")
            return
        everyone = tenants.listing(connection)
    _register(context.instance, everyone)
    problem = _look(context, settings.inbox, url, everyone) if settings.inbox else None
    with connect(url) as connection:
        runs = list(_runs(context.instance, connection, everyone))
    yield from runs
    if problem and not runs:
        yield dg.SkipReason(problem)


def _register(instance: dg.DagsterInstance, everyone: list[Tenant]) -> None:
    """Let the partitions be the tenants."""
    before, now = set(instance.get_dynamic_partitions(TENANTS_NAME)), {tenant.name for tenant in everyone}
    if now - before:
        instance.add_dynamic_partitions(TENANTS_NAME, sorted(now - before))
    for former in before - now:
        instance.delete_dynamic_partition(TENANTS_NAME, former)


def _look(context: dg.SensorEvaluationContext, address: str, url: str, everyone: list[Tenant]) -> str | None:
    """Take in what is in the inbox; says why not, of the last that cannot be read. What is away is asked once."""
    until, problem, folder_of = time.monotonic() + SECONDS, None, inbox.opening(address)
    with Database(url, size=1) as database:
        for tenant in everyone:
            try:
                _take_in(context, database, folder_of(tenant.name), tenant, until)
            except (PermanentError, DownloadInterrupted) as error:
                problem = f"{tenant.name}: the inbox cannot be read, and nothing of it is forgotten: {error}"
                context.log.error(problem)
                if isinstance(error, DownloadInterrupted):
                    break
    return problem


def _take_in(
    context: dg.SensorEvaluationContext, database: Database, folder: Folder, tenant: Tenant, until: float
) -> None:
    if not folder.is_there:
        return
    intake = inbox.scan(database, folder, tenant.name, seconds=until - time.monotonic())
    for refusal in intake.refused:
        context.log.warning(f"{tenant.name}: {refusal.name}: {refusal.reason}")
    if intake.held_back:
        why = intake.why_held_back(tenant.name)
        context.log.warning(f"{tenant.name}: {folder.address}: {intake.held_back} files {why}")


def _runs(
    instance: dg.DagsterInstance, connection: Connection, everyone: list[Tenant]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    work = WORK if connections.is_possible(connection) else WORK[:1]
    for tenant in everyone:
        for job, steps in work:
            waiting = [step.waiting for step in steps] + [step.doing for step in steps]
            version = states.waiting_version(connection, tenant.name, waiting)
            if version and not _is_under_way(instance, job, tenant.name):
                yield _run_request(job, tenant, version)


def _is_under_way(instance: dg.DagsterInstance, job: str, tenant: str) -> bool:
    """Whether a run of this job for the tenant has not ended: at most one is in the queue."""
    filters = dg.RunsFilter(
        job_name=job,
        tags={"dagster/partition": tenant},
        statuses=[
            *(dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING),
            *(dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING),
        ],
    )
    return bool(instance.get_runs(filters, limit=1))


def _run_request(job: str, tenant: Tenant, version: str) -> dg.RunRequest:
    """A run that brought none of its documents on is asked for again the next hour."""
    return dg.RunRequest(
        run_key=f"{job}-{tenant.name}-{version}-{datetime.now(UTC):%Y%m%d%H}",
        job_name=job,
        partition_key=tenant.name,
        tags={PRIORITY_TAG: str(tenant.priority), **tags_for(job, tenant.name)},
    )


@dg.definitions
def inbox_definitions() -> dg.Definitions:
    """The sensor."""
    return dg.Definitions(sensors=[inbox_sensor])
