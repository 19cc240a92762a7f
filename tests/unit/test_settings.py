from pathlib import Path

import pytest

from bootstrap_assets.cli.run import MOST_LOGS, _forget_logs, settings_for
from bootstrap_assets.cli.settings import rows_of
from bootstrap_assets.embedding.choose import choose_provider
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import load_settings


def test_without_a_key_the_local_model_is_taken() -> None:
    assert choose_provider(load_settings()).name == "local"


def test_with_a_key_voyage_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-secret")
    assert choose_provider(load_settings()).name == "voyage"


def test_the_embedder_can_be_chosen_in_spite_of_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-secret")
    monkeypatch.setenv("BOOTSTRAP_EMBEDDER", "local")
    assert choose_provider(load_settings()).name == "local"


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "")
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_DIMENSIONS", "")
    settings = load_settings()
    assert choose_provider(settings).name == "local"
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


@pytest.mark.parametrize("number", ["inf", "nan", "1e999"])
@pytest.mark.parametrize("name", ["VOYAGE_TIMEOUT", "RETRY_SECONDS", "BREAKER_SECONDS", "HEARTBEAT_SECONDS"])
def test_seconds_without_end_are_refused_by_name(name: str, number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"BOOTSTRAP_{name}", number)
    with pytest.raises(ConfigurationError, match=f"BOOTSTRAP_{name}"):
        load_settings()


@pytest.mark.parametrize("name", ["BOOSTRAP_DATA", "BOOTSTARP_DATA", "BOOTSTRAPDATA", "boot_strap_data"])
def test_a_slip_in_the_prefix_of_a_variable_is_told_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "official")
    with pytest.raises(ConfigurationError, match=f"{name} is no setting: did you mean BOOTSTRAP_DATA"):
        load_settings()


def test_variables_of_others_that_begin_alike_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BOOT_IMAGE", "BOTO_CONFIG", "BOOTSTRAPPER_URL"):
        monkeypatch.setenv(name, "x")
    load_settings()


def test_a_folder_below_the_home_of_the_user_may_be_set_as_the_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BOOTSTRAP_DATA", "~/archives")
    with pytest.raises(ConfigurationError, match="BOOTSTRAP_DATA: there is no folder ~/archives"):
        settings_for(None)
    (tmp_path / "archives").mkdir()
    assert settings_for(None).data == "~/archives"


def test_the_logs_of_the_last_runs_are_kept_and_older_ones_are_not(tmp_path: Path) -> None:
    names = [f"run-20260101-{number:06}-1.log" for number in range(MOST_LOGS + 3)]
    for name in (*names, "ui-20250101-000000-1"):
        (tmp_path / name).write_text("")
    _forget_logs(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [*names[3:], "ui-20250101-000000-1"]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of settings that the environment names."""
    monkeypatch.setenv("BOOTSTRAP_ENV_FILE", str(tmp_path / "settings.env"))
    (tmp_path / "settings.env").write_text("VOYAGE_API_KEY=pa-of-the-file\nBOOTSTRAP_BATCHES=16\nOTHERS=1\n")
    return tmp_path / "settings.env"


def test_a_file_says_what_the_environment_does_not(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (load_settings().batches, choose_provider(load_settings()).name) == (16, "voyage")
    monkeypatch.setenv("BOOTSTRAP_BATCHES", "32")
    assert load_settings().batches == 32


def test_each_setting_names_its_origin(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTSTRAP_RETRIES", "2")
    monkeypatch.setenv("VOYAGE_API_KEY", "")  # an empty one is none
    origins = {row["name"]: row["origin"] for row in rows_of(load_settings())}
    assert origins["retries"] == "environment"
    assert origins["batches"] == origins["voyage_api_key"] == f"file {file}"
    assert origins["data"] == "default"


def test_of_an_address_no_password_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTSTRAP_DATA", "https://user:secret@host/archives?token=secret")
    monkeypatch.setenv("BOOTSTRAP_INBOX", "s3://bucket/inbox")
    values = {row["name"]: row["value"] for row in rows_of(load_settings())}
    assert (values["data"], values["inbox"]) == ("https://host/archives", "s3://bucket/inbox")


def test_a_slip_in_the_file_is_told_and_so_is_a_file_that_is_not_there(file: Path) -> None:
    file.write_text("BOOTSTRAP_BATCHS=16\n")
    with pytest.raises(ConfigurationError, match="did you mean BOOTSTRAP_BATCHES"):
        load_settings()
    file.unlink()
    with pytest.raises(ConfigurationError, match=r"BOOTSTRAP_ENV_FILE: .*settings\.env cannot be read"):
        load_settings()


def test_no_file_is_read_that_nobody_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("BOOTSTRAP_BATCHES=16\n")
    assert load_settings().batches == 128
