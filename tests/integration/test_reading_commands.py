"""Commands that only look make nothing: in the wrong folder they say where they looked."""

import json
import shlex
from pathlib import Path

import pytest

from bootstrap_assets.errors import NoCorpusError
from tests.integration.test_cli import environ, invoke, shell  # noqa: F401

LOOKING = (
    "status",
    "status --json",
    "search liability",
    "search liability --json",
    "show bonterms",
    "embed liability",
    "cost",
    "evaluate",
    "report",
    "failures list",
    "failures show 1",
    "failures export letters.jsonl",
    "failures retry",
    "failures ignore 1",
    "breaker status",
    "breaker reset",
    "events",
    "wait",
    "cancel 1",
    "resume 1",
    "db url",
    "db psql -c 'SELECT 1'",
    "db upgrade",
    "db downgrade base --yes",
    "db reset --yes",
)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which nobody has run anything."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", LOOKING)
def test_a_command_that_looks_makes_nothing_and_says_where_it_looked(elsewhere: Path, line: str) -> None:
    told = invoke(*shlex.split(line))
    assert isinstance(told.exception, NoCorpusError)
    assert f"there is no corpus in {elsewhere / '.bootstrap'}" in str(told.exception)
    assert "BOOTSTRAP_HOME" in str(told.exception)
    assert told.stdout == ""
    assert list(elsewhere.iterdir()) == []


def test_that_is_one_line_and_an_exit_code(elsewhere: Path) -> None:
    told = shell("status")
    assert told.returncode == 1
    assert len(told.stderr.splitlines()) == 1
    assert told.stdout == ""


def test_stopping_what_is_not_there_makes_nothing(elsewhere: Path) -> None:
    told = invoke("db", "down")
    assert told.exit_code == 0
    assert told.stdout == f"the embedded server was not running in {elsewhere / '.bootstrap'}\n"
    assert list(elsewhere.iterdir()) == []


def test_a_plan_starts_no_server_and_says_that_it_is_for_an_empty_corpus(elsewhere: Path) -> None:
    told = shell("plan", "bonterms", "--json")
    assert told.returncode == 0, told.stderr
    [one] = json.loads(told.stdout)["sources"]
    assert (one["already"], one["send"]) == (0, one["texts"])
    assert f"this is for an empty corpus: there is no corpus in {elsewhere / '.bootstrap'}" in told.stderr
    assert not (elsewhere / ".bootstrap" / "postgres").exists()


def test_the_doctor_makes_nothing(elsewhere: Path) -> None:
    told = invoke("doctor")
    assert told.exit_code == 0, told.output
    assert f"{elsewhere / '.bootstrap'}, which the first run makes" in told.stdout
    assert "embedded, PostgreSQL 18" in told.stdout
    assert list(elsewhere.iterdir()) == []


def test_the_doctor_says_where_no_home_can_be_made(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "file").touch()
    monkeypatch.setenv("BOOTSTRAP_HOME", str(elsewhere / "file" / "home"))
    told = invoke("doctor")
    assert told.exit_code == 1
    assert f"{elsewhere / 'file'} is no folder" in told.stdout


def test_with_a_server_of_ones_own_they_make_no_home(
    elsewhere: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", database_url)
    for command in ("status", "cost", "events", "doctor"):
        assert invoke(command).exit_code == 0
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("line", ["status", "search liability", "db url", "cost", "failures list", "events"])
def test_what_only_looks_reads_the_connection_string_as_a_run_does(
    environ: dict[str, str],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    line: str,
) -> None:
    address = environ["BOOTSTRAP_DATABASE_URL"].removeprefix("postgresql:")
    as_it_is = invoke(*shlex.split(line))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", f" 'postgresql+psycopg:{address}'\n")
    told = invoke(*shlex.split(line))
    assert (told.exit_code, told.stdout, str(told.exception)) == (
        as_it_is.exit_code,
        as_it_is.stdout,
        str(as_it_is.exception),
    )
