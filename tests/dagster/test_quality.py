"""The asset `retrieval_quality`: a job of its own, figures to plot, and checks that see a broken search."""

from collections.abc import Iterator

import dagster as dg
import psycopg
import pytest
from psycopg.types.json import Jsonb

from bootstrap_assets.definitions import defs
from bootstrap_assets.defs import quality
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.evaluation.document import Document
from tests import documents
from tests.integration.test_evaluation import rewrite
from tests.integration.test_index import local_space

CHECKS = {"ann_recall", "no_regression", "hybrid_beats_its_parts"}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def corpus(labelled_locally: None, corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    """A shell whose corpus is this test's own, with the local model and labelled contracts."""
    assert corpus.settings.database_url
    monkeypatch.setenv("BOOTSTRAP_HOME", str(corpus.settings.root))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", corpus.settings.database_url.get_secret_value())
    monkeypatch.setenv("BOOTSTRAP_EMBEDDER", "local")
    return local_space(corpus)


def evaluate(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("evaluate").execute_in_process(instance=instance, raise_on_error=False)


def check_alone(instance: dg.DagsterInstance) -> list[dg.AssetCheckEvaluation]:
    """The checks of the evaluation that is kept, without another one."""
    return dg.materialize(
        [quality.check_quality],
        instance=instance,
        resources=defs.resources,
        selection=dg.AssetSelection.all_asset_checks(),
    ).get_asset_check_evaluations()


def told(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def test_the_evaluation_is_in_no_job_but_its_own() -> None:
    graph = defs.resolve_asset_graph()
    assert {key.name for key in graph.asset_check_keys if key.asset_key.path == ["retrieval_quality"]} == CHECKS
    assert not any(graph.get(key).blocking for key in graph.asset_check_keys if key.name in CHECKS)
    jobs = {
        job.name: {node.name for node in job.nodes} for job in map(defs.resolve_job_def, ("bootstrap", "verify"))
    }
    assert not any("retrieval_quality" in node for nodes in jobs.values() for node in nodes)


def test_an_evaluation_tells_its_figures_and_passes(corpus: Corpus, instance: dg.DagsterInstance) -> None:
    result = evaluate(instance)
    assert result.success
    [event] = result.asset_materializations_for_node("retrieval_quality")
    figures = {name: value.value for name, value in event.metadata.items()}
    assert figures["contract_nli_hybrid_R@5"] == figures["cuad_hybrid_R@5"] == 1
    assert figures["recall@10"] >= 0.99
    assert "| hybrid_minus_vector |" in str(figures["scores"])
    for picture in ("recall_curve", "contract_nli_scores", "cuad_scores", "coverage", "map"):
        assert "](data:image/png;base64," in str(figures[picture])
    checks = told(result)
    assert set(checks) == CHECKS
    assert checks["ann_recall"].passed
    assert checks["no_regression"].passed
    # Where all lists are without a fault none is better: a warning, as it should be.
    assert not checks["hybrid_beats_its_parts"].passed
    assert checks["hybrid_beats_its_parts"].severity is dg.AssetCheckSeverity.WARN


def test_a_broken_search_fails_the_check_and_says_what_fell(corpus: Corpus, instance: dg.DagsterInstance) -> None:
    evaluate(instance)
    rewrite(corpus, "reference_vector_scores", "1 - (e.embedding <=> $1)", "(e.embedding <=> $1)")
    checks = told(evaluate(instance))
    assert not checks["no_regression"].passed
    assert checks["no_regression"].severity is dg.AssetCheckSeverity.ERROR
    assert "R@5 of vector from 1.000" in str(checks["no_regression"].metadata["falls"].value)


def test_of_an_earlier_corpus_the_checks_warn(corpus: Corpus, instance: dg.DagsterInstance) -> None:
    evaluate(instance)
    with corpus.database.connection() as connection:
        connection.execute(
            "INSERT INTO reference_texts (content_hash, content, tokens) VALUES (sha256('Honey'), 'Honey', 1)"
        )
    checks = check_alone(instance)
    assert [(check.passed, check.severity) for check in checks] == [(False, dg.AssetCheckSeverity.WARN)] * 3
    assert all("The corpus has changed since" in str(check.description) for check in checks)


def test_an_index_that_finds_too_little_fails() -> None:
    document = Document.model_validate(documents.document())
    assert quality.ann_recall(document).passed
    low = document.operating_point.model_copy(update={"recall_10": 0.7})
    assert not quality.ann_recall(document.model_copy(update={"ann": (low,)})).passed


def test_an_evaluation_that_another_version_kept_is_a_warning_that_says_so(
    corpus: Corpus, instance: dg.DagsterInstance
) -> None:
    with corpus.database.connection() as connection:
        connection.execute("UPDATE embedding_spaces SET quality = %s", (Jsonb(documents.document(version=7)),))
    checks = check_alone(instance)
    assert [(check.passed, check.severity) for check in checks] == [(False, dg.AssetCheckSeverity.WARN)] * 3
    assert all("it is of version 7" in str(check.description) for check in checks)


def test_before_the_first_evaluation_the_checks_warn(corpus: Corpus, instance: dg.DagsterInstance) -> None:
    checks = check_alone(instance)
    assert [(check.passed, check.severity) for check in checks] == [(False, dg.AssetCheckSeverity.WARN)] * 3


def test_without_an_index_the_asset_fails_for_good(corpus: Corpus, instance: dg.DagsterInstance) -> None:
    assert corpus.settings.database_url
    with psycopg.connect(corpus.settings.database_url.get_secret_value(), autocommit=True) as connection:
        [name] = connection.execute(
            "SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%hnsw%'"
        ).fetchone() or [""]
        connection.execute(f"DROP INDEX {name}")  # type: ignore[arg-type]
    result = evaluate(instance)
    assert not result.success
    failures = [event for event in result.all_events if event.is_step_failure]
    assert "no valid index" in str(failures[0].event_specific_data)
