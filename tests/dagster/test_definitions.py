"""What Dagster is shown: assets, partitions, policies, the job."""

from pathlib import Path

import dagster as dg
import pytest

from bootstrap_assets.definitions import defs
from bootstrap_assets.sources.registry import SOURCES

STAGES = ("_archive", "_records", "")


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return defs


def test_every_source_has_an_archive_records_and_vectors_and_one_index_follows(
    definitions: dg.Definitions,
) -> None:
    keys = {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {f"{source}{stage}" for source in SOURCES for stage in STAGES} | {"reference_index"}


def test_the_graph_follows_the_flow(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for source in SOURCES:
        assert graph.get(dg.AssetKey(source)).parent_keys == {dg.AssetKey(f"{source}_records")}
        assert graph.get(dg.AssetKey(f"{source}_records")).parent_keys == {dg.AssetKey(f"{source}_archive")}
    assert graph.get(dg.AssetKey("reference_index")).parent_keys == {dg.AssetKey(source) for source in SOURCES}


def test_all_sources_share_one_set_of_partitions(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    sets = {graph.get(dg.AssetKey(source)).partitions_def for source in SOURCES}
    [partitions] = sets
    assert partitions
    assert len(partitions.get_partition_keys()) == 128


def test_every_asset_is_retried(definitions: dg.Definitions) -> None:
    for asset in definitions.resolve_all_asset_specs():
        node = definitions.resolve_assets_def(asset.key).op
        assert node.retry_policy is not None
        assert node.retry_policy.max_retries >= 1


def test_a_backfill_of_many_batches_is_one_run(definitions: dg.Definitions) -> None:
    for source in SOURCES:
        policy = definitions.resolve_assets_def(dg.AssetKey(source)).backfill_policy
        assert policy == dg.BackfillPolicy.single_run()


def test_every_asset_says_what_it_is(definitions: dg.Definitions) -> None:
    for asset in definitions.resolve_all_asset_specs():
        assert asset.description
        assert asset.group_name in {"archives", "records", "sources", "index"}


def test_both_ways_in_name_the_same_module_and_location() -> None:
    import tomllib

    import yaml

    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    [module] = yaml.safe_load((root / "workspace.yaml").read_text())["load_from"]
    assert module["python_module"]["module_name"] == project["code_location_target_module"]
    assert module["python_module"]["location_name"] == project["code_location_name"]
