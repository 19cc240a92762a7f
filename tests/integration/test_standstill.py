"""Whether a run is needed: only where nothing changed since the last one that Dagster knows of, it is not."""

from pathlib import Path

import pytest

from bootstrap_assets import pipeline, standstill
from bootstrap_assets.database import schema
from bootstrap_assets.database.schema import DAGSTER_SCHEMA
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.sources.registry import SOURCES

BONTERMS = [SOURCES["bonterms"]]
RUN = "a-run"
FIRST = "(SELECT min(source_id) FROM reference_records)"
WITHOUT_INDEX = """DO $$ BEGIN EXECUTE
    (SELECT 'DROP INDEX ' || indexname FROM pg_indexes WHERE indexdef LIKE '%hnsw%'); END $$"""
LABELLED_ANEW = f"UPDATE reference_records SET category = 'Another' WHERE source_id = {FIRST}"


@pytest.fixture
def whole(corpus: Corpus) -> Corpus:
    """A corpus that a run of Dagster has filled, and has noted what it left."""
    pipeline.bootstrap(corpus, BONTERMS)
    execute(corpus, f"CREATE SCHEMA IF NOT EXISTS {DAGSTER_SCHEMA}")
    execute(corpus, f"CREATE TABLE {DAGSTER_SCHEMA}.runs AS SELECT '{RUN}' AS run_id")
    standstill.record(corpus.settings, BONTERMS, RUN)
    return corpus


def execute(corpus: Corpus, query: str) -> None:
    with corpus.database.connection() as connection:
        connection.execute(query.replace("VECTORS", corpus.space.table).encode())


def is_reached(corpus: Corpus, **changes: object) -> bool:
    settings = corpus.settings.model_copy(update=changes)
    return standstill.is_reached(settings, BONTERMS)


def test_where_nothing_changed_no_run_is_needed(whole: Corpus) -> None:
    assert is_reached(whole)


@pytest.mark.parametrize("change", [f"DELETE FROM {DAGSTER_SCHEMA}.runs", f"DROP TABLE {DAGSTER_SCHEMA}.runs"])
def test_what_dagster_does_not_know_may_be_complete_yet(whole: Corpus, change: str) -> None:
    execute(whole, change)
    assert standstill.is_complete(whole.settings, BONTERMS)
    execute(whole, LABELLED_ANEW)
    execute(whole, "DELETE FROM VECTORS")
    assert not standstill.is_complete(whole.settings, BONTERMS)


def test_a_source_that_no_run_has_filled_needs_one(whole: Corpus) -> None:
    assert not standstill.is_reached(whole.settings, list(SOURCES.values()))


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM VECTORS WHERE content_hash = (SELECT min(content_hash) FROM VECTORS)",
        LABELLED_ANEW,
        f"DELETE FROM reference_records WHERE source_id = {FIRST}",
        "UPDATE bootstrap_progress SET fingerprint = 'of another parser'",
        WITHOUT_INDEX,
        f"DELETE FROM {DAGSTER_SCHEMA}.runs",
        f"DROP TABLE {DAGSTER_SCHEMA}.runs",
        "UPDATE embedding_spaces SET state = 'building'",
    ],
)
def test_whatever_changed_in_the_database_is_for_a_run_to_mend(whole: Corpus, change: str) -> None:
    execute(whole, change)
    assert not is_reached(whole)


def test_an_older_schema_is_for_a_run_to_upgrade(whole: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "head", lambda: "9999")
    assert not is_reached(whole)


def test_records_that_came_by_another_way_are_shown_to_dagster_by_a_run(whole: Corpus) -> None:
    execute(whole, LABELLED_ANEW)
    execute(
        whole, "UPDATE bootstrap_progress SET parsed_digest = (SELECT digest FROM bootstrap_stored('bonterms'))"
    )
    assert not is_reached(whole)


def test_other_archives_or_another_model_need_a_run(whole: Corpus, tmp_path: Path) -> None:
    assert not is_reached(whole, data=str(tmp_path))
    assert not is_reached(whole, embedder="local")


def test_a_run_that_left_something_to_do_is_not_noted(corpus: Corpus) -> None:
    pipeline.bootstrap(corpus, BONTERMS)
    execute(corpus, "UPDATE bootstrap_progress SET parsed_records = 1")
    standstill.record(corpus.settings, BONTERMS, RUN)
    with corpus.database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM bootstrap_completions").fetchone() == (0,)
