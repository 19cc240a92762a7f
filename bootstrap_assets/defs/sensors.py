"""Sensors: what makes runs by itself. Those that could spend money nobody asked for are off until turned on."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

import dagster as dg
import requests as http
from dagster import DagsterEventType

from bootstrap_assets import web
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Connection, connect, database_url
from bootstrap_assets.defs.documents import PROCESS, TENANTS_NAME, tags_for
from bootstrap_assets.defs.execute import reason_of
from bootstrap_assets.defs.jobs import assets_of, job_for, loading_jobs, sources_tag
from bootstrap_assets.defs.partitions import all_batches
from bootstrap_assets.defs.resources import ATTEMPT_TAG, REQUEST_TAG, attempt_of
from bootstrap_assets.errors import BootstrapError
from bootstrap_assets.operations import events, progress, requests
from bootstrap_assets.operations.outbox import emit
from bootstrap_assets.operations.requests import Request
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.sources.fetch import download
from bootstrap_assets.sources.registry import SOURCES

PRIORITY_TAG = "dagster/priority"

_STATUSES = {
    dg.DagsterRunStatus.SUCCESS: "completed",
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "cancelled",
}


def _requests_sensor(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Turn requests into runs, and end requests when their runs end."""
    with connect(database_url(load_settings())) as connection:
        if schema.current(connection) != schema.head():
            yield dg.SkipReason("the database has no corpus of this version yet")
            return
        for request in requests.listing(connection, statuses=requests.UNDER_WAY):
            run = _run_of(context.instance, request)
            if run is None:
                yield _run_of_documents(context.instance, request) if request.tenant else _run_request(request)
            elif run.is_finished:
                why = None if request.cancelled else _reason(context.instance, run)
                requests.end(connection, request.id, _status(request, run), why)
            else:
                _follow(context.instance, connection, request, run)
        _cancel_unwanted(context.instance, connection)


def _run_of(instance: dg.DagsterInstance, request: Request) -> dg.DagsterRun | None:
    tags = {REQUEST_TAG: str(request.id), ATTEMPT_TAG: str(request.attempt)}
    runs = instance.get_runs(dg.RunsFilter(tags=tags), limit=1)
    return runs[0] if runs else None


def _follow(instance: dg.DagsterInstance, connection: Connection, request: Request, run: dg.DagsterRun) -> None:
    """Bring a request and its run, which has not ended, into line with each other."""
    if run.status is dg.DagsterRunStatus.STARTED and request.status == "requested":
        requests.start(connection, request.id, run.run_id)  # otherwise its first step does, which may come late
    elif run.tags.get(PRIORITY_TAG) != str(request.priority):
        instance.add_run_tags(run.run_id, {PRIORITY_TAG: str(request.priority)})


def _cancel_unwanted(instance: dg.DagsterInstance, connection: Connection) -> None:
    """End runs that have not begun whose request is cancelled, or has another run since it was resumed."""
    waiting = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
    for run in instance.get_runs(dg.RunsFilter(statuses=waiting)):
        if _is_unwanted(connection, run):
            instance.report_run_canceled(run, "the request that this run is for is no longer wanted")


def _is_unwanted(connection: Connection, run: dg.DagsterRun) -> bool:
    attempt = attempt_of(run.tags)
    return attempt is not None and requests.is_cancelled(connection, attempt.request, attempt.attempt)


def _run_of_documents(instance: dg.DagsterInstance, request: Request) -> dg.RunRequest:
    """The run of a request for a tenant's documents; the tenant is a partition from now on."""
    tenant = str(request.tenant)
    instance.add_dynamic_partitions(TENANTS_NAME, [tenant])
    return dg.RunRequest(
        run_key=_run_key(request),
        job_name=PROCESS.name,
        partition_key=tenant,
        tags=_tags(request) | tags_for(PROCESS.name, tenant),
    )


def _run_key(request: Request) -> str:
    return f"request-{request.id}-{request.attempt}"


def _tags(request: Request) -> dict[str, str]:
    return {
        **{REQUEST_TAG: str(request.id), ATTEMPT_TAG: str(request.attempt)},
        PRIORITY_TAG: str(request.priority),
    }


def _run_request(request: Request) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=_run_key(request),
        job_name=job_for(request.sources),
        asset_selection=assets_of(request.sources),
        run_config=config(force_refresh=request.force_refresh),
        tags=_tags(request) | sources_tag(request.sources) | all_batches(),
    )


def _status(request: Request, run: dg.DagsterRun) -> str:
    return "cancelled" if request.cancelled and not run.is_success else _STATUSES.get(run.status, "failed")


def _reason(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Why a run did not succeed: the first step that failed in it, in its own words."""
    if run.is_success:
        return None
    entries = instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_FAILURE)
    first = entries[0].get_dagster_event() if entries else None
    reason = f": {first.step_key}: {reason_of(first)}" if first else ""
    return f"run {run.run_id[:8]} ended as {run.status.value.lower()}{reason}"


def config(*, force_refresh: bool) -> dict[str, object]:
    """Run config of the corpus resource."""
    return {"resources": {"corpus": {"config": {"force_refresh": force_refresh}}}}


def _upstream_changes(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """A source whose archive has changed is brought up to date; a run that failed is asked for again next day."""
    settings = load_settings()
    if settings.data != "official":
        yield dg.SkipReason("BOOTSTRAP_DATA is not `official`: there is no publisher to ask")
        return
    for name in SOURCES:
        version = _newer(settings, name, context)
        if version:
            yield dg.RunRequest(
                run_key=f"upstream-{name}-{version}-{_today()}",
                job_name=job_for([name]),
                asset_selection=assets_of([name]),
                run_config=config(force_refresh=True),
                tags=all_batches() | sources_tag([name]),
            )


def _newer(settings: Settings, name: str, context: dg.SensorEvaluationContext) -> str | None:
    folder = settings.archive_folder / name
    if not folder.is_dir():
        return None
    lock = download.ChecksumLock(folder)
    versions: list[str] = []
    for remote in SOURCES[name].remotes:
        try:
            version = download.newer_version(remote, lock=lock)
        except BootstrapError as error:
            context.log.warning(str(error))
            continue
        versions += [version] if version else []
    return "+".join(versions) or None


def _unfinished_batches(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Finish what was begun and left unfinished; what makes no progress is tried once a day."""
    with connect(database_url(load_settings())) as connection:
        if schema.current(connection) != schema.head():
            yield dg.SkipReason("the database has no corpus of this version yet")
            return
        rows = [one for one in progress.unfinished_sources(connection) if one.source in SOURCES]
    for one in rows:
        yield dg.RunRequest(
            run_key=f"unfinished-{one.source}-{one.fingerprint}-{one.incomplete}-{_today()}",
            job_name=job_for([one.source]),
            asset_selection=assets_of([one.source]),
            tags=all_batches() | sources_tag([one.source]),
        )
    if not rows:
        yield dg.SkipReason("every source that was begun is complete, in progress, or was stopped on purpose")


@dg.run_failure_sensor(
    name="failures",
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Records each failed run as an event, and posts it to BOOTSTRAP_FAILURE_WEBHOOK if that is set.",
)
def failures(context: dg.RunFailureSensorContext) -> None:
    """Report a failed run, unless it failed because its request was cancelled."""
    message = context.failure_event.message or ""
    event = events.RunFailed(run_id=context.dagster_run.run_id, job=context.dagster_run.job_name, message=message)
    settings = load_settings()
    with connect(database_url(settings)) as connection:
        if schema.current(connection) == schema.head():
            if _is_unwanted(connection, context.dagster_run):
                return
            emit(connection, event)
    if settings.failure_webhook:
        _post(settings.failure_webhook, event, context)


def _post(address: str, event: events.RunFailed, context: dg.RunFailureSensorContext) -> None:
    try:
        with web.Session() as session:
            payload = {"event": event.name} | event.model_dump()
            session.post(address, json=payload, timeout=10).raise_for_status()
    except http.HTTPError as error:
        context.log.warning(f"BOOTSTRAP_FAILURE_WEBHOOK: it answered {error.response.status_code}")
    except (http.RequestException, OSError, ValueError) as error:
        context.log.warning(f"BOOTSTRAP_FAILURE_WEBHOOK: {web.failure(error, address, 10).message}")


def _today() -> str:
    return f"{datetime.now(UTC):%Y%m%d}"


@cache
def requests_sensor() -> dg.SensorDefinition:
    """`requests`: runs of what other programs ask for."""
    make = dg.sensor(
        name="requests",
        jobs=[*loading_jobs(), PROCESS],
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Makes a run of each `bootstrap request`, the most urgent first, and tells when it has ended.",
    )
    return make(_requests_sensor)


@cache
def upstream_changes() -> dg.SensorDefinition:
    """`upstream_changes`: runs of what was published anew."""
    make = dg.sensor(
        name="upstream_changes",
        jobs=loading_jobs(),
        minimum_interval_seconds=3600,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Asks the publishers, by conditional requests, for other versions of their archives.",
    )
    return make(_upstream_changes)


@cache
def unfinished_batches() -> dg.SensorDefinition:
    """`unfinished_batches`: runs of what is not complete."""
    make = dg.sensor(
        name="unfinished_batches",
        jobs=loading_jobs(),
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Goes on with sources whose work stopped half way: stale, failed, or with incomplete batches. "
        "Not with what was stopped on purpose (a budget, a cancelled request, Ctrl-C). May spend money.",
    )
    return make(_unfinished_batches)


@dg.definitions
def sensors() -> dg.Definitions:
    """All sensors."""
    return dg.Definitions(sensors=[requests_sensor(), upstream_changes(), unfinished_batches(), failures])
