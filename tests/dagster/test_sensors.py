"""Sensors: requests become runs once, end with them and stop them; publishers and unfinished work."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from bootstrap_assets import pipeline
from bootstrap_assets.definitions import defs
from bootstrap_assets.defs import sensors
from bootstrap_assets.events import IngestRequested
from bootstrap_assets.pipeline import Corpus
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources import download
from bootstrap_assets.sources.spec import Remote
from bootstrap_assets.store import events, requests
from bootstrap_assets.store.database import Database
from bootstrap_assets.store.requests import Request
from tests.fakes.voyage_server import VoyageServer


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
    [asked] = tick(sensors.requests_sensor, instance)
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
    assert tick(sensors.requests_sensor, instance) == []
    ended = get(database, number)
    assert ended.status == "completed"
    assert ended.run_id
    with database.connection() as connection:
        assert events.listing(connection)[-1].name == "bootstrap/ingest.completed"
    assert tick(sensors.requests_sensor, instance) == []


def test_a_request_whose_run_failed_has_failed_and_a_resumed_one_gets_another_run(
    environ: None,
    instance: dg.DagsterInstance,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    number = ask(database, "bonterms")
    monkeypatch.setenv("BOOTSTRAP_DATA", str(tmp_path))
    [asked] = tick(sensors.requests_sensor, instance)
    assert not execute(instance, asked).success
    tick(sensors.requests_sensor, instance)
    assert get(database, number).status == "failed"
    with database.connection() as connection:
        requests.resume(connection, number)
    [again] = tick(sensors.requests_sensor, instance)
    assert again.run_key == f"request-{number}-2"


def test_a_cancelled_request_ends_its_run_at_the_next_safe_point(
    environ: None, instance: dg.DagsterInstance, database: Database, voyage: VoyageServer
) -> None:
    number = ask(database, "bonterms")
    [asked] = tick(sensors.requests_sensor, instance)
    voyage.latency = 1.5

    def cancel(_texts: list[str]) -> None:
        with database.connection() as connection:
            requests.cancel(connection, number)

    voyage.refuse = cancel
    assert not execute(instance, asked).success
    assert 1 <= len(voyage.log) <= 2
    assert voyage.texts_paid == stored(database)  # what was in flight is kept
    tick(sensors.requests_sensor, instance)
    assert get(database, number).status == "cancelled"


def stored(database: Database) -> int:
    with database.connection() as connection:
        row = connection.execute("SELECT count(*) FROM reference_vectors_voyage_voyage_law_2_1024").fetchone()
    return int(row[0]) if row else 0


def test_an_empty_database_has_no_requests(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance, blank_database_url: str
) -> None:
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", blank_database_url)
    assert tick(sensors.requests_sensor, instance) == []
    assert tick(sensors.unfinished_batches, instance) == []


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
    pipeline.load(corpus, source, pipeline.fetch(corpus.settings, source))
    pipeline.embed(corpus, source, batches=[0, 1])
    assert tick(sensors.unfinished_batches, instance) == []  # it was at work a moment ago
    with corpus.database.connection() as connection:
        connection.execute("UPDATE bootstrap_progress SET heartbeat_at = now() - %s", (timedelta(minutes=3),))
    # Only some batches were ever planned, and these are complete: nobody began the others.
    assert tick(sensors.unfinished_batches, instance) == []
    with corpus.database.connection() as connection:
        connection.execute("UPDATE bootstrap_batches SET stage = 'planned' WHERE batch = 1")
    [asked] = tick(sensors.unfinished_batches, instance)
    assert execute(instance, asked).success
    with corpus.database.connection() as connection:
        connection.execute("UPDATE bootstrap_progress SET heartbeat_at = now() - %s", (timedelta(minutes=3),))
    assert tick(sensors.unfinished_batches, instance) == []


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
                self.send_header("Content-Length", "4")
                self.end_headers()
                self.wfile.write(b"data")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                publisher.posted.append(json.loads(body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.posted: list[dict[str, Any]] = []
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
    assert tick(sensors.upstream_changes, instance) == []  # the sample has no publisher
    monkeypatch.setenv("BOOTSTRAP_DATA", "official")
    remote = Remote("archive.zip", publisher.url)
    source = pipeline.SOURCES["cuad"]
    from dataclasses import replace

    monkeypatch.setitem(pipeline.SOURCES, "cuad", replace(source, remotes=(remote,)))
    folder = settings.root / "downloads" / "cuad"
    folder.mkdir(parents=True)
    download.fetch(remote, folder, lock=download.ChecksumLock(folder))
    assert tick(sensors.upstream_changes, instance) == []
    publisher.etag = '"two"'
    [asked] = tick(sensors.upstream_changes, instance)
    assert asked.run_key == 'upstream-cuad-"two"'
    assert asked.run_config["resources"]["corpus"]["config"] == {"force_refresh": True}


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
    event = next(event for event in result.all_events if event.event_type_value == "PIPELINE_FAILURE")
    context = dg.build_run_status_sensor_context(
        sensor_name="failures", dagster_instance=instance, dagster_run=result.dagster_run, dagster_event=event
    ).for_run_failure()
    sensors.failures(context)
    with database.connection() as connection:
        row = events.listing(connection)[-1]
    assert (row.name, row.payload["run_id"], row.payload["job"]) == (
        "bootstrap/run.failed",
        result.dagster_run.run_id,
        "bootstrap",
    )
    assert publisher.posted[0]["event"] == "bootstrap/run.failed"
