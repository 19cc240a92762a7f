"""What Dagster's pages say at first sight: of a batch, of its source, of a run, of why it ended."""

from typing import Any

import dagster as dg
import pytest

from bootstrap_assets.cli.environment import prepare_environment
from bootstrap_assets.corpus.records import SAMPLE
from bootstrap_assets.definitions import defs
from bootstrap_assets.defs.execute import execute
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.registry import SOURCES
from tests.dagster.test_job import environ, instance, run
from tests.fakes.voyage_server import VoyageServer

__all__ = ["environ", "instance"]

NLI = dg.AssetKey("contract_nli")
STAGES = ("contract_nli_archive", "contract_nli_records", "contract_nli")


def latest(instance: dg.DagsterInstance) -> dict[str, dict[str, Any]]:
    """By partition what its page shows of contract_nli; under "" what the page of the asset shows."""
    found: dict[str, dict[str, Any]] = {}
    for record in instance.fetch_materializations(NLI, limit=5_000).records:
        mark = record.asset_materialization
        assert mark
        told = {name: value.value for name, value in mark.metadata.items()}
        for place in ("", str(mark.partition)):
            found.setdefault(place, told)
    return found


def trace(failed: dg.DagsterEvent) -> str:
    """What Dagster shows of a failed step besides its message: stacks, and errors behind the error."""
    error = failed.step_failure_data.error
    assert error
    return "".join(error.stack) + str(error.cause or "") + str(error.context or "")


def test_a_batch_shows_its_own_numbers_and_the_asset_those_of_its_source(
    environ: None, instance: dg.DagsterInstance, voyage: VoyageServer
) -> None:
    assert run(instance, *STAGES).success
    shown = latest(instance)
    whole = shown.pop("")
    assert len(shown) == 128
    assert whole["dagster/row_count"] == 167
    assert whole["texts_embedded"] == voyage.texts_paid > 0
    assert sum(told["batch_texts"] for told in shown.values()) == voyage.texts_paid
    assert sum(told["batch_embedded"] for told in shown.values()) == voyage.texts_paid
    [last] = [name for name, told in shown.items() if "texts_embedded" in told]
    assert f"only batch_… is of batch {last} alone" in whole["about"]
    of_batches = {frozenset(told) for name, told in shown.items() if name != last}
    assert of_batches == {frozenset({"batch_texts", "batch_embedded", "batch_failed"})}


def test_after_a_run_over_one_batch_the_asset_still_shows_its_whole_source(
    environ: None, instance: dg.DagsterInstance
) -> None:
    assert run(instance, *STAGES).success
    job = defs.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=instance, asset_selection=[NLI], partition_key="005").success
    shown = latest(instance)
    assert shown[""] == shown["005"]
    assert shown[""]["dagster/row_count"] == 167
    assert shown[""]["batch_texts"] < 20


def test_what_a_source_holds_is_said_on_its_page(environ: None, instance: dg.DagsterInstance) -> None:
    assert run(instance, *STAGES).success
    for asset in STAGES:
        event = instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert event
        assert event.asset_materialization
        origin = event.asset_materialization.metadata["origin"].value
        assert str(origin).startswith(f"{SAMPLE}: Apache-2.0, ")
        [spec] = [spec for spec in defs.resolve_all_asset_specs() if spec.key == dg.AssetKey(asset)]
        assert f"*{SAMPLE}*" in str(spec.description)
        assert not {"homepage", "licence", "archives"} & spec.metadata.keys()
        assert "licence" not in spec.tags


def test_a_reached_budget_ends_the_run_as_canceled_and_is_told_in_one_line(
    environ: None, instance: dg.DagsterInstance
) -> None:
    result = defs.resolve_job_def("bootstrap").execute_in_process(
        instance=instance,
        raise_on_error=False,
        asset_selection=list(map(dg.AssetKey, STAGES)),
        run_config={"resources": {"corpus": {"config": {"max_cost": 0.000001}}}},
    )
    ended = instance.get_run_by_id(result.run_id)
    assert ended
    assert ended.status is dg.DagsterRunStatus.CANCELED
    [failed] = [event for event in result.all_events if event.is_step_failure]
    error = failed.step_failure_data.error
    assert error
    assert "budget of $" in error.message
    assert "\n" not in error.message.strip()
    assert not trace(failed)


def test_a_mistake_of_ours_is_shown_with_its_trace(
    environ: None, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bootstrap_assets.sources.fetch.locate.fetch", lambda *_, **__: 1 / 0)
    [failed] = [event for event in run(instance, STAGES[0]).all_events if event.is_step_failure]
    assert "ZeroDivisionError" in trace(failed)


@pytest.fixture
def deployed(environ: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dg.DagsterInstance:
    """The instance that `bootstrap run` records its runs in."""
    for name, value in prepare_environment(settings).items():
        monkeypatch.setenv(name, value)
    return dg.DagsterInstance.get()


def test_a_run_that_fails_before_its_first_step_says_why(deployed: dg.DagsterInstance) -> None:
    with deployed:
        done = execute(["bonterms"], {"max_cost": -1.0})
    assert not done["success"]
    [failure] = done["failures"]
    assert failure["asset"] == "bootstrap_bonterms"
    assert "max_cost" in failure["message"]
    assert "greater than 0" in failure["message"]


def test_a_run_from_the_shell_tells_what_it_was_for_and_where_it_belongs(deployed: dg.DagsterInstance) -> None:
    """Dagster's timeline leaves out runs without a code location."""
    with deployed:
        done = execute(["bonterms"], {})
        assert done["success"]
        recorded = deployed.get_run_by_id(done["run_id"])
        assert recorded
        assert recorded.job_name == "bootstrap_bonterms"
        assert recorded.tags["bootstrap/sources"] == "bonterms"
        assert recorded.remote_job_origin
        assert recorded.remote_job_origin.location_name == "bootstrap_assets"  # as in workspace.yaml
        assert recorded.remote_job_origin.repository_origin.repository_name == "__repository__"
        [record] = deployed.get_run_records(dg.RunsFilter(run_ids=[done["run_id"]]))
        assert record.start_time
        assert record.end_time


def test_a_run_over_a_chosen_batch_does_not_say_that_it_is_over_all(deployed: dg.DagsterInstance) -> None:
    job = defs.resolve_job_def("bootstrap")
    with deployed:
        chosen = deployed.create_run_for_job(job, tags=dict(job.run_tags) | {"dagster/partition": "005"})
        every = deployed.create_run_for_job(job, tags=dict(job.run_tags))
        assert not [name for name in chosen.tags if "range" in name]
        assert {value for name, value in every.tags.items() if "range" in name} == {"000", "127"}
        stored = deployed.get_run_by_id(chosen.run_id)
        assert stored
        assert not [name for name in stored.tags if "range" in name]


def test_every_job_for_all_batches_says_what_the_launchpad_asks() -> None:
    for name in ("bootstrap", *(f"bootstrap_{source}" for source in SOURCES)):
        assert "leave the partition empty" in str(defs.resolve_job_def(name).description)
