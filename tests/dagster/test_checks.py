"""Checks as Dagster runs them: what blocks, what warns, what is told; and the data versions of batches."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from bootstrap_assets import sample
from bootstrap_assets.definitions import defs
from bootstrap_assets.defs import verdicts
from bootstrap_assets.defs.checks import batches_of
from bootstrap_assets.embedding import failures
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.search.recall import Recall
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.fetch import download
from bootstrap_assets.sources.registry import SOURCES

ONE = ("bonterms_archive", "bonterms_records", "bonterms")
RECORDS, VECTORS = {"no_record_lost", "offsets_exact"}, {"vectors_complete", "vectors_sane", "error_rate"}
INDEX = {"index_valid", "index_complete", "recall"}
QUALITY = {"ann_recall", "no_regression", "hybrid_beats_its_parts"}
BLOCKING = {"no_record_lost", "vectors_complete", "vectors_sane"}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> str:
    """A shell whose corpus is this test's own, with the local model; gives the address of the database."""
    assert settings.database_url
    url = settings.database_url.get_secret_value()
    monkeypatch.setenv("BOOTSTRAP_HOME", str(settings.root))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", url)
    monkeypatch.setenv("BOOTSTRAP_EMBEDDER", "local")
    return url


def run(
    instance: dg.DagsterInstance, *assets: str, job: str = "bootstrap", **options: object
) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(
        instance=instance,
        raise_on_error=False,
        asset_selection=[dg.AssetKey(asset) for asset in assets] or None,
        **options,  # type: ignore[arg-type]
    )


def told(result: dg.ExecuteInProcessResult) -> Mapping[str, dg.AssetCheckEvaluation]:
    return {
        f"{check.asset_key.to_user_string()}.{check.check_name}": check
        for check in result.get_asset_check_evaluations()
    }


def break_it(url: str, query: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        spaces = connection.execute("SELECT table_name FROM embedding_spaces WHERE provider = 'local'").fetchall()
        connection.execute(query.replace("VECTORS", spaces[0][0] if spaces else "no vectors"))


def test_every_asset_that_holds_rows_has_its_checks_and_those_that_guard_the_index_block() -> None:
    graph = defs.resolve_asset_graph()
    found = {(key.asset_key.to_user_string(), key.name) for key in graph.asset_check_keys}
    wanted = {("reference_index", name) for name in INDEX} | {("retrieval_quality", name) for name in QUALITY}
    wanted |= {("label_scorers", "scorers_no_regression"), ("repository_index", "repositories_at_work")}
    for source in SOURCES:
        labels = {"labels_present"} if source in ("cuad", "contract_nli") else set()
        wanted |= {(f"{source}_records", name) for name in RECORDS | labels} | {(source, name) for name in VECTORS}
    stages = ("document_text", "document_passages", "document_embeddings", "document_connections")
    wanted |= {(stage, "every_document") for stage in stages}
    assert found == wanted
    assert {key.name for key in graph.asset_check_keys if graph.get(key).blocking} == BLOCKING
    assert all(graph.get(key).description for key in graph.asset_check_keys)


def test_a_whole_run_passes_every_check(local: str, instance: dg.DagsterInstance) -> None:
    result = run(instance)
    assert result.success
    checks = told(result)
    assert len(checks) == 4 * 5 + 2 + 3
    assert all(check.passed for check in checks.values()), [c.description for c in checks.values() if not c.passed]
    assert checks["cuad_records.labels_present"].description.startswith("41 of 41 labels occur")
    assert checks["contract_nli_records.labels_present"].description.startswith("17 of 17 labels occur")


def test_lost_records_keep_the_vectors_from_being_made(local: str, instance: dg.DagsterInstance) -> None:
    assert run(instance, "bonterms_archive", "bonterms_records").success
    break_it(
        local,
        """CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               UPDATE bootstrap_progress SET parsed_records = parsed_records + 1; RETURN NEW; END $$;
           CREATE TRIGGER swallow AFTER UPDATE OF status ON bootstrap_progress FOR EACH ROW
               WHEN (NEW.status = 'pending') EXECUTE FUNCTION swallow()""",
    )
    result = run(instance, *ONE)
    lost = told(result)["bonterms_records.no_record_lost"]
    assert not lost.passed
    assert lost.description == "127 records are stored; 128 were parsed at the last load."
    assert not result.success
    assert not instance.get_materialized_partitions(dg.AssetKey("bonterms"))


def test_insane_vectors_do_not_reach_the_index(local: str, instance: dg.DagsterInstance) -> None:
    assert run(instance, *ONE).success
    break_it(local, "UPDATE VECTORS SET embedding = embedding + embedding")
    result = run(instance, *ONE, "reference_index")
    insane = told(result)["bonterms.vectors_sane"]
    assert not insane.passed
    assert "length 2" in str(insane.metadata["insane"].value)
    assert str(insane.metadata["insane"].value).count("\n") == 10  # ten ids and how many more
    assert instance.get_latest_materialization_event(dg.AssetKey("reference_index")) is None


def test_a_run_over_some_batches_answers_for_those(local: str, instance: dg.DagsterInstance) -> None:
    run(instance, "bonterms_archive", "bonterms_records")
    tags = {"dagster/asset_partition_range_start": "000", "dagster/asset_partition_range_end": "031"}
    result = run(instance, "bonterms", tags=tags)
    complete = told(result)["bonterms.vectors_complete"]
    assert result.success
    assert not complete.passed
    assert complete.severity is dg.AssetCheckSeverity.WARN
    assert "in batches that this run was not over" in str(complete.description)


def test_batches_are_read_from_the_tags_of_a_run() -> None:
    assert batches_of({}) is None
    assert batches_of({"dagster/partition": "007"}) == range(7, 8)
    ends = {"dagster/asset_partition_range_start": "000", "dagster/asset_partition_range_end": "031"}
    assert batches_of(ends) == range(32)
    assert batches_of(ends | {"dagster/partition": "005"}) == range(5, 6)


def test_a_job_over_one_partition_answers_for_that(local: str, instance: dg.DagsterInstance) -> None:
    """Such a run has the job's own tags too, which name all batches."""
    assert run(instance, "bonterms_archive", "bonterms_records").success
    result = run(instance, job="bootstrap_bonterms", partition_key="005")
    assert result.success
    assert told(result)["bonterms.vectors_complete"].severity is dg.AssetCheckSeverity.WARN
    assert instance.get_materialized_partitions(dg.AssetKey("bonterms")) == {"005"}


def test_verify_runs_every_check_and_nothing_else(local: str, instance: dg.DagsterInstance) -> None:
    assert run(instance).success
    result = run(instance, job="verify")
    assert result.success
    assert len(told(result)) == 25
    assert not [event for event in result.all_events if event.is_step_materialization]
    assert "parsed anew" in str(told(result)["cuad_records.no_record_lost"].description)
    break_it(local, "DELETE FROM reference_records WHERE source = 'cuad' AND category = 'Insurance'")
    checks = told(run(instance, job="verify"))
    lost = checks["cuad_records.no_record_lost"]
    assert not lost.passed
    assert lost.metadata["missing_count"].value == 8
    assert "Insurance" in str(lost.metadata["missing"].value)
    labels = checks["cuad_records.labels_present"]
    assert (labels.passed, labels.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert checks["contract_nli_records.no_record_lost"].passed


def test_verify_does_not_hold_other_archives_against_the_corpus(
    local: str, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """A run may name other data than BOOTSTRAP_DATA does."""
    sample.write_sample(tmp_path)
    min((tmp_path / "bonterms").iterdir()).unlink()
    data = {"resources": {"corpus": {"config": {"data": str(tmp_path)}}}}
    assert run(instance, "bonterms_archive", "bonterms_records", run_config=data).success
    lost = told(run(instance, job="verify"))["bonterms_records.no_record_lost"]
    assert lost.passed, lost.description
    assert "were parsed at the last load. The archives at hand are not those loaded" in str(lost.description)
    break_it(local, "DELETE FROM reference_records WHERE granularity = 'clause'")
    lost = told(run(instance, job="verify"))["bonterms_records.no_record_lost"]
    assert (lost.passed, lost.severity) == (False, dg.AssetCheckSeverity.ERROR)


@pytest.mark.parametrize("loaded", [False, True])
def test_a_check_downloads_nothing(
    local: str, instance: dg.DagsterInstance, corpus: Corpus, monkeypatch: pytest.MonkeyPatch, loaded: bool
) -> None:
    if loaded:
        assert run(instance, "bonterms_archive", "bonterms_records").success
    asked: list[str] = []
    monkeypatch.setattr(download, "fetch", lambda remote, *_args, **_more: asked.append(remote.url))
    official = replace(corpus, settings=corpus.settings.model_copy(update={"data": "official"}))
    assert verdicts.no_record_lost(official, SOURCES["bonterms"], parse_again=True).passed
    assert asked == []


def test_records_of_which_it_is_not_known_what_was_parsed_are_a_warning(
    local: str, instance: dg.DagsterInstance, corpus: Corpus
) -> None:
    assert run(instance, "bonterms_archive", "bonterms_records").success
    break_it(local, "UPDATE bootstrap_progress SET fingerprint = NULL")  # as an upgrade does
    lost = verdicts.no_record_lost(corpus, SOURCES["bonterms"], parse_again=True)
    assert (lost.passed, lost.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "127 records are stored" in str(lost.description)
    assert "load the source again" in str(lost.description)
    assert run(instance, "bonterms_archive", "bonterms_records").success
    assert verdicts.no_record_lost(corpus, SOURCES["bonterms"]).passed


def test_what_is_wrong_with_records_and_index_fails_their_checks(
    local: str, instance: dg.DagsterInstance, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(instance, "bonterms_archive", "bonterms_records").success
    assert verdicts.offsets_exact(corpus, SOURCES["bonterms"]).passed
    break_it(local, "UPDATE reference_records SET char_start = char_start + 1 WHERE char_end > char_start + 1")
    poor = Recall(10, {b"one": 1.0, b"other": 0.8})
    monkeypatch.setattr(verdicts, "measure_recall", lambda connection, space: poor)
    found = [
        verdicts.offsets_exact(corpus, SOURCES["bonterms"]),
        verdicts.index_valid(corpus),
        verdicts.index_complete(corpus),
        verdicts.recall(corpus),
    ]
    assert [(one.passed, one.severity) for one in found] == [(False, dg.AssetCheckSeverity.ERROR)] * 4


def test_missing_labels_are_an_error_in_the_official_data(corpus: Corpus) -> None:
    sample = verdicts.labels_present(corpus, SOURCES["cuad"])
    official = replace(corpus, settings=corpus.settings.model_copy(update={"data": "official"}))
    assert sample.severity is dg.AssetCheckSeverity.WARN
    assert verdicts.labels_present(official, SOURCES["cuad"]).severity is dg.AssetCheckSeverity.ERROR


@pytest.mark.parametrize(
    ("letters", "passed", "severity"), [(1, True, "WARN"), (5, False, "WARN"), (20, False, "ERROR")]
)
def test_the_error_rate_warns_above_one_percent_and_fails_above_ten(
    local: str, instance: dg.DagsterInstance, corpus: Corpus, letters: int, passed: bool, severity: str
) -> None:
    run(instance, "bonterms_archive", "bonterms_records")
    with corpus.database.connection() as connection:
        hashes = connection.execute(
            "SELECT min(content_hash) FROM reference_records GROUP BY content_hash HAVING count(*) = 1 LIMIT %s",
            (letters,),
        ).fetchall()
        for (digest,) in hashes:
            failures.bury(connection, corpus.space, "bonterms", digest, "embed", ValueError("poison"))
    found = verdicts.error_rate(corpus, SOURCES["bonterms"])
    assert (found.passed, found.severity.value) == (passed, severity)
    assert "bootstrap failures list --source bonterms" in str(found.description)


def versions(instance: dg.DagsterInstance, source: str) -> dict[str, str]:
    """The data version of each partition's latest materialisation."""
    found = {}
    for key in instance.get_materialized_partitions(dg.AssetKey(source)):
        filters = dg.AssetRecordsFilter(asset_key=dg.AssetKey(source), asset_partitions=[key])
        [record] = instance.fetch_materializations(filters, limit=1).records
        assert record.asset_materialization
        found[key] = (record.asset_materialization.tags or {})["dagster/data_version"]
    return found


def stale(instance: dg.DagsterInstance, asset: str, keys: list[str | None]) -> set[StaleStatus]:
    graph = defs.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    return {resolver.get_status(dg.AssetKey(asset), key) for key in keys}


def test_a_batch_keeps_its_version_while_its_content_does(
    local: str, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(instance, *ONE).success
    before = versions(instance, "bonterms")
    assert len(before) == 128
    assert len(set(before.values())) > 64  # each has its own, and those without texts share one
    assert run(instance, *ONE).success
    assert versions(instance, "bonterms") == before
    assert stale(instance, "bonterms", list(before)) == {StaleStatus.FRESH}
    break_it(
        local,
        "UPDATE reference_records SET content_hash = (SELECT max(content_hash) FROM reference_records) "
        "WHERE source_id = (SELECT min(source_id) FROM reference_records WHERE granularity = 'clause')",
    )
    assert run(instance, "bonterms").success
    after = versions(instance, "bonterms")
    assert 1 <= sum(before[key] != after[key] for key in before) <= 2


def test_records_loaded_again_without_a_change_make_no_batch_stale(
    local: str, instance: dg.DagsterInstance
) -> None:
    assert run(instance, *ONE).success
    keys: list[str | None] = ["000", "064", "127"]
    assert run(instance, "bonterms_archive", "bonterms_records").success
    assert stale(instance, "bonterms", keys) == {StaleStatus.FRESH}
    break_it(local, "UPDATE reference_records SET section_path = 'elsewhere' WHERE source = 'bonterms'")
    assert run(instance, "bonterms_records").success  # which puts them right again
    assert stale(instance, "bonterms", keys) == {StaleStatus.FRESH}


def test_records_that_changed_make_batches_stale(local: str, instance: dg.DagsterInstance) -> None:
    assert run(instance, *ONE).success
    keys: list[str | None] = ["000", "064", "127"]
    break_it(local, "UPDATE bootstrap_progress SET parsed_digest = NULL")  # so that the load does not see it
    break_it(local, "UPDATE reference_records SET section_path = 'elsewhere' WHERE source = 'bonterms'")
    assert run(instance, "bonterms_records").success
    assert stale(instance, "bonterms", keys) == {StaleStatus.STALE}
