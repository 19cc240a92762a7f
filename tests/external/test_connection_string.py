"""Parameters of the connection string reach every connection, and a password none of what is told."""

from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from bootstrap_assets.cli.environment import dagster_url
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Database, connect, describe
from bootstrap_assets.defs.event_log import BatchingEventLogStorage
from bootstrap_assets.defs.storage import RunStorage, ScheduleStorage
from bootstrap_assets.embedding.leases import Leases
from bootstrap_assets.errors import ConfigurationError, DatabaseRefused
from tests.external.server import (
    PASSWORD,
    External,
    assert_no_secret,
    shell,
)

GIVEN = {
    "application_name": "their name",
    "connect_timeout": "7",
    "keepalives_idle": "11",
    "options": "-cstatement_timeout=123s",
    "sslmode": "allow",
    "sslrootcert": "/their/authority.pem",
    "target_session_attrs": "read-write",
}


def test_every_parameter_reaches_every_connection_of_ours(
    filled: External, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Single connections, the pool, the leases and both of a migration: seen where the driver is called."""
    made: list[dict[str, str]] = []
    plain = psycopg.Connection.connect.__func__  # type: ignore[attr-defined]

    def noting(cls: type[psycopg.Connection], *arguments: object, **more: object) -> psycopg.Connection:
        connection: psycopg.Connection = plain(cls, *arguments, **more)
        made.append(connection.info.get_parameters())
        return connection

    monkeypatch.setattr(psycopg.Connection, "connect", classmethod(noting))
    monkeypatch.setattr(psycopg, "connect", psycopg.Connection.connect)
    url = filled.url("corpus", "contracts", **GIVEN)
    schema.downgrade(url, schema.head())  # migrates nothing, over both connections of a migration
    with Database(url, size=2) as database, database.connection() as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("123s",)
    Leases(url, 1).close()
    assert len(made) >= 6
    for parameters in made:
        assert parameters.items() >= GIVEN.items()


def test_every_parameter_reaches_dagster(external: External) -> None:
    given = sqlalchemy.create_engine(dagster_url(external.url("corpus", "contracts", **GIVEN)))
    _, handed = given.dialect.create_connect_args(given.url)
    assert handed == {
        **GIVEN,
        "host": "127.0.0.1",
        "port": external.port,
        "user": "corpus",
        "password": PASSWORD,
        "dbname": "contracts",
    }


@pytest.mark.parametrize("kind", [RunStorage, BatchingEventLogStorage, ScheduleStorage])
@pytest.mark.parametrize("in_the_webserver", [False, True])
def test_each_storage_of_dagster_connects_with_the_users_parameters_and_in_its_schema(
    filled: External, kind: type[RunStorage], in_the_webserver: bool
) -> None:
    given = filled.url(
        "corpus", "contracts", application_name="their name", options="-cwork_mem=7MB -csearch_path=public"
    )
    storage = kind(dagster_url(given), should_autocreate_tables=False)
    if in_the_webserver:  # it makes another engine then, with a pool
        storage.optimize_for_webserver(statement_timeout=5_000, pool_recycle=60, max_overflow=1)
    engine = storage._engine
    for _ in range(2):
        with engine.connect() as connection:
            shown = [
                connection.execute(sqlalchemy.text(f"SHOW {name}")).scalar()
                for name in ("application_name", "work_mem", "search_path", "synchronous_commit")
            ]
            connection.rollback()
        assert shown == ["their name", "7MB", "bootstrap_dagster", "off"]
    assert engine.dialect.default_schema_name == "bootstrap_dagster"
    engine.dispose()


def test_a_server_without_tls_is_refused_in_one_line_where_tls_is_required(external: External, home: Path) -> None:
    url = external.url("corpus", "contracts", sslmode="require")
    for arguments in (["run", "bonterms"], ["env"]):
        result = shell(url, home, *arguments)
        assert result.returncode == 1, arguments
        assert len(result.stderr.strip().splitlines()) == 1
        assert "server does not support SSL, but SSL was required" in result.stderr
        assert_no_secret(result.stdout + result.stderr)


def test_dagster_too_refuses_a_server_without_tls_and_tells_no_password(external: External) -> None:
    engine = sqlalchemy.create_engine(dagster_url(external.url("corpus", "contracts", sslmode="require")))
    with pytest.raises(sqlalchemy.exc.OperationalError, match="server does not support SSL") as refused:
        engine.connect()
    assert_no_secret(str(refused.value))


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc tells the arguments")
def test_a_password_is_none_of_the_arguments_of_psql_which_everybody_sees(
    filled: External, tmp_path: Path
) -> None:
    url = filled.url("corpus", "contracts", application_name="their name")
    arguments = shell(url, tmp_path, "db", "psql", "-c", r"\! tr '\0' '\n' < /proc/$PPID/cmdline")
    assert arguments.returncode == 0, arguments.stderr
    assert "dbname=contracts" in arguments.stdout
    assert_no_secret(arguments.stdout)
    asked = shell(url, tmp_path, "db", "psql", "-Atc", "SELECT current_user, current_setting('application_name')")
    assert asked.stdout == "corpus|their name\n"


def test_a_wrong_password_is_told_without_the_password(external: External) -> None:
    with pytest.raises(DatabaseRefused, match="password authentication failed") as refused:
        connect(external.url("corpus", "contracts", password=PASSWORD + "x"))
    assert_no_secret(str(refused.value))


@pytest.mark.parametrize("password", ["p@ss:w", "se/cret", "5432/secret", "a@b/c"])
def test_a_password_that_is_not_encoded_is_asked_to_be_and_not_shown(password: str) -> None:
    url = f"postgresql://corpus:{password}@127.0.0.1:1/contracts"
    with pytest.raises(ConfigurationError, match="percent-encoded"):
        connect(url)
    assert describe(url) == "(unreadable connection string)"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://corpus:a%40b%2Fc@127.0.0.1:1/contracts?application_name=me@home/x",
        "postgresql://corpus:a?b=@[::1]:1,127.0.0.1:1/contracts",
        "postgres://",
        "postgresql:///contracts?host=/no/such/socket",
        "host=@abstract user=me@here password=a@b/c",
    ],
)
def test_what_libpq_reads_as_it_is_meant_is_left_to_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not describe(url).startswith("(unreadable")
