import pytest

from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import load_settings


def test_without_a_key_the_local_model_is_taken() -> None:
    assert load_settings().provider == "local"


def test_with_a_key_voyage_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-secret")
    assert load_settings().provider == "voyage"


def test_the_embedder_can_be_chosen_in_spite_of_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-secret")
    monkeypatch.setenv("BOOTSTRAP_EMBEDDER", "local")
    assert load_settings().provider == "local"


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "")
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_DIMENSIONS", "")
    settings = load_settings()
    assert settings.provider == "local"
    assert settings.voyage_dimensions is None


def test_a_wrong_value_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTSTRAP_BATCHES", "many")
    with pytest.raises(ConfigurationError, match="BOOTSTRAP_BATCHES"):
        load_settings()


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-secret")
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", "postgresql://me:hunter2@db/corpus")
    shown = f"{load_settings()!r} {load_settings()}"
    assert "pa-secret" not in shown
    assert "hunter2" not in shown


def test_patterns_of_commonaccord_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTSTRAP_COMMONACCORD_PATTERNS", "G/Agt-NDA/**, Wx/**")
    assert load_settings().source_options["commonaccord"] == {"patterns": ["G/Agt-NDA/**", "Wx/**"]}


def test_a_key_loses_the_line_feed_that_files_of_secrets_end_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-secret\n")
    key = load_settings().voyage_api_key
    assert key
    assert key.get_secret_value() == "pa-secret"


@pytest.mark.parametrize(
    ("name", "value"), [("VOYAGE_API_KEY", "pa secret"), ("BOOTSTRAP_VOYAGE_BASE_URL", "host:9")]
)
def test_a_key_or_an_address_that_cannot_be_one_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name) as raised:
        load_settings()
    assert value not in str(raised.value)
