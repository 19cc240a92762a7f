"""The job as it runs: everything in one run, partitions after a partial failure, permanent errors."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import sqlalchemy.exc
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.launcher.base import LaunchRunContext, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._utils.error import SerializableErrorInfo

from bootstrap_assets.cli.environment import prepare_environment
from bootstrap_assets.database.connection import Database
from bootstrap_assets.definitions import defs
from bootstrap_assets.defs.execute import reason_of
from bootstrap_assets.defs.launcher import (
    HOST_TAG,
    PROCESS_TAG,
    WatchedRunLauncher,
    identity_of,
    is_alive,
    this_host,
    this_process,
)
from bootstrap_assets.defs.resources import CorpusResource, failing_for_good
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import MassDeleteError, TransientError
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.sources.registry import SOURCES
from tests.fakes.voyage_server import Refusal, VoyageServer
from tests.integration.test_promotion import both_ready, states


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, settings: Settings, voyage: VoyageServer) -> None:
    """A shell whose corpus is this test's own and whose provider is the fake one."""
    assert settings.database_url
    monkeypatch.setenv("BOOTSTRAP_HOME", str(settings.root))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("VOYAGE_API_KEY", "test-key")
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_BASE_URL", voyage.url)
    monkeypatch.setenv("BOOTSTRAP_EMBED_WORKERS", "1")


def run(instance: dg.DagsterInstance, *assets: str) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("bootstrap").execute_in_process(
        instance=instance,
        raise_on_error=False,
        asset_selection=[dg.AssetKey(asset) for asset in assets] or None,
    )


def green(instance: dg.DagsterInstance, source: str) -> set[str]:
    return set(instance.get_materialized_partitions(dg.AssetKey(source)))


def test_one_run_materialises_every_batch_of_every_source(
    environ: None, instance: dg.DagsterInstance, voyage: VoyageServer
) -> None:
    result = run(instance)
    assert result.success
    for source in SOURCES:
        assert len(green(instance, source)) == 128
    assert instance.get_latest_materialization_event(dg.AssetKey("reference_index")) is not None
    assert voyage.texts_paid == len(voyage.paid)


def test_after_a_partial_failure_the_finished_batches_are_green_and_only_those(
    environ: None,
    monkeypatch: pytest.MonkeyPatch,
    instance: dg.DagsterInstance,
    settings: Settings,
    voyage: VoyageServer,
) -> None:
    from dataclasses import replace

    from bootstrap_assets.embedding.providers import voyage_models as models

    law = models._VOYAGE["voyage-4-large"]
    monkeypatch.setitem(models._VOYAGE, "voyage-4-large", replace(law, model=replace(law.model, request_texts=40)))
    asked = 0

    def fail_at_the_third(_texts: list[str]) -> None:
        nonlocal asked
        asked += 1
        if asked >= 3:
            raise Refusal(404, "there is no such address")

    voyage.refuse = fail_at_the_third
    result = run(instance, "bonterms_archive", "bonterms_records", "bonterms")
    assert not result.success
    materialised = green(instance, "bonterms")
    assert settings.database_url
    with Database(settings.database_url.get_secret_value()) as database, database.connection() as connection:
        rows = connection.execute(
            """SELECT to_char(b, 'FM000') FROM (
                   SELECT reference_batch(r.content_hash, 128) AS b, bool_and(v.content_hash IS NOT NULL) AS done
                   FROM reference_records r LEFT JOIN reference_vectors_voyage_voyage_4_large_1024 v
                   USING (content_hash) GROUP BY 1) x WHERE done"""
        ).fetchall()
    complete = {row[0] for row in rows}
    assert materialised == complete
    assert 0 < len(materialised) < 128
    voyage.refuse = None
    assert run(instance, "bonterms").success
    assert len(green(instance, "bonterms")) == 128
    assert voyage.texts_paid_twice == 0


def shown(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    """What the materialisations of an asset show, the later over the earlier."""
    found: dict[str, object] = {}
    for event in result.all_events:
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION and event.asset_key == dg.AssetKey(asset):
            found |= {name: value.value for name, value in event.materialization.metadata.items()}
    return found


def one_text(settings: Settings, source: str) -> str:
    assert settings.database_url
    with Database(settings.database_url.get_secret_value()) as database, database.connection() as connection:
        [text] = connection.execute(
            """SELECT content FROM reference_texts JOIN reference_records USING (content_hash)
               WHERE source = %s GROUP BY content HAVING count(*) = 1 AND min(granularity) = 'clause' LIMIT 1""",
            (source,),
        ).fetchone() or ("",)
    return str(text)


def test_a_materialisation_shows_what_was_done_and_what_it_cost(
    environ: None, instance: dg.DagsterInstance, voyage: VoyageServer
) -> None:
    result = run(instance, *(f"contract_nli{stage}" for stage in ("_archive", "_records", "")))
    records, vectors = shown(result, "contract_nli_records"), shown(result, "contract_nli")
    assert (records["new"], records["changed"], records["deleted"]) == (167, 0, 0)
    assert records["dagster/row_count"] == vectors["dagster/row_count"] == 167
    for metadata in (records, vectors):
        assert re.search(r"\| span \| 134 \| █+ \|", str(metadata["by_granularity"]))
        assert re.search(r"\| Entailment \| \d+ \| █+ \|", str(metadata["by_label"]))
    assert vectors["texts_embedded"] == voyage.texts_paid
    assert vectors["requests"] == len(voyage.log)
    assert vectors["dollars"] == pytest.approx(vectors["tokens"] * 0.12 / 1e6, abs=1e-6)  # type: ignore[operator]
    assert {"seconds", "records_per_second", "texts_already_there", "failures", "status"} <= vectors.keys()
    assert "retry_failures" not in vectors
    again = shown(run(instance, "contract_nli"), "contract_nli")
    assert (again["texts_embedded"], again["texts_already_there"]) == (0, vectors["texts_embedded"])


def test_dead_letters_are_told_with_the_command_and_the_job_tries_them_again(
    environ: None, instance: dg.DagsterInstance, voyage: VoyageServer, settings: Settings
) -> None:
    run(instance, "bonterms_archive", "bonterms_records")
    voyage.poison = {one_text(settings, "bonterms")}
    told = shown(run(instance, "bonterms"), "bonterms")
    assert told["failures"] == 1
    assert "`bootstrap failures retry --source bonterms`" in str(told["retry_failures"])
    job = defs.resolve_job_def("retry_failures")
    voyage.poison = set()
    other = job.execute_in_process(instance=instance, run_config=retry_config(source="cuad"))
    assert not other.get_asset_observation_events()
    result = job.execute_in_process(instance=instance, run_config=retry_config(source="bonterms"))
    [observed] = result.get_asset_observation_events()
    assert observed.asset_observation_data.asset_observation.metadata["texts_embedded"].value == 1
    assert voyage.texts_paid_twice == 0
    assert shown(run(instance, "bonterms"), "bonterms")["failures"] == 0


def retry_config(**config: str) -> dict[str, object]:
    return {"ops": {"retry": {"config": config}}}


def test_rebuild_index_builds_what_is_good_anew(environ: None, instance: dg.DagsterInstance) -> None:
    def action(job: str) -> object:
        keys = [dg.AssetKey("reference_index")]
        result = defs.resolve_job_def(job).execute_in_process(instance=instance, asset_selection=keys)
        return shown(result, "reference_index")["action"]

    assert [action(job) for job in ("bootstrap", "bootstrap", "rebuild_index")] == ["built", "kept", "built"]


def test_the_index_waits_for_all_sources(
    environ: None, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cuad").mkdir()
    (tmp_path / "cuad" / "CUAD_v1.zip").write_text("not an archive")
    monkeypatch.setenv("BOOTSTRAP_DATA", str(tmp_path))
    assert not run(instance).success
    assert instance.get_latest_materialization_event(dg.AssetKey("reference_index")) is None


def test_a_permanent_error_is_not_retried_and_a_transient_one_is() -> None:
    with pytest.raises(dg.Failure) as raised, failing_for_good():
        raise MassDeleteError("too many")
    assert raised.value.allow_retries is False
    assert raised.value.description == "too many"
    with pytest.raises(TransientError), failing_for_good():
        raise TransientError("later")


def test_a_lost_connection_of_dagster_s_own_storage_is_retried() -> None:
    lost = sqlalchemy.exc.OperationalError("INSERT", {}, Exception("server closed the connection"))
    with pytest.raises(sqlalchemy.exc.OperationalError), failing_for_good():
        raise lost


def test_a_failure_is_told_in_the_words_of_our_own_error() -> None:
    caused = SerializableErrorInfo("ConnectionError: refused", [], "ConnectionError")
    ours = SerializableErrorInfo(
        "bootstrap_assets.errors.TransientError: Voyage AI failed\n", [], "TransientError", cause=caused
    )
    step = SerializableErrorInfo("dagster._core.errors.X: Error while executing op", [], "X", cause=ours)
    failure = StepFailureData(error=step, user_failure_data=None)
    event = dg.DagsterEvent("STEP_FAILURE", "bootstrap", step_key="cuad", event_specific_data=failure)
    assert reason_of(event) == "Voyage AI failed"


def test_a_run_is_on_the_machine_that_launches_it(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that was made, or first tried, on another."""
    monkeypatch.setattr(DefaultRunLauncher, "launch_run", lambda self, context: None)
    launcher = WatchedRunLauncher()
    launcher.register_instance(instance)
    run = instance.create_run_for_job(defs.resolve_job_def("verify"), tags={HOST_TAG: "elsewhere"})
    launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
    stored = instance.get_run_by_id(run.run_id)
    assert stored
    assert stored.tags[HOST_TAG] == this_host()[HOST_TAG]


def test_a_process_that_got_the_number_of_an_older_one_is_another() -> None:
    ours = identity_of(os.getpid())
    assert ours != identity_of(os.getppid())
    assert is_alive(os.getpid(), ours)
    assert not is_alive(os.getpid(), identity_of(os.getppid()))
    assert not is_alive(os.getpid(), f"another-boot {str(ours).split()[1]}")
    assert is_alive(os.getpid(), None)  # a run of an older version


def health_of(instance: dg.DagsterInstance, tags: dict[str, str], began: float | None = None) -> WorkerStatus:
    """What the launcher says of a run that began in this process."""
    launcher = WatchedRunLauncher()
    launcher.register_instance(instance)
    run = instance.create_run_for_job(defs.resolve_job_def("verify"), tags=this_host() | tags)
    started = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name, pid=os.getpid())
    instance.report_dagster_event(started, run.run_id, timestamp=began)
    return launcher.check_run_worker_health(run).status


def test_the_run_of_a_killed_process_whose_number_was_given_anew_is_seen(instance: dg.DagsterInstance) -> None:
    assert health_of(instance, this_process(os.getpid())) is WorkerStatus.RUNNING
    assert health_of(instance, this_process(os.getppid())) is WorkerStatus.FAILED


@pytest.mark.parametrize("hours", [-25, 25])
def test_a_clock_that_is_set_makes_no_live_run_a_dead_one(instance: dg.DagsterInstance, hours: int) -> None:
    """/proc/stat's btime moves with the clock, and so does what is reckoned from it; the event's time stays."""
    began = time.time() - hours * 3600
    assert health_of(instance, this_process(os.getpid()), began) is WorkerStatus.RUNNING


def test_the_resource_takes_its_data_from_the_run_or_else_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BOOTSTRAP_DATA", "official")
    assert CorpusResource().settings().data == "official"
    assert CorpusResource(data="sample").settings().data == "sample"


def test_dagster_job_execute_works_in_a_prepared_shell_and_with_nothing_to_do_starts_no_processes(
    tmp_path: Path, database_url: str
) -> None:
    settings = load_settings(home=tmp_path / "home", database_url=database_url)
    environment = (
        os.environ
        | prepare_environment(settings)
        | {
            "BOOTSTRAP_DATABASE_URL": database_url,
            "BOOTSTRAP_BATCHES": "4",
        }
    )
    dagster = Path(sys.executable).parent / "dagster"
    command = [str(dagster), "job", "execute", "-m", "bootstrap_assets.definitions", "-j", "bootstrap"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "RUN_SUCCESS" in done.stderr
    from bootstrap_assets.status import read_status

    status = read_status(settings)
    assert {source["status"] for source in status["sources"].values()} == {"completed"}
    assert status["index"] == {"exists": True, "valid": True}
    with psycopg.connect(database_url) as connection:
        query = "SELECT value FROM bootstrap_dagster.run_tags WHERE key = %s"
        [[identity]] = connection.execute(query, [PROCESS_TAG]).fetchall()
    assert str(identity).split()[:1] == str(identity_of(os.getpid())).split()[:1]  # of this boot
    assert identity != identity_of(os.getpid())
    assert "Launching subprocess" in done.stderr
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert again.returncode == 0, again.stderr[-3000:]
    assert "RUN_SUCCESS" in again.stderr
    assert "Launching subprocess" not in again.stderr


def test_a_space_that_a_run_made_ready_is_promoted_and_gone_back_on_by_jobs(
    corpus: Corpus, environ: None, instance: dg.DagsterInstance
) -> None:
    other = both_ready(corpus)
    jobs = {
        "promote_space": {"ops": {"promote": {"config": {"space": other.space.id}}}},
        "rollback_space": {},
        "evaluate_space": {"ops": {"evaluate_candidate": {"config": {"space": other.space.id, "promote": True}}}},
    }
    states_after = (["retired", "active"], ["active", "retired"], ["retired", "active"])
    for (job, config), after in zip(jobs.items(), states_after, strict=True):
        defs.resolve_job_def(job).execute_in_process(instance=instance, run_config=config)
        assert states(corpus) == after
