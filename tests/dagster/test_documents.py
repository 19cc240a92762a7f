"""Tenants' documents in Dagster: a partition for each tenant, runs of what waits, one at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from bootstrap_assets.definitions import defs
from bootstrap_assets.defs.documents import CHECK, TENANTS_NAME
from bootstrap_assets.defs.inbox import inbox_sensor
from bootstrap_assets.defs.jobs import JOB_TAG
from bootstrap_assets.defs.sensors import PRIORITY_TAG, requests_sensor
from bootstrap_assets.documents import stages, states
from bootstrap_assets.documents.extraction.extractor import Extractor
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import TransientError
from bootstrap_assets.operations import outbox, progress, requests
from bootstrap_assets.operations.events import IngestRequested
from bootstrap_assets.settings import Settings
from tests.fakes.voyage_server import VoyageServer
from tests.integration.test_documents import TEXT, add_tenant, put, state_of

ASSETS = ("document_text", "document_passages", "document_embeddings")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, settings: Settings, voyage: VoyageServer, tmp_path: Path) -> None:
    assert settings.database_url
    monkeypatch.setenv("BOOTSTRAP_HOME", str(settings.root))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("VOYAGE_API_KEY", "test-key")
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_BASE_URL", voyage.url)
    monkeypatch.setenv("BOOTSTRAP_BATCHES", "16")
    monkeypatch.setenv("BOOTSTRAP_INBOX", str(tmp_path / "inbox"))


@pytest.fixture
def acme(ten_contracts: None, environ: None, corpus: Corpus) -> Corpus:
    """A corpus with a searched reference, and a tenant."""
    add_tenant(corpus, "acme")
    return corpus


def tick(instance: dg.DagsterInstance, sensor: dg.SensorDefinition = inbox_sensor) -> list[dg.RunRequest]:
    """What the sensor wants to have run, besides what it has had before, as the daemon does."""
    context = dg.build_sensor_context(instance=instance, definitions=defs)
    with dg.partition_loading_context(dynamic_partitions_store=instance):
        wishes = sensor.evaluate_tick(context).run_requests or []
    keys = {run.tags.get("dagster/run_key") for run in instance.get_runs()}
    return [request for request in wishes if request.run_key not in keys]


def execute(instance: dg.DagsterInstance, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    return run(instance, str(request.job_name), str(request.partition_key), request)


def run(
    instance: dg.DagsterInstance, job: str, tenant: str, request: dg.RunRequest | None = None
) -> dg.ExecuteInProcessResult:
    tags = dict(request.tags) | {"dagster/run_key": str(request.run_key)} if request else {}
    return defs.resolve_job_def(job).execute_in_process(
        instance=instance, partition_key=tenant, tags=tags, raise_on_error=False
    )


def jobs(wishes: list[dg.RunRequest]) -> list[tuple[str | None, str | None]]:
    return [(request.job_name, request.partition_key) for request in wishes]


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    [event] = [
        event for event in result.get_asset_materialization_events() if event.asset_key == dg.AssetKey(asset)
    ]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_what_waits_is_run_once_by_two_jobs_and_then_nothing_more(
    acme: Corpus, instance: dg.DagsterInstance
) -> None:
    document = put(acme, "acme", "msa.md", TEXT)
    [request] = tick(instance)
    assert jobs([request]) == [("process_documents", "acme")]
    assert instance.get_dynamic_partitions(TENANTS_NAME) == ["acme"]
    first = execute(instance, request)
    assert first.success
    assert state_of(acme, document).stage == "embedded"
    assert all(metadata(first, asset)["documents"] == 1 for asset in ASSETS)
    assert metadata(first, "document_embeddings")["texts"] > 0

    [request] = tick(instance)
    assert jobs([request]) == [("connect_documents", "acme")]
    assert execute(instance, request).success
    assert state_of(acme, document).stage == "complete"
    assert tick(instance) == []


def test_a_run_that_is_asked_for_again_extracts_and_pays_for_nothing(
    acme: Corpus, instance: dg.DagsterInstance, voyage: VoyageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(acme, "acme", "msa.md", TEXT)
    instance.add_dynamic_partitions(TENANTS_NAME, ["acme"])
    assert run(instance, "process_documents", "acme").success
    calls = voyage.requests
    monkeypatch.setattr(Extractor, "extract", lambda *_, **__: pytest.fail("it was extracted before"))
    again = run(instance, "process_documents", "acme")
    assert again.success
    assert [metadata(again, asset)["documents"] for asset in ASSETS] == [0, 0, 0]
    assert voyage.requests == calls


def test_a_tenant_s_connecting_is_run_again_alone_when_that_is_configured(
    acme: Corpus, instance: dg.DagsterInstance
) -> None:
    document = put(acme, "acme", "msa.md", TEXT)
    stages.process(acme, "acme")
    before = state_of(acme, document).stages
    instance.add_dynamic_partitions(TENANTS_NAME, ["acme"])
    again = defs.resolve_job_def("connect_documents").execute_in_process(
        instance=instance,
        partition_key="acme",
        run_config={"ops": {"document_connections": {"config": {"again": True}}}},
    )
    after = state_of(acme, document).stages
    assert again.success
    assert after["complete"] != before["complete"]
    assert after["embedded"] == before["embedded"]


def test_while_a_run_for_a_tenant_is_under_way_no_other_is_asked_for(
    acme: Corpus, instance: dg.DagsterInstance
) -> None:
    put(acme, "acme", "msa.md", TEXT)
    [request] = tick(instance)
    waiting = instance.create_run_for_job(
        defs.resolve_job_def("process_documents"),
        tags={**request.tags, "dagster/partition": "acme"},
    )
    put(acme, "acme", "another.md", TEXT + b"\nAnother sentence.")
    assert tick(instance) == []
    instance.report_run_canceled(waiting)
    assert jobs(tick(instance)) == [("process_documents", "acme")]


def test_the_tenant_s_priority_is_its_run_s(acme: Corpus, instance: dg.DagsterInstance) -> None:
    add_tenant(acme, "urgent", priority=9)
    for tenant in ("acme", "urgent"):
        put(acme, tenant, "msa.md", TEXT)
    wishes = tick(instance)
    assert [(one.partition_key, one.tags[PRIORITY_TAG]) for one in wishes] == [("urgent", "9"), ("acme", "0")]
    assert [one.tags[JOB_TAG] for one in wishes] == ["process_documents-urgent", "process_documents-acme"]


def test_a_bad_document_is_a_warning_with_the_command_that_retries_it(
    acme: Corpus, instance: dg.DagsterInstance
) -> None:
    bad, good = put(acme, "acme", "bad.pdf", b"%PDF-1.7 and nothing else"), put(acme, "acme", "msa.md", TEXT)
    [request] = tick(instance)
    result = execute(instance, request)
    assert result.success
    assert (state_of(acme, bad).stage, state_of(acme, good).stage) == ("failed", "embedded")
    verdict = result.get_asset_check_evaluations()[0]
    assert (verdict.check_name, verdict.passed, verdict.severity) == (CHECK, False, dg.AssetCheckSeverity.WARN)
    values = {name: value.value for name, value in verdict.metadata.items()}
    assert values["retry"] == "bootstrap documents retry --tenant acme"
    assert "`bad.pdf`" in str(values["documents"])

    with acme.database.connection() as connection:
        states.retry(connection, tenant="acme")
    assert ("process_documents", "acme") in jobs(tick(instance))


def test_a_run_that_gets_nowhere_is_not_asked_for_at_once_again(
    acme: Corpus, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def extract(*_: object, **__: object) -> None:
        raise TransientError("later")

    put(acme, "acme", "msa.md", TEXT)
    monkeypatch.setattr(Extractor, "extract", extract)
    monkeypatch.setattr(dg.RetryPolicy, "calculate_delay", lambda *_: 0.0)
    [request] = tick(instance)
    assert not execute(instance, request).success
    assert tick(instance) == []


def test_files_of_the_inbox_become_documents_and_vanished_ones_are_forgotten(
    acme: Corpus, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    folder = tmp_path / "inbox" / "acme"
    folder.mkdir(parents=True)
    (folder / "msa.md").write_bytes(TEXT)
    assert jobs(tick(instance)) == [("process_documents", "acme")]
    (folder / "msa.md").unlink()
    assert tick(instance) == []
    with acme.database.connection() as connection:
        assert states.listing(connection, tenant="acme") == []


def test_without_a_reference_corpus_no_connecting_is_asked_for(
    environ: None, corpus: Corpus, instance: dg.DagsterInstance
) -> None:
    add_tenant(corpus, "acme")
    put(corpus, "acme", "msa.md", TEXT)
    stages.process(corpus, "acme")
    assert tick(instance) == []


def test_a_removed_tenant_is_no_partition_any_more(acme: Corpus, instance: dg.DagsterInstance) -> None:
    tick(instance)
    with acme.database.connection() as connection:
        connection.execute("DELETE FROM bootstrap_tenants")
    tick(instance)
    assert instance.get_dynamic_partitions(TENANTS_NAME) == []


def ask(corpus: Corpus, tenant: str, *, priority: int = 0) -> tuple[int, bool]:
    event = IngestRequested(tenant=tenant, priority=priority)
    with corpus.database.connection() as connection:
        return requests.ask(connection, event)


def get(corpus: Corpus, number: int) -> requests.Request:
    with corpus.database.connection() as connection:
        return requests.get(connection, number)


def test_a_request_for_a_tenant_is_one_run_of_its_documents_however_often_it_is_asked(
    acme: Corpus, instance: dg.DagsterInstance
) -> None:
    document = put(acme, "acme", "msa.md", TEXT)
    bad = put(acme, "acme", "bad.pdf", b"%PDF-1.7 and nothing else")
    number, is_new = ask(acme, "acme", priority=2)
    assert is_new
    assert ask(acme, "acme", priority=4) == (number, False)
    [request] = tick(instance, requests_sensor())
    assert jobs([request]) == [("process_documents", "acme")]
    assert (request.tags[PRIORITY_TAG], request.tags[JOB_TAG]) == ("4", "process_documents-acme")
    assert execute(instance, request).success
    assert state_of(acme, document).stage == "embedded"
    assert tick(instance, requests_sensor()) == []
    assert get(acme, number).status == "completed_with_failures"
    with acme.database.connection() as connection:
        [event] = outbox.listing(connection, names=["bootstrap/ingest.completed"])
    passages = state_of(acme, document).passages
    assert event.payload["totals"] == {
        **{"records": passages, "embedded_records": passages, "records_with_vectors": passages},
        "errors": 1,
    }
    assert state_of(acme, bad).stage == "failed"


def test_a_cancelled_request_for_a_tenant_stops_its_run_and_a_resumed_one_has_another(
    acme: Corpus, instance: dg.DagsterInstance
) -> None:
    document = put(acme, "acme", "msa.md", TEXT)
    number, _ = ask(acme, "acme")
    [request] = tick(instance, requests_sensor())
    with acme.database.connection() as connection:
        requests.cancel(connection, number)
    assert not execute(instance, request).success
    assert state_of(acme, document).stage == "pending"
    assert get(acme, number).status == "cancelled"
    with acme.database.connection() as connection:
        requests.resume(connection, number)
    [request] = tick(instance, requests_sensor())
    assert execute(instance, request).success
    assert tick(instance, requests_sensor()) == []
    assert get(acme, number).status == "completed"


def test_a_request_that_was_written_in_sql_is_one_too(acme: Corpus, instance: dg.DagsterInstance) -> None:
    put(acme, "acme", "msa.md", TEXT)
    for _ in range(2):
        with acme.database.connection() as connection:
            connection.execute(
                "INSERT INTO bootstrap_requests (key, tenant) VALUES ('documents of acme', 'acme') "
                "ON CONFLICT DO NOTHING"
            )
    assert jobs(tick(instance, requests_sensor())) == [("process_documents", "acme")]


def test_a_cancelled_request_for_documents_keeps_no_source_from_being_gone_on_with(
    acme: Corpus, instance: dg.DagsterInstance
) -> None:
    number, _ = ask(acme, "acme")
    with acme.database.connection() as connection:
        connection.execute(
            "INSERT INTO bootstrap_progress (source, status, heartbeat_at) "
            "VALUES ('cuad', 'failed', now() - interval '1 day') ON CONFLICT (source) DO NOTHING"
        )
        requests.cancel(connection, number)
        assert "cuad" in {one.source for one in progress.unfinished_sources(connection)}
