"""A backfill is one run over its batches, or, where a setting says so, a run for each so many of them."""

import logging
import time
from collections.abc import Sequence

import dagster as dg
import pytest
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.execution.asset_backfill import AssetBackfillData, execute_asset_backfill_iteration_inner

from bootstrap_assets.defs.partitions import all_batches, batches
from bootstrap_assets.defs.resources import CorpusResource
from bootstrap_assets.defs.sources import archive_asset, records_asset, source_asset
from bootstrap_assets.sources.registry import SOURCES
from tests.dagster.test_job import environ, instance  # noqa: F401
from tests.fakes.voyage_server import VoyageServer

SOURCE = SOURCES["bonterms"]
KEYS = batches().get_partition_keys()

pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")


def definitions() -> dg.Definitions:
    """A source's assets, as they are made by the settings of now."""
    assets = [make(source=SOURCE) for make in (archive_asset, records_asset, source_asset)]
    return dg.Definitions(assets=assets, resources={"corpus": CorpusResource()})


def runs_of_a_backfill(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,  # noqa: F811
    keys: Sequence[str],
) -> list[dg.RunRequest]:
    """What Dagster's daemon asks for in a backfill of a source over some batches."""
    view, now = AssetGraphView.for_test(defs, instance), time.time()
    data = AssetBackfillData.from_asset_partitions(
        partition_names=keys,
        asset_graph=view.asset_graph,
        asset_selection=[dg.AssetKey(SOURCE.name)],
        dynamic_partitions_store=instance,
        all_partitions=False,
        backfill_start_timestamp=now,
    )
    result = execute_asset_backfill_iteration_inner(
        backfill_id="a backfill",
        asset_backfill_data=data,
        asset_graph_view=view,
        backfill_start_timestamp=now,
        logger=logging.getLogger(__name__),
        run_config=None,
    )
    return list(result.run_requests)


def ranges(requests: Sequence[dg.RunRequest]) -> list[tuple[str, str]]:
    tag = "dagster/asset_partition_range_{}".format
    return sorted((request.tags[tag("start")], request.tags[tag("end")]) for request in requests)


@pytest.mark.parametrize(
    ("batches_of_a_run", "first", "runs"),
    [(None, ("000", "127"), 1), (32, ("000", "031"), 4), (50, ("000", "049"), 3), (1, ("000", "000"), 128)],
)
def test_a_backfill_of_all_batches_is_as_many_runs_as_the_setting_says(
    batches_of_a_run: int | None,
    first: tuple[str, str],
    runs: int,
    instance: dg.DagsterInstance,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if batches_of_a_run:
        monkeypatch.setenv("BOOTSTRAP_RUN_BATCHES", str(batches_of_a_run))
    cut = ranges(runs_of_a_backfill(definitions(), instance, KEYS))
    assert (len(cut), cut[0]) == (runs, first)
    assert [key for start, end in cut for key in KEYS[int(start) : int(end) + 1]] == list(KEYS)


@pytest.mark.usefixtures("environ")
def test_each_run_of_a_backfill_embeds_its_own_batches_and_no_text_is_paid_twice(
    instance: dg.DagsterInstance,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    voyage: VoyageServer,
) -> None:
    monkeypatch.setenv("BOOTSTRAP_RUN_BATCHES", "64")
    defs, asset = definitions(), dg.AssetKey(SOURCE.name)
    job = defs.resolve_implicit_global_asset_job_def()
    above = [dg.AssetKey(f"{SOURCE.name}{stage}") for stage in ("_archive", "_records")]
    assert job.execute_in_process(instance=instance, asset_selection=above).success
    lower, upper = runs_of_a_backfill(defs, instance, KEYS)
    paid = [0]
    for request, share in ((lower, KEYS[:64]), (upper, KEYS)):
        assert job.execute_in_process(instance=instance, asset_selection=[asset], tags=dict(request.tags)).success
        assert instance.get_materialized_partitions(asset) == set(share)
        paid.append(voyage.texts_paid)
    assert sorted(set(paid)) == paid
    # A job over all batches, such as `bootstrap`, is one run whatever is set.
    assert job.execute_in_process(instance=instance, asset_selection=[asset], tags=all_batches()).success
    assert (voyage.texts_paid > 0, voyage.texts_paid_twice) == (True, 0)
