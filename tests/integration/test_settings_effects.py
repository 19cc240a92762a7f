"""Settings have their effect, and one that would have none is told."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap_assets import pipeline
from bootstrap_assets.embedding import batching, context
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.setting_names import check_names
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.fetch import locate
from tests.integration.test_cli import environ, invoke, shell  # noqa: F401
from tests.integration.test_index import local_space


def documents_of(corpus: Corpus, patterns: str) -> set[str]:
    """Source ids of CommonAccord's documents where the patterns are these."""
    settings = corpus.settings.model_copy(update={"commonaccord_patterns": patterns})
    source = pipeline.SOURCES["commonaccord"]
    with corpus.database.connection() as connection:
        pipeline.merge(connection, settings, source, locate.fetch(settings, source), allow_deletes=True)
        rows = connection.execute(
            "SELECT source_id FROM reference_documents WHERE source = 'commonaccord'"
        ).fetchall()
        connection.rollback()
    return {str(row[0]) for row in rows}


def test_other_patterns_of_commonaccord_give_other_documents(corpus: Corpus) -> None:
    both, one = documents_of(corpus, "G/Agt-NDA/**,G/NW-NDA/**"), documents_of(corpus, "G/NW-NDA/Demo/*")
    assert one < both
    assert any("NW-NDA/Demo" in name for name in one)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("BOOTSTRAP_EMBEDER", "BOOTSTRAP_EMBEDDER"),
        ("BOOTSTRAP_DATABSE_URL", "BOOTSTRAP_DATABASE_URL"),
        ("bootstrap_batch", "BOOTSTRAP_BATCHES"),
        ("BOOTSTRAP_MODEL", "BOOTSTRAP_VOYAGE_MODEL"),
        ("BOOTSTRAP_API_KEY", "VOYAGE_API_KEY"),
        ("VOYAGEAI_API_KEY", "VOYAGE_API_KEY"),
        ("VOYAGE_KEY", "VOYAGE_API_KEY"),
    ],
)
def test_a_misspelt_variable_is_an_error_that_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "secret")
    with pytest.raises(ConfigurationError, match=f"{name} is no setting: did you mean {meant}") as told:
        load_settings()
    assert "secret" not in str(told.value)


def test_a_variable_of_another_program_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    check_names.cache_clear()
    monkeypatch.setenv("BOOTSTRAP_SERVERS", "kafka:9092")
    monkeypatch.setenv("VOYAGE_MODEL", "another program's")
    monkeypatch.setenv("VOYAGE_LOG", "debug")
    monkeypatch.setenv("BOOTSTRAP_DAGSTER_URL", "postgresql://")
    with caplog.at_level(logging.WARNING):
        load_settings()
        load_settings()
    assert [record.getMessage().split()[0] for record in caplog.records] == ["BOOTSTRAP_SERVERS", "VOYAGE_MODEL"]


def test_another_number_of_batches_than_the_corpus_has_is_refused_until_it_is_divided_anew(
    corpus: Corpus,
    environ: dict[str, str],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    local = local_space(corpus)
    with context.open_corpus(local.settings):
        pass
    with corpus.database.connection() as connection:
        assert batching.current(connection) == local.settings.batches == 16
    with pytest.raises(ConfigurationError, match="BOOTSTRAP_BATCHES is 8, but this corpus is divided into 16"):
        context.open_corpus(local.settings.model_copy(update={"batches": 8})).__enter__()
    for arguments in (["run", "bonterms"], ["plan", "bonterms"], ["failures", "retry"]):
        assert "divided into 16" in str(invoke(*arguments).exception), arguments
    assert invoke("db", "batches").exit_code == 0
    assert invoke("plan", "bonterms").exit_code == 0


def test_a_plan_on_an_empty_corpus_decides_nothing(corpus: Corpus, environ: dict[str, str]) -> None:  # noqa: F811
    assert invoke("plan", "bonterms").exit_code == 0
    with corpus.database.connection() as connection:
        assert batching.current(connection) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["job", "execute", "-m", "bootstrap_assets.definitions", "-j", "bootstrap"],
        ["asset", "materialize", "-m", "bootstrap_assets.definitions", "--select", "bonterms_archive"],
        ["definitions", "validate", "-m", "bootstrap_assets.definitions"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("here", [True, False])
def test_a_command_of_dagster_without_the_environment_ends_in_one_line(
    tmp_path: Path, arguments: list[str], here: bool
) -> None:
    folder = Path(__file__).parents[2] if here else tmp_path  # the project's folder has a dagster.yaml
    command = [str(Path(sys.executable).parent / "dagster"), *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    assert [line for line in done.stderr.splitlines() if "bootstrap env" in line]
    assert not (folder / ".bootstrap" / "postgres").exists() or here


def test_a_misspelt_variable_ends_every_command(environ: dict[str, str]) -> None:  # noqa: F811
    done = shell("status", BOOTSTRAP_EMBEDER="local")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
