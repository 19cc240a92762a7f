"""Repositories in Dagster: a partition for each, a run for each new commit, a check of the queue."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from bootstrap_assets.database.connection import Database
from bootstrap_assets.definitions import defs
from bootstrap_assets.defs import repositories
from bootstrap_assets.defs.jobs import whole_job
from bootstrap_assets.repositories import jobs, registry
from bootstrap_assets.repositories.addresses import ANYONE
from bootstrap_assets.settings import Settings, load_settings
from tests.fakes.git_repository import GitRepository


@pytest.fixture
def here(settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("BOOTSTRAP_HOME", str(settings.home))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", database_url)
    monkeypatch.setenv("BOOTSTRAP_BATCHES", "16")
    monkeypatch.setenv("BOOTSTRAP_EMBEDDER", "voyage")
    monkeypatch.setenv("VOYAGE_API_KEY", "test-key")
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_BASE_URL", str(settings.voyage_base_url))
    return load_settings()


@pytest.fixture
def origin(tmp_path: Path, here: Settings, database: Database) -> GitRepository:
    one = GitRepository(tmp_path / "origin")
    one.commit({"a.py": "def f():\n    pass\n"})
    with database.connection() as connection:
        registry.add(connection, "ours", str(one.folder), access=jobs.access(here))
    return one


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as one:
        yield one


def look(instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    with dg.build_sensor_context(instance=instance, definitions=defs) as context:
        found = list(repositories.repositories_sensor(context))  # type: ignore[call-overload]
    return [one for one in found if isinstance(one, dg.RunRequest)]


def run(instance: dg.DagsterInstance, request: dg.RunRequest) -> Any:
    job = defs.resolve_job_def("index_repositories")
    return job.execute_in_process(
        run_config=dict(request.run_config),
        partition_key=request.partition_key,
        tags=dict(request.tags),
        instance=instance,
    )


def test_a_new_commit_is_one_run_however_often_it_is_asked_for(
    origin: GitRepository, database: Database, instance: dg.DagsterInstance
) -> None:
    [request] = look(instance)
    [again] = look(instance)
    assert (request.run_key, request.partition_key) == (again.run_key, "ours")
    assert instance.get_dynamic_partitions("repositories") == ["ours"]
    assert [one.limit for one in instance.event_log_storage.get_pool_limits()] == [3]
    result = run(instance, request)
    [made] = result.asset_materializations_for_node("repository_index")
    assert made.metadata["commit"].value == origin.head
    assert made.metadata["correlation_id"].value == request.tags[repositories.CORRELATION_TAG]
    assert (made.metadata["files"].value, made.metadata["symbols"].value) == (1, 1)
    assert look(instance) == []
    origin.commit({"a.py": "def g():\n    pass\n"})
    [other] = look(instance)
    assert other.run_key != request.run_key


def test_a_commit_that_failed_is_not_asked_for_again_by_itself(
    origin: GitRepository, database: Database, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    [request] = look(instance)

    def broken(*_: object, **__: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(jobs, "index_commit", broken)
    with pytest.raises(dg.Failure, match="broken"):
        run(instance, request)
    assert look(instance) == []
    with database.connection() as connection:
        registry.retry(connection, ["ours"])
    assert len(look(instance)) == 1


def test_a_removed_repository_has_no_partition_and_a_silent_server_ends_no_look(
    origin: GitRepository, database: Database, instance: dg.DagsterInstance
) -> None:
    (origin.folder.parent / "gone").mkdir()
    with database.connection() as connection:
        registry.add(connection, "gone", str(origin.folder.parent / "gone"), access=ANYONE)
    assert [request.partition_key for request in look(instance)] == ["ours"]
    with database.connection() as connection:
        registry.forget(connection, "gone")
    look(instance)
    assert instance.get_dynamic_partitions("repositories") == ["ours"]


def test_the_check_warns_where_too_many_failed_or_wait(origin: GitRepository, database: Database) -> None:
    check = repositories.repositories_at_work
    corpus = repositories.CorpusResource()
    assert check(corpus=corpus).passed  # type: ignore[call-arg]
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO index_jobs (repository, address, ref, revision, correlation_id, status, ended_at) "
            "SELECT 'ours', '', '', '', '', CASE WHEN i = 1 THEN 'failed' ELSE 'completed' END, now() "
            "FROM generate_series(1, 9) i"
        )
    verdict = check(corpus=corpus)  # type: ignore[call-arg]
    assert (verdict.passed, verdict.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert verdict.metadata["failure_rate"].value == pytest.approx(1 / 9)
    for number, is_fine in ((100, True), (101, False)):
        with database.connection() as connection:
            connection.execute("DELETE FROM index_jobs")
            connection.execute(
                "INSERT INTO index_jobs (repository, address, ref, revision, correlation_id) "
                "SELECT 'ours', '', '', i::text, '' FROM generate_series(1, %s) i",
                [number],
            )
        verdict = check(corpus=corpus)  # type: ignore[call-arg]
        assert (verdict.passed, verdict.metadata["waiting"].value) == (is_fine, number)


def test_the_job_of_everything_leaves_repositories_out() -> None:
    keys = defs.resolve_job_def(whole_job().name).asset_layer.executable_asset_keys
    assert dg.AssetKey("repository_index") not in keys
    assert dg.AssetKey("reference_index") in keys


def test_a_commit_whose_job_was_cancelled_is_not_asked_for_again_by_itself(
    origin: GitRepository, database: Database, instance: dg.DagsterInstance
) -> None:
    assert look(instance)
    with database.connection() as connection:
        assert registry.cancel(connection, "ours") == 1
    assert look(instance) == []
    origin.commit({"a.py": "def g(): pass\n"})
    assert look(instance)


def test_a_tag_is_indexed_once(
    origin: GitRepository, here: Settings, database: Database, instance: dg.DagsterInstance
) -> None:
    origin.git("tag", "--annotate", "v1", "--message", "one")
    with database.connection() as connection:
        registry.add(connection, "ours", str(origin.folder), ref="v1", access=jobs.access(here))
    [request] = look(instance)
    run(instance, request)
    assert look(instance) == []


def test_a_run_whose_job_was_cancelled_before_it_began_indexes_nothing(
    origin: GitRepository, database: Database, instance: dg.DagsterInstance
) -> None:
    [request] = look(instance)
    with database.connection() as connection:
        registry.cancel(connection, "ours")
    run(instance, request)
    with database.connection() as connection:
        state = registry.state(connection, "ours")
    assert (state.status, state.commit) == ("cancelled", "")
