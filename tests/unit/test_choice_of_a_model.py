"""Which model works on a database: settings and the spaces that it has decide together."""

from dataclasses import dataclass

import pytest

from bootstrap_assets.embedding.choose import choose_embedder, choose_model, remarks
from bootstrap_assets.embedding.providers.voyage_models import voyage_model
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import Settings, load_settings


@dataclass(frozen=True)
class Made:
    """A space, by what made it."""

    provider: str
    model: str
    dimensions: int = 1024


LAW = Made("voyage", "voyage-law-2")
HERE = Made("local", "wordllama-l2-supercat-distinct", 256)


def with_key(**changes: object) -> Settings:
    return load_settings(voyage_api_key="pa-key", **changes)


def test_a_new_database_takes_the_large_model_with_1024_dimensions() -> None:
    model = choose_model(with_key())
    assert (model.name, model.dimensions) == ("voyage-4-large", 1024)


@pytest.mark.parametrize("embedder", ["auto", "voyage"])
def test_a_database_keeps_the_model_that_it_has(embedder: str) -> None:
    assert choose_model(with_key(embedder=embedder), [LAW]).name == "voyage-law-2"
    small = choose_model(with_key(embedder=embedder), [Made("voyage", "voyage-4", 512)])
    assert (small.name, small.dimensions) == ("voyage-4", 512)


def test_a_model_that_is_set_is_taken_whatever_is_there() -> None:
    model = choose_model(with_key(voyage_model="voyage-4-lite"), [LAW])
    assert (model.name, model.dimensions) == ("voyage-4-lite", 1024)
    other = choose_model(
        with_key(voyage_model="voyage-4", voyage_dimensions=256), [Made("voyage", "voyage-4", 512)]
    )
    assert other.dimensions == 256


def test_auto_never_leaves_the_paid_space_of_a_database_for_lack_of_a_key() -> None:
    for choose in (choose_model, choose_embedder):
        with pytest.raises(ConfigurationError, match=r"voyage-law-2.*VOYAGE_API_KEY.*BOOTSTRAP_EMBEDDER=local"):
            choose(load_settings(), [LAW])


def test_another_embedder_is_taken_where_it_is_asked_for() -> None:
    assert choose_model(load_settings(embedder="local"), [LAW]).provider == "local"
    assert choose_model(with_key(embedder="voyage"), [HERE]).name == "voyage-4-large"


def test_auto_stays_local_with_a_key_and_says_so() -> None:
    settings = with_key()
    model = choose_model(settings, [HERE])
    assert model.provider == "local"
    [told] = remarks(settings, model)
    assert "BOOTSTRAP_EMBEDDER=voyage" in told
    assert remarks(load_settings(), choose_model(load_settings(), [HERE])) == []


def test_a_space_that_was_begun_is_gone_on_with_beside_an_active_local_one() -> None:
    assert choose_model(with_key(embedder="voyage"), [HERE, LAW]).name == "voyage-law-2"
    assert choose_model(with_key(), [HERE, LAW]).provider == "local"


def test_vectors_of_a_provider_that_is_not_known_are_left_alone() -> None:
    with pytest.raises(ConfigurationError, match="somebody's own-model"):
        choose_model(with_key(), [Made("somebody", "own-model")])


def test_before_texts_are_sent_it_is_told_that_they_may_be_trained_on() -> None:
    [told] = remarks(with_key(), voyage_model("voyage-4-large"))
    assert "opted out" in told


def test_a_legacy_model_is_told_with_its_replacement() -> None:
    assert "voyage-law-2 is a legacy model" in remarks(with_key(), voyage_model("voyage-law-2"))[1]
    assert "BOOTSTRAP_VOYAGE_MODEL=voyage-4;" in remarks(with_key(), voyage_model("voyage-law-2"))[1]


@pytest.mark.parametrize("name", ["voyage-4-large", "voyage-4", "voyage-4-lite"])
def test_dimensions_that_no_index_takes_are_refused_before_anything_is_paid(name: str) -> None:
    refusal = (
        r"BOOTSTRAP_VOYAGE_DIMENSIONS: .*2048.*at most 2000 of the type vector; possible with .*: "
        "256, 512, 1024, or BOOTSTRAP_ELEMENT_TYPE=halfvec$"
    )
    with pytest.raises(ConfigurationError, match=refusal):
        choose_model(with_key(voyage_model=name, voyage_dimensions=2048))
    model = choose_model(with_key(voyage_model=name, voyage_dimensions=2048, element_type="halfvec"))
    assert model.dimensions == 2048


def test_a_space_of_many_dimensions_is_gone_on_with() -> None:
    assert choose_model(with_key(), [Made("voyage", "voyage-4", 2048)]).dimensions == 2048


@pytest.mark.parametrize("value", ["0", "-1", "nan", "1e3", "many", "1024.5"])
def test_a_number_of_dimensions_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_DIMENSIONS", value)
    with pytest.raises(ConfigurationError, match="BOOTSTRAP_VOYAGE_DIMENSIONS"):
        load_settings()


@pytest.mark.parametrize("value", ["https://", "https://:443/v1", "https://host:port/v1", "https://[::1/v1"])
def test_an_address_without_a_host_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_BASE_URL", value)
    with pytest.raises(ConfigurationError, match="BOOTSTRAP_VOYAGE_BASE_URL"):
        load_settings()
