"""What Dagster is shown: assets, partitions, policies, the job."""

import re
import socket
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest

from bootstrap_assets.database.connection import Database
from bootstrap_assets.definitions import defs
from bootstrap_assets.defs.jobs import JOB_TAG
from bootstrap_assets.defs.launcher import HOST_TAG
from bootstrap_assets.sources.registry import SOURCES

STAGES = ("_archive", "_records", "")
STAGES_OF_FLOW = ("archives", "records", "sources", "index", "quality")
OF_DOCUMENTS = ("document_text", "document_passages", "document_embeddings", "document_connections")


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return defs


def test_every_source_has_an_archive_records_and_vectors_and_one_index_follows(
    definitions: dg.Definitions,
) -> None:
    keys = {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {f"{source}{stage}" for source in SOURCES for stage in STAGES} | {
        "reference_index",
        "retrieval_quality",
        "repository_index",
        "label_scorers",
        *OF_DOCUMENTS,
    }


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
        assert asset.owners == ["team:reference-corpus"]
        assert "python" in asset.kinds
        assert asset.tags["stage"] == asset.group_name
        [reference, *_] = asset.metadata["dagster/code_references"].code_references
        assert Path(reference.file_path).is_file()


def test_the_groups_are_the_stages_of_the_flow(definitions: dg.Definitions) -> None:
    groups = {asset.key.to_user_string(): asset.group_name for asset in definitions.resolve_all_asset_specs()}
    assert {key for key, group in groups.items() if group == "documents"} == set(OF_DOCUMENTS)
    assert groups["repository_index"] == "repositories"
    groups = {key: group for key, group in groups.items() if group not in ("documents", "repositories", "labels")}
    assert set(groups.values()) == set(STAGES_OF_FLOW)
    order = {key: STAGES_OF_FLOW.index(str(group)) for key, group in groups.items()}
    graph = definitions.resolve_asset_graph()
    for key, place in order.items():
        assert all(order[up.to_user_string()] == place - 1 for up in graph.get(dg.AssetKey(key)).parent_keys)


def test_assets_of_a_source_link_to_its_page_and_its_licence(definitions: dg.Definitions) -> None:
    for source in SOURCES.values():
        for stage in STAGES:
            spec = definitions.resolve_assets_def(dg.AssetKey(f"{source.name}{stage}")).get_asset_spec()
            assert f"({source.homepage})" in str(spec.description)
            assert re.search(r"Licence: \[.*\]\(https://", str(spec.description))
            assert spec.tags["source"] == source.name


def test_the_embedder_is_among_the_kinds_of_the_vectors(definitions: dg.Definitions) -> None:
    for source in SOURCES:
        kinds = definitions.resolve_assets_def(dg.AssetKey(source)).get_asset_spec().kinds
        assert kinds > {"python", "postgres"}
        assert kinds - {"python", "postgres"} in ({"voyage"}, {"local"})


def test_the_columns_that_assets_show_are_those_of_the_database(
    definitions: dg.Definitions, database: Database
) -> None:
    seen = set()
    for asset in definitions.resolve_all_asset_specs():
        if (name := asset.metadata.get("dagster/table_name")) is None:
            continue
        with database.connection() as connection:
            columns = connection.execute(
                """SELECT attname, CASE WHEN format_type(atttypid, NULL) = 'vector' THEN 'vector'
                                        ELSE format_type(atttypid, NULL) END
                   FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
                   ORDER BY attnum""",
                (name,),
            ).fetchall()
        shown = [(column.name, column.type) for column in asset.metadata["dagster/column_schema"].columns]
        assert shown == columns
        seen.add(name)
    assert seen == {"reference_records", "reference_embeddings", "embedding_spaces", "document_states"}


def test_there_is_a_job_for_everything_for_each_source_and_for_each_chore(definitions: dg.Definitions) -> None:
    jobs = {job.name: job for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")}
    chores = {"rebuild_index", "evaluate", "retry_failures", "verify", "evaluate_space", "promote_space"}
    chores |= {
        "rollback_space",
        "process_documents",
        "connect_documents",
        "index_repositories",
        "bootstrap_labels",
    }
    assert jobs.keys() == {
        "bootstrap",
        "bootstrap_sharded",
        *chores,
        *(f"bootstrap_{source}" for source in SOURCES),
    }
    assert all(job.description for job in jobs.values())
    for source in SOURCES:
        keys = {key.to_user_string() for key in jobs[f"bootstrap_{source}"].asset_layer.executable_asset_keys}
        assert keys == {"reference_index", *(f"{source}{stage}" for stage in STAGES)}


def test_runs_of_every_job_tell_their_machine_so_that_a_killed_one_is_seen(definitions: dg.Definitions) -> None:
    """`dagster job execute` passes no launcher that could tag them."""
    jobs = [job for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")]
    assert len(jobs) == 13 + len(SOURCES)
    assert all(job.tags[HOST_TAG] == socket.gethostname() for job in jobs)
    of_tenants = (
        "process_documents",
        "connect_documents",
        "index_repositories",
    )  # theirs are those of a partition
    assert {job.tags[JOB_TAG] for job in jobs if job.name not in ("verify", *of_tenants)} == {
        "bootstrap",
        "rebuild_index",
        "evaluate",
        "retry_failures",
        "promote_space",
        "bootstrap_labels",
        *SOURCES,
    }


def test_each_stage_of_documents_follows_the_one_before_with_a_partition_for_each_tenant(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    for before, name in pairwise(OF_DOCUMENTS):
        assert graph.get(dg.AssetKey(name)).parent_keys == {dg.AssetKey(before)}
    for name in OF_DOCUMENTS:
        partitions = graph.get(dg.AssetKey(name)).partitions_def
        assert isinstance(partitions, dg.DynamicPartitionsDefinition)
        assert partitions.name == "tenants"


@pytest.mark.parametrize("name", ["bootstrap", "verify"])
def test_what_is_done_for_the_reference_corpus_leaves_documents_out(
    definitions: dg.Definitions, name: str
) -> None:
    layer = definitions.resolve_job_def(name).asset_layer
    keys = {key.to_user_string() for key in layer.executable_asset_keys}
    keys |= {key.asset_key.to_user_string() for key in layer.asset_graph.asset_check_keys}
    assert keys
    assert not keys & set(OF_DOCUMENTS)


def test_a_run_for_one_tenant_waits_for_others_of_its_job_and_tenant_alone(definitions: dg.Definitions) -> None:
    for name in ("process_documents", "connect_documents"):
        partitioned = definitions.resolve_job_def(name).partitioned_config
        assert partitioned
        assert partitioned.get_tags_for_partition_key("acme", name)[JOB_TAG] == f"{name}-acme"


def test_the_refresh_of_the_week_asks_the_publishers(definitions: dg.Definitions) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance, datetime(2030, 1, 6, 3, tzinfo=UTC))
        tick = definitions.resolve_schedule_def("weekly_refresh").evaluate_tick(context)
    [asked] = tick.run_requests or []
    assert asked.run_config["resources"]["corpus"]["config"]["force_refresh"] is True


@pytest.mark.parametrize(
    ("job", "config", "named"),
    [
        ("bootstrap", {"resources": {"corpus": {"config": {"max_costs": 1}}}}, "max_costs"),
        ("bootstrap", {"resources": {"corpus": {"config": {"force_refresh": "maybe"}}}}, "force_refresh"),
        ("bootstrap", {"resources": {"corpus": {"config": {"data": 7}}}}, "data"),
        ("retry_failures", {"ops": {"retry": {"config": {"source": "caud"}}}}, "source"),
        ("promote_space", {"ops": {"promote": {"config": {"space": "two"}}}}, "space"),
        ("rebuild_index", {"ops": {"reference_index": {"config": {"rebuild": "yes"}}}}, "rebuild"),
        ("verify", {"ops": {"cuad_records_checks": {"config": {"parse": True}}}}, '"parse"'),
    ],
)
def test_a_wrong_config_names_the_field(
    definitions: dg.Definitions, job: str, config: dict[str, object], named: str
) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError) as raised:
        dg.validate_run_config(definitions.resolve_job_def(job), config)
    assert named in str(raised.value)


def test_both_ways_in_name_the_same_module_and_location() -> None:
    import tomllib

    import yaml

    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    [module] = yaml.safe_load((root / "workspace.yaml").read_text())["load_from"]
    assert module["python_module"]["module_name"] == project["code_location_target_module"]
    assert module["python_module"]["location_name"] == project["code_location_name"]
