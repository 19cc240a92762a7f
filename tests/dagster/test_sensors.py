"""Sensors: requests become runs once, end with them and stop them; publishers and unfinished work."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from bootstrap_assets import cli, pipeline
from bootstrap_assets.database.connection import Database
from bootstrap_assets.definitions import defs
from bootstrap_assets.defs import sensors
from bootstrap_assets.defs.execute import reason_of
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import AccessError, BudgetError
from bootstrap_assets.operations import outbox as events
from bootstrap_assets.operations import requests
from bootstrap_assets.operations.events import IngestRequested, RunFailed
from bootstrap_assets.operations.requests import Request
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.fetch import download, locate
from bootstrap_assets.sources.spec import Remote
from tests.dagster.test_pages import trace
from tests.fakes.voyage_server import Always, Fault, VoyageServer


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, settings: Settings, voyage: VoyageServer) -> None:
    assert settings.database_url
    monkeypatch.setenv("BOOTSTRAP_HOME", str(settings.root))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("VOYAGE_API_KEY", "test-key")
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_BASE_URL", voyage.url)
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_TPM", "50000")
    monkeypatch.setenv("BOOTSTRAP_EMBED_WORKERS", "1")


def tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    context = dg.build_sensor_context(instance=instance, definitions=defs)
    return list(sensor.evaluate_tick(context).run_requests or [])


def execute(instance: dg.DagsterInstance, asked: dg.RunRequest) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("bootstrap").execute_in_process(
        instance=instance,
        run_config=asked.run_config,
        asset_selection=list(asked.asset_selection or []),
        tags=asked.tags,
        raise_on_error=False,
    )


def ask(database: Database, *sources: str, priority: int = 0) -> int:
    event = IngestRequested(sources=list(sources), priority=priority)
    with database.connection() as connection:
        return requests.ask(connection, event)[0]


def get(database: Database, number: int) -> Request:
    with database.connection() as connection:
        return requests.get(connection, number)


def test_a_request_becomes_a_run_which_ends_it(
    environ: None, instance: dg.DagsterInstance, database: Database
) -> None:
    number = ask(database, "bonterms", priority=3)
    [asked] = tick(sensors.requests_sensor(), instance)
    assert asked.run_key == f"request-{number}-1"
    assert asked.tags["dagster/priority"] == "3"
    assert {key.to_user_string() for key in asked.asset_selection or []} == {
        "bonterms_archive",
        "bonterms_records",
        "bonterms",
        "reference_index",
    }
    assert execute(instance, asked).success
    assert get(database, number).status == "running"  # the run itself does not say that it is over
    assert tick(sensors.requests_sensor(), instance) == []
    ended = get(database, number)
    assert ended.status == "completed"
    assert ended.run_id
    with database.connection() as connection:
        assert events.listing(connection)[-1].name == "bootstrap/ingest.completed"
    assert tick(sensors.requests_sensor(), instance) == []


def test_a_request_whose_run_failed_has_failed_and_a_resumed_one_gets_another_run(
    environ: None,
    instance: dg.DagsterInstance,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    number = ask(database, "bonterms")
    monkeypatch.setenv("BOOTSTRAP_DATA", str(tmp_path))
    [asked] = tick(sensors.requests_sensor(), instance)
    assert not execute(instance, asked).success
    tick(sensors.requests_sensor(), instance)
    ended = get(database, number)
    assert ended.status == "failed"
    assert "ended as failure: bonterms_archive: bonterms: no archive in" in str(ended.message)
    assert "no archive in" in CliRunner().invoke(cli.bootstrap, ["wait", str(number)]).stdout
    with database.connection() as connection:
        requests.resume(connection, number)
    [again] = tick(sensors.requests_sensor(), instance)
    assert again.run_key == f"request-{number}-2"


def test_a_cancelled_request_ends_its_run_at_the_next_safe_point(
    environ: None, instance: dg.DagsterInstance, database: Database, voyage: VoyageServer
) -> None:
    number = ask(database, "bonterms")
    [asked] = tick(sensors.requests_sensor(), instance)
    voyage.latency = 1.5

    def cancel(_texts: list[str]) -> None:
        with database.connection() as connection:
            requests.cancel(connection, number)

    voyage.refuse = cancel
    assert not execute(instance, asked).success
    assert 1 <= len(voyage.log) <= 2
    assert voyage.texts_paid == stored(database)  # what was in flight is kept
    tick(sensors.requests_sensor(), instance)
    ended = get(database, number)
    assert (ended.status, ended.message) == ("cancelled", None)
    let_time_pass(database)
    assert tick(sensors.unfinished_batches(), instance) == []  # it was stopped on purpose


def let_time_pass(database: Database) -> None:
    """No process has given a sign of life for an hour."""
    with database.connection() as connection:
        connection.execute("UPDATE bootstrap_progress SET heartbeat_at = now() - %s", (timedelta(hours=1),))


def queued(instance: dg.DagsterInstance, asked: dg.RunRequest) -> dg.DagsterRun:
    """The run of a request, as the daemon makes it, waiting in the queue."""
    keys = frozenset(asked.asset_selection or [])
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("bootstrap_assets"), "__repository__")
    return instance.create_run_for_job(
        defs.resolve_job_def("bootstrap").get_subset(asset_selection=set(keys)),
        asset_selection=keys,
        tags=asked.tags,
        run_config=asked.run_config,
        status=dg.DagsterRunStatus.QUEUED,
        remote_job_origin=RemoteJobOrigin(repository, "bootstrap"),
    )


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found
    return found.status


def test_the_queued_run_of_a_cancelled_request_is_taken_out_and_the_resumed_one_runs_once(
    environ: None, instance: dg.DagsterInstance, database: Database
) -> None:
    number = ask(database, "bonterms")
    [asked] = tick(sensors.requests_sensor(), instance)
    run = queued(instance, asked)
    assert tick(sensors.requests_sensor(), instance) == []
    assert get(database, number).status == "requested"
    with database.connection() as connection:
        requests.cancel(connection, number)
    tick(sensors.requests_sensor(), instance)
    assert status_of(instance, run) is dg.DagsterRunStatus.CANCELED
    assert get(database, number).status == "cancelled"
    with database.connection() as connection:
        requests.resume(connection, number)
    [again] = tick(sensors.requests_sensor(), instance)
    assert again.run_key == f"request-{number}-2"


def test_a_run_of_an_earlier_attempt_is_taken_out_of_the_queue(
    environ: None, instance: dg.DagsterInstance, database: Database
) -> None:
    """Cancelled and resumed between two looks of the sensor."""
    number = ask(database, "bonterms")
    [asked] = tick(sensors.requests_sensor(), instance)
    run = queued(instance, asked)
    with database.connection() as connection:
        requests.cancel(connection, number)
        requests.resume(connection, number)
    [again] = tick(sensors.requests_sensor(), instance)
    other = queued(instance, again)
    tick(sensors.requests_sensor(), instance)
    assert status_of(instance, run) is dg.DagsterRunStatus.CANCELED
    assert status_of(instance, other) is dg.DagsterRunStatus.QUEUED


def test_a_run_that_left_the_queue_before_its_request_was_cancelled_loads_nothing(
    environ: None, instance: dg.DagsterInstance, database: Database
) -> None:
    number = ask(database, "bonterms")
    [asked] = tick(sensors.requests_sensor(), instance)
    with database.connection() as connection:
        requests.cancel(connection, number)
    result = execute(instance, asked)
    assert not result.success
    assert records(database) == 0
    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert f"`bootstrap resume {number}`" in reason_of(failed)
    with database.connection() as connection:
        requests.resume(connection, number)
    assert not execute(instance, asked).success  # that of the first attempt, late: the second has its own
    assert records(database) == 0
    resumed = get(database, number)
    assert (resumed.status, resumed.run_id) == ("requested", None)


def records(database: Database) -> int:
    with database.connection() as connection:
        row = connection.execute("SELECT count(*) FROM reference_records").fetchone()
    return int(row[0]) if row else 0


def test_a_request_is_under_way_from_its_run_s_beginning(
    environ: None, instance: dg.DagsterInstance, database: Database
) -> None:
    """Not only from its first step on that opens the corpus: a download before may take long."""
    number = ask(database, "bonterms")
    [asked] = tick(sensors.requests_sensor(), instance)
    run = queued(instance, asked)
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name, pid=1), run.run_id
    )
    tick(sensors.requests_sensor(), instance)
    begun = get(database, number)
    assert (begun.status, begun.run_id) == ("running", run.run_id)
    with database.connection() as connection:
        requests.cancel(connection, number)
    assert get(database, number).status == "running"  # until its run has ended


def test_a_request_that_becomes_more_urgent_moves_up_in_the_queue(
    environ: None, instance: dg.DagsterInstance, database: Database
) -> None:
    number = ask(database, "bonterms")
    [asked] = tick(sensors.requests_sensor(), instance)
    run = queued(instance, asked)
    assert ask(database, "bonterms", priority=9) == number
    tick(sensors.requests_sensor(), instance)
    moved = instance.get_run_by_id(run.run_id)
    assert moved
    assert moved.tags["dagster/priority"] == "9"


def test_a_request_that_was_cancelled_too_late_is_completed(
    environ: None, instance: dg.DagsterInstance, database: Database
) -> None:
    number = ask(database, "bonterms")
    [asked] = tick(sensors.requests_sensor(), instance)
    assert execute(instance, asked).success
    with database.connection() as connection:
        requests.cancel(connection, number)
    tick(sensors.requests_sensor(), instance)
    assert get(database, number).status == "completed"


def test_a_request_that_asks_the_publishers_makes_a_run_that_does(
    environ: None, instance: dg.DagsterInstance, database: Database
) -> None:
    with database.connection() as connection:
        requests.ask(connection, IngestRequested(sources=["cuad"], force_refresh=True))
        requests.ask(connection, IngestRequested(sources=["cuad"]))
    asked = tick(sensors.requests_sensor(), instance)
    found = [one.run_config["resources"]["corpus"]["config"]["force_refresh"] for one in asked]
    assert found == [True, False]


def stored(database: Database) -> int:
    with database.connection() as connection:
        row = connection.execute("SELECT count(*) FROM reference_vectors_voyage_voyage_4_large_1024").fetchone()
    return int(row[0]) if row else 0


def test_an_empty_database_has_no_requests(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance, blank_database_url: str
) -> None:
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", blank_database_url)
    assert tick(sensors.requests_sensor(), instance) == []
    assert tick(sensors.unfinished_batches(), instance) == []


def test_what_costs_money_unasked_is_off_until_turned_on() -> None:
    repository = defs.get_repository_def()
    on = {
        sensor.name for sensor in repository.sensor_defs if sensor.default_status is dg.DefaultSensorStatus.RUNNING
    }
    assert {"requests", "failures"} <= on
    assert not {"upstream_changes", "unfinished_batches"} & on
    refresh = repository.get_schedule_def("weekly_refresh")
    assert refresh.default_status is dg.DefaultScheduleStatus.STOPPED


def test_unfinished_work_is_gone_on_with(environ: None, instance: dg.DagsterInstance, corpus: Corpus) -> None:
    source = pipeline.SOURCES["bonterms"]
    pipeline.load(corpus, source, locate.fetch(corpus.settings, source))
    pipeline.embed(corpus, source, batches=[0, 1])
    assert tick(sensors.unfinished_batches(), instance) == []  # it was at work a moment ago
    let_time_pass(corpus.database)
    # Only some batches were ever planned, and these are complete: nobody began the others.
    assert tick(sensors.unfinished_batches(), instance) == []
    with corpus.database.connection() as connection:
        connection.execute("UPDATE bootstrap_batches SET stage = 'planned' WHERE batch = 1")
    [asked] = tick(sensors.unfinished_batches(), instance)
    assert execute(instance, asked).success
    let_time_pass(corpus.database)
    assert tick(sensors.unfinished_batches(), instance) == []


def test_work_that_reached_its_budget_is_not_gone_on_with(
    environ: None, instance: dg.DagsterInstance, corpus: Corpus, voyage: VoyageServer
) -> None:
    source, poor = pipeline.SOURCES["bonterms"], replace(corpus, max_cost=1e-7)
    pipeline.load(poor, source, locate.fetch(corpus.settings, source))
    with pytest.raises(BudgetError):
        pipeline.embed(poor, source)
    let_time_pass(corpus.database)
    assert tick(sensors.unfinished_batches(), instance) == []
    with corpus.database.connection() as connection:  # killed instead
        connection.execute("UPDATE bootstrap_progress SET status = 'in_progress', message = NULL")
    assert len(tick(sensors.unfinished_batches(), instance)) == 1
    assert voyage.texts_paid == 0


def test_work_on_a_source_whose_request_was_cancelled_between_two_steps_is_not_gone_on_with(
    environ: None, instance: dg.DagsterInstance, corpus: Corpus
) -> None:
    source = pipeline.SOURCES["bonterms"]
    pipeline.load(corpus, source, locate.fetch(corpus.settings, source))
    pipeline.embed(corpus, source, batches=[0, 1])
    with corpus.database.connection() as connection:
        connection.execute("UPDATE bootstrap_batches SET stage = 'planned' WHERE batch = 1")
    let_time_pass(corpus.database)
    assert len(tick(sensors.unfinished_batches(), instance)) == 1
    with corpus.database.connection() as connection:
        for sources in (["cuad"], ["bonterms"]):
            number, _ = requests.ask(connection, IngestRequested(sources=sources))
            requests.cancel(connection, number)
            connection.commit()
            assert len(tick(sensors.unfinished_batches(), instance)) == (sources == ["cuad"])
    pipeline.load(corpus, source, locate.fetch(corpus.settings, source))  # somebody went on with it
    let_time_pass(corpus.database)
    assert len(tick(sensors.unfinished_batches(), instance)) == 1


def test_work_that_gets_nowhere_is_tried_once_a_day(
    environ: None,
    instance: dg.DagsterInstance,
    corpus: Corpus,
    voyage: VoyageServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = pipeline.SOURCES["bonterms"]
    pipeline.load(corpus, source, locate.fetch(corpus.settings, source))
    voyage.faults = Always(Fault.unauthorized)
    with pytest.raises(AccessError):
        pipeline.embed(replace(corpus, settings=corpus.settings.model_copy(update={"batches": 128})), source)
    keys = []
    for day in ("20300101", "20300101", "20300102"):
        monkeypatch.setattr(sensors, "_today", lambda day=day: day)
        let_time_pass(corpus.database)
        [asked] = tick(sensors.unfinished_batches(), instance)
        assert not execute(instance, asked).success
        keys.append(asked.run_key)
    assert keys[0] == keys[1] != keys[2]


EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


class Publisher:
    """A server of one archive whose version can be changed; counts the bodies it sent."""

    def __init__(self) -> None:
        self.etag, self.bodies = '"one"', 0
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.headers.get("If-None-Match") == publisher.etag:
                    self.send_response(304)
                    self.end_headers()
                    return
                publisher.bodies += 1
                self.send_response(200)
                self.send_header("ETag", publisher.etag)
                self.send_header("Content-Length", str(len(EMPTY_ZIP)))
                self.end_headers()
                self.wfile.write(EMPTY_ZIP)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                publisher.posted.append(json.loads(body))
                publisher.credentials.append(self.headers.get("Authorization"))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.posted: list[dict[str, Any]] = []
        self.credentials: list[str | None] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/archive.zip"
        threading.Thread(target=partial(self._http.serve_forever, 0.02), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    running = Publisher()
    yield running
    running.close()


def test_a_newer_version_is_seen_by_a_conditional_request(publisher: Publisher, tmp_path: Path) -> None:
    remote, lock = Remote("archive.zip", publisher.url), download.ChecksumLock(tmp_path)
    assert download.newer_version(remote, lock=lock) is None  # never downloaded: nothing to compare with
    download.fetch(remote, tmp_path, lock=lock)
    assert download.newer_version(remote, lock=lock) is None
    publisher.etag = '"two"'
    assert download.newer_version(remote, lock=lock) == '"two"'


def test_a_publisher_s_new_version_makes_one_run(
    environ: None,
    instance: dg.DagsterInstance,
    publisher: Publisher,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert tick(sensors.upstream_changes(), instance) == []  # the sample has no publisher
    monkeypatch.setenv("BOOTSTRAP_DATA", "official")
    remote = Remote("archive.zip", publisher.url)
    source = pipeline.SOURCES["cuad"]
    monkeypatch.setitem(pipeline.SOURCES, "cuad", replace(source, remotes=(remote,)))
    folder = settings.root / "downloads" / "cuad"
    folder.mkdir(parents=True)
    download.fetch(remote, folder, lock=download.ChecksumLock(folder))
    assert tick(sensors.upstream_changes(), instance) == []
    publisher.etag = '"two"'
    keys = []
    for day in ("20300101", "20300101", "20300102"):  # a run that failed is asked for again next day
        monkeypatch.setattr(sensors, "_today", lambda day=day: day)
        [asked] = tick(sensors.upstream_changes(), instance)
        keys.append(asked.run_key)
    assert keys == [f'upstream-cuad-"two"-{day}' for day in ("20300101", "20300101", "20300102")]
    assert asked.run_config["resources"]["corpus"]["config"] == {"force_refresh": True}


def tell_failure(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> None:
    """What the daemon does with a run that failed."""
    event = next(event for event in result.all_events if event.event_type_value == "PIPELINE_FAILURE")
    context = dg.build_run_status_sensor_context(
        sensor_name="failures", dagster_instance=instance, dagster_run=result.dagster_run, dagster_event=event
    ).for_run_failure()
    sensors.failures(context)


def test_the_run_of_a_cancelled_request_is_canceled_and_did_not_fail(
    environ: None, instance: dg.DagsterInstance, database: Database
) -> None:
    number = ask(database, "bonterms")
    [asked] = tick(sensors.requests_sensor(), instance)
    with database.connection() as connection:
        requests.cancel(connection, number)
    result = execute(instance, asked)
    assert status_of(instance, result.dagster_run) is dg.DagsterRunStatus.CANCELED
    ended = {event.event_type for event in result.all_events}
    assert dg.DagsterEventType.RUN_CANCELED in ended
    assert dg.DagsterEventType.RUN_FAILURE not in ended  # the sensor `failures` has nothing to tell


def test_a_request_that_is_cancelled_under_way_ends_its_run_as_canceled(
    environ: None, instance: dg.DagsterInstance, database: Database, voyage: VoyageServer
) -> None:
    number = ask(database, "bonterms")
    [asked] = tick(sensors.requests_sensor(), instance)
    voyage.latency = 1.5

    def cancel(_texts: list[str]) -> None:
        with database.connection() as connection:
            requests.cancel(connection, number)

    voyage.refuse = cancel
    result = execute(instance, asked)
    assert status_of(instance, result.dagster_run) is dg.DagsterRunStatus.CANCELED
    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert not trace(failed)


def test_a_run_has_the_name_of_what_it_was_asked_for(
    environ: None, instance: dg.DagsterInstance, database: Database
) -> None:
    for sources in (["cuad"], ["cuad", "bonterms"], []):
        ask(database, *sources)
    one, two, every = sorted(tick(sensors.requests_sensor(), instance), key=lambda asked: str(asked.run_key))
    assert [asked.job_name for asked in (one, two, every)] == ["bootstrap_cuad", "bootstrap", "bootstrap"]
    assert [asked.tags["bootstrap/sources"] for asked in (one, two)] == ["cuad", "bonterms, cuad"]


def test_a_failed_run_is_an_event_and_a_post(
    environ: None,
    instance: dg.DagsterInstance,
    database: Database,
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("BOOTSTRAP_FAILURE_WEBHOOK", publisher.url)
    monkeypatch.setenv("BOOTSTRAP_DATA", str(tmp_path))
    result = defs.resolve_job_def("bootstrap").execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    tell_failure(instance, result)
    with database.connection() as connection:
        row = events.listing(connection)[-1]
    assert (row.name, row.payload["run_id"], row.payload["job"]) == (
        "bootstrap/run.failed",
        result.dagster_run.run_id,
        "bootstrap",
    )
    assert publisher.posted[0]["event"] == "bootstrap/run.failed"


def test_a_failed_run_is_posted_without_what_netrc_holds(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    failed = RunFailed(run_id="1", job="bootstrap", message="")
    sensors._post(publisher.url, failed, None)  # type: ignore[arg-type]
    sensors._post(publisher.url.replace("//", "//user:own@"), failed, None)  # type: ignore[arg-type]
    assert publisher.credentials == [None, "Basic dXNlcjpvd24="]
