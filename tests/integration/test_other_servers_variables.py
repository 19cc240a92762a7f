"""libpq's environment variables, which are for other servers, and the embedded one; and the user's own server."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from bootstrap_assets.database.connection import connect, database_url
from bootstrap_assets.database.embedded import server
from bootstrap_assets.settings import load_settings
from tests.integration.test_cli import shell
from tests.integration.test_server import folder, home, template  # noqa: F401

VARIABLES = {
    "PGHOST": "db.example",
    "PGHOSTADDR": "127.0.0.1",
    "PGPORT": "6543",
    "PGDATABASE": "app",
    "PGUSER": "alice",
    "PGPASSWORD": "x",
    "PGPASSFILE": "/nowhere",
    "PGREQUIREAUTH": "scram-sha-256",
    "PGCHANNELBINDING": "require",
    "PGSERVICE": "prod",
    "PGSERVICEFILE": "/nowhere",
    "PGSYSCONFDIR": "/nowhere",
    "PGOPTIONS": "-c default_transaction_read_only=on",
    "PGAPPNAME": "x",
    "PGSSLMODE": "verify-full",
    "PGREQUIRESSL": "1",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLROOTCERT": "system",
    "PGSSLCERT": "/nowhere",
    "PGSSLMINPROTOCOLVERSION": "TLSv9",
    "PGGSSENCMODE": "require",
    "PGKRBSRVNAME": "x",
    "PGREQUIREPEER": "nobody",
    "PGTARGETSESSIONATTRS": "read-only",
    "PGLOADBALANCEHOSTS": "random",
    "PGMINPROTOCOLVERSION": "9.9",
    "PGCONNECT_TIMEOUT": "x",
    "PGCLIENTENCODING": "SQL_ASCII",
    "PGDATESTYLE": "German",
    "PGTZ": "Europe/Berlin",
    "PGGEQO": "off",
    "PGDATA": "/nowhere",
}

STORAGE = """
import os, sys
import dagster
with dagster.DagsterInstance.get() as instance:
    print(instance.get_runs_count())
"""


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell made for another server, by direnv or the like."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)


def test_our_connections_are_to_the_embedded_server(home: Path, others: None) -> None:  # noqa: F811
    settings = load_settings(home=home)
    query = """SELECT what, current_setting('TimeZone'), current_setting('DateStyle'),
                      current_setting('application_name') FROM kept"""
    with connect(database_url(settings)) as connection:
        what, zone, style, application = connection.execute(query).fetchone() or ("",) * 4
    assert what == "the original"
    assert zone != "Europe/Berlin"
    assert style == "ISO, MDY"
    assert application == "bootstrap-assets"
    assert not set(VARIABLES) & set(os.environ)  # nor of a child


def test_psql_and_dagster_are_connected_to_the_embedded_server(home: Path, others: None) -> None:  # noqa: F811
    theirs = {"BOOTSTRAP_HOME": str(home), "BOOTSTRAP_BATCHES": "4"}
    assert shell("db", "psql", "-Atc", "SELECT what FROM kept", **theirs).stdout == "the original\n"
    told = shell("env", **theirs)
    assert told.returncode == 0, told.stderr
    prepared = dict(line.removeprefix("export ").split("=", 1) for line in told.stdout.splitlines())
    prepared = {name: value.strip("'") for name, value in prepared.items()}
    counted = subprocess.run(
        [sys.executable, "-c", STORAGE],
        env=os.environ | theirs | prepared,
        capture_output=True,
        text=True,
        check=False,
    )
    assert counted.stdout == "0\n", counted.stderr


@pytest.mark.parametrize("name", ["PGSERVICE", "PGREQUIREAUTH", "PGOPTIONS"])
def test_a_single_variable_is_kept_away_too(home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:  # noqa: F811
    monkeypatch.setenv(name, VARIABLES[name])
    with psycopg.connect(server.start(home), autocommit=True) as connection:
        connection.execute("CREATE TABLE written ()")


def test_they_hold_for_a_server_of_the_users_own(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = psycopg.conninfo.conninfo_to_dict(postgres)
    monkeypatch.setenv("PGHOST", str(told["host"]))
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=7MB")
    settings = load_settings(database_url="postgresql://postgres@/postgres")
    with connect(database_url(settings)) as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("7MB",)
    assert os.environ["PGOPTIONS"] == "-c work_mem=7MB"
