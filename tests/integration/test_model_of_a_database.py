"""A database keeps the model of its vectors: what opens it, estimates and checks goes by them."""

import pytest
from click.testing import CliRunner, Result

from bootstrap_assets import pipeline
from bootstrap_assets.cli import bootstrap
from bootstrap_assets.database.connection import Database
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.context import Corpus, open_corpus
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.plan import estimate
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.registry import SOURCES
from tests.conftest import open_for_test
from tests.integration.test_fill import column, load
from tests.made_up_source import MADE_UP, contracts


@pytest.fixture
def law(settings: Settings, database: Database) -> Corpus:
    """A corpus that was embedded with the model that used to be the default."""
    return embedded(settings.model_copy(update={"voyage_model": "voyage-law-2"}), database)


def embedded(settings: Settings, database: Database) -> Corpus:
    corpus = open_for_test(settings, database)
    load(corpus, contracts(2))
    pipeline.embed(corpus, MADE_UP)
    pipeline.build_index(corpus)
    return corpus


def without_key(settings: Settings) -> Settings:
    return settings.model_copy(update={"embedder": "auto", "voyage_api_key": None})


def doctor(monkeypatch: pytest.MonkeyPatch, settings: Settings, **environment: str) -> Result:
    assert settings.database_url
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("BOOTSTRAP_HOME", str(settings.root))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(bootstrap, ["doctor"])


def test_an_existing_space_is_opened_again_and_no_other_is_made(law: Corpus, settings: Settings) -> None:
    with open_corpus(settings) as corpus:
        assert corpus.space.id == law.space.id
    assert column(law, "SELECT model FROM embedding_spaces") == ["voyage-law-2"]


def test_a_space_that_was_only_begun_is_gone_on_with(settings: Settings, database: Database) -> None:
    begun = open_for_test(settings.model_copy(update={"voyage_model": "voyage-law-2"}), database)
    with open_corpus(settings) as corpus:  # nothing was paid for yet
        assert corpus.space.model == "voyage-4-large"
    load(begun, contracts(2))
    pipeline.embed(begun, MADE_UP)
    with open_corpus(settings) as corpus:
        assert corpus.space.id == begun.space.id


def test_a_host_without_the_key_does_not_retire_the_paid_space(law: Corpus, settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="VOYAGE_API_KEY"), open_corpus(without_key(settings)):
        pass
    with pytest.raises(ConfigurationError, match="VOYAGE_API_KEY"):
        estimate(without_key(settings), [SOURCES["bonterms"]])
    assert column(law, "SELECT model || ' ' || state FROM embedding_spaces") == ["voyage-law-2 active"]


def test_the_plan_is_for_the_model_that_the_database_has(law: Corpus, settings: Settings) -> None:
    model, _ = estimate(settings, [SOURCES["bonterms"]])
    assert model.name == law.space.model


def test_doctor_tells_of_training_and_of_a_legacy_model(
    law: Corpus, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = doctor(monkeypatch, settings, VOYAGE_API_KEY="pa-key")
    assert "voyage-law-2 is a legacy model" in done.output
    assert "opted out" in done.output


def test_doctor_tells_that_the_key_of_the_database_s_vectors_is_missing(
    law: Corpus, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = doctor(monkeypatch, settings)
    assert done.exit_code == 1
    assert "set VOYAGE_API_KEY" in done.output


def test_a_run_without_the_key_says_what_is_missing_before_it_begins(
    law: Corpus, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.database_url
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("BOOTSTRAP_HOME", str(settings.root))
    done = CliRunner().invoke(bootstrap, ["run", "bonterms"])
    assert isinstance(done.exception, ConfigurationError) or "VOYAGE_API_KEY" in done.output
    assert not (settings.root / "logs").exists()


@pytest.mark.parametrize("dimensions", [0, 2001, 2048, 4096])
def test_no_space_is_made_whose_vectors_could_never_be_indexed(corpus: Corpus, dimensions: int) -> None:
    with corpus.database.connection() as connection:
        before = connection.execute("SELECT count(*) FROM embedding_spaces").fetchone()
        with pytest.raises(ConfigurationError, match="an index takes 1 to 2000"):
            spaces.ensure(connection, "somebody", "some-model", dimensions)
        assert connection.execute("SELECT count(*) FROM embedding_spaces").fetchone() == before


def test_2000_dimensions_can_be_indexed(corpus: Corpus) -> None:
    with corpus.database.connection() as connection:
        space = spaces.ensure(connection, "somebody", "some-model", 2000)
        connection.execute(f"CREATE INDEX ON {space.table} USING hnsw (embedding vector_cosine_ops)")
