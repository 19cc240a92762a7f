"""`bootstrap_sharded`, each step in a process of its own: all is done once, and after a failure only the rest."""

import hashlib
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

import dagster as dg
import pytest

from bootstrap_assets.database.connection import Database
from bootstrap_assets.defs import sharded
from bootstrap_assets.defs.executors import celery_settings, executor
from bootstrap_assets.defs.partitions import count
from bootstrap_assets.defs.resources import CorpusResource
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.sources.registry import SOURCES
from tests.fakes.voyage_server import Refusal, VoyageServer


def two_shards() -> dg.JobDefinition:
    """The job, two shards wide, as a process of a step finds it."""
    return dg.Definitions(
        jobs=[sharded.sharded_job(2)], resources={"corpus": CorpusResource()}, executor=executor()
    ).resolve_job_def("bootstrap_sharded")


@pytest.fixture
def own_forkserver() -> Iterator[None]:
    """Steps are forked from a process of this test: one that another test began keeps that test's environment."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    yield
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


@pytest.fixture
def instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, voyage: VoyageServer, own_forkserver: None
) -> Iterator[dg.DagsterInstance]:
    """An instance that processes share, in a shell whose corpus is this test's own."""
    assert settings.database_url
    monkeypatch.setenv("BOOTSTRAP_HOME", str(settings.root))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("VOYAGE_API_KEY", "test-key")
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_BASE_URL", voyage.url)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as local:
        yield local


def in_upper_half(texts: list[str]) -> bool:
    return any(hashlib.sha256(text.encode()).digest()[0] >= 128 for text in texts)


def steps(result: dg.JobExecutionResult, kind: dg.DagsterEventType) -> set[str]:
    return {event.step_key or "" for event in result.all_events if event.event_type is kind}


def test_a_shard_that_failed_is_all_that_is_done_again(
    instance: dg.DagsterInstance, database: Database, voyage: VoyageServer
) -> None:
    def refuse(texts: list[str]) -> None:
        if in_upper_half(texts):
            raise Refusal(404, "there is no such address")

    voyage.refuse = refuse
    job = dg.reconstructable(two_shards)
    with dg.execute_job(job, instance) as first:
        assert not first.success
        assert steps(first, dg.DagsterEventType.STEP_SUCCESS) == {"load_sources", "embed_0"}
        assert steps(first, dg.DagsterEventType.STEP_FAILURE) == {"embed_1"}
    paid = voyage.texts_paid
    assert paid > 0
    voyage.refuse = None
    with database.connection() as connection:
        connection.execute("UPDATE bootstrap_breakers SET open = false")
    again = dg.ReexecutionOptions.from_failure(first.run_id, instance)
    with dg.execute_job(job, instance, reexecution_options=again) as second:
        assert second.success
        assert steps(second, dg.DagsterEventType.STEP_SUCCESS) == {"embed_1", "build_index"}
    assert paid < voyage.texts_paid == len(voyage.paid)
    for source in SOURCES:
        assert len(instance.get_materialized_partitions(dg.AssetKey(source))) == count()
    assert instance.get_latest_materialization_event(dg.AssetKey("reference_index")) is not None


@pytest.mark.parametrize("shards", [1, 3, 8, 128])
def test_shards_are_ranges_that_hold_every_batch_once(shards: int) -> None:
    parts = [sharded.batches_of(shard, shards) for shard in range(shards)]
    assert [batch for part in parts for batch in part] == list(range(count()))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(("name", "kind"), [("in-process", "in_process"), ("multiprocess", "multiprocess")])
def test_what_runs_steps_is_a_setting(monkeypatch: pytest.MonkeyPatch, name: str, kind: str) -> None:
    monkeypatch.setenv("BOOTSTRAP_EXECUTOR", name)
    assert kind in executor().name


def test_celery_is_told_its_broker_and_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTSTRAP_EXECUTOR", "celery")
    with pytest.raises(ConfigurationError, match="BOOTSTRAP_CELERY_BROKER"):
        executor()
    monkeypatch.setenv("BOOTSTRAP_CELERY_BROKER", "redis://:secret@host/0")
    assert celery_settings(load_settings())["backend"] == "redis://:secret@host/0"
    assert "secret" not in repr(executor().description)
