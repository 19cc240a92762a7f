"""What an administrator sets for a role or a database, with others in mind, does not reach our sessions."""

import json
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from psycopg import sql

from bootstrap_assets.cli.environment import dagster_url
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Database, connect
from bootstrap_assets.defs.event_log import BatchingEventLogStorage
from bootstrap_assets.defs.storage import RunStorage, ScheduleStorage
from bootstrap_assets.errors import SchemaError, explain, is_transient
from tests.external.server import (
    PASSWORD,
    External,
    command,
    grant_everything,
    pgbouncer,
    pgbouncer_is_missing,
    shell,
)

THEIRS = {
    "statement_timeout": "300",
    "lock_timeout": "200",
    "idle_in_transaction_session_timeout": "300",
    "idle_session_timeout": "1000",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "standard_conforming_strings": "off",
    "client_encoding": "LATIN1",
    "bytea_output": "escape",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "extra_float_digits": "0",
    "array_nulls": "off",
    "row_security": "off",
    "gin_fuzzy_search_limit": "5",
}
OURS = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    "standard_conforming_strings": "on",
    "client_encoding": "UTF8",
    "bytea_output": "hex",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "array_nulls": "on",
    "row_security": "on",
    "gin_fuzzy_search_limit": "0",
}
QUERY = "SELECT json_object_agg(name, current_setting(name))::text FROM unnest(ARRAY[{}]) AS name".format(
    ", ".join(f"'{name}'" for name in THEIRS)
)


@pytest.fixture
def tight(external: External, other: str) -> str:
    """A role that an administrator has set everything for, in a database of its own; its connection string."""
    grant_everything(external, other)
    with external.admin(other) as administrator:
        for name, value in THEIRS.items():
            setting = sql.SQL("ALTER ROLE corpus IN DATABASE {} SET {} TO {}").format(
                sql.Identifier(other), sql.Identifier(name), sql.Literal(value)
            )
            administrator.execute(setting)
    return external.url("corpus", other)


def test_every_connection_of_ours_has_settings_of_its_own(tight: str) -> None:
    with psycopg.connect(tight) as bare:
        assert bare.execute("SHOW statement_timeout").fetchone() == ("300ms",)
    with connect(tight) as single:
        assert settings_of(single) == OURS
        single.rollback()
        assert settings_of(single) == OURS
        assert single.execute("SELECT 'é…✓'").fetchone() == ("é…✓",)
    with Database(tight, size=2) as database, database.connection() as one, database.connection() as two:
        assert settings_of(one) == settings_of(two) == OURS


@pytest.mark.parametrize("kind", [RunStorage, BatchingEventLogStorage, ScheduleStorage])
def test_every_connection_of_dagster_has_them_too(tight: str, kind: type[RunStorage]) -> None:
    engine = kind(dagster_url(tight), should_autocreate_tables=False)._engine
    with engine.connect() as connection:
        connection.rollback()
        assert json.loads(connection.execute(sqlalchemy.text(QUERY)).scalar() or "") == OURS
        assert connection.execute(sqlalchemy.text("SELECT 'é…✓'")).scalar() == "é…✓"
    engine.dispose()


@pytest.mark.skipif(pgbouncer_is_missing(), reason="PgBouncer is not installed")
def test_through_a_pool_of_sessions_they_are_set_and_gone_with_the_session(external: External, tight: str) -> None:
    with pgbouncer(external, "session", users={"corpus": PASSWORD}, default_pool_size="1") as proxy:
        url = proxy.url("corpus", tight.rpartition("/")[2])
        with connect(url) as connection:
            assert settings_of(connection) == OURS
        with psycopg.connect(url) as bare:
            assert bare.execute("SHOW statement_timeout").fetchone() == ("300ms",)


def test_migrations_and_a_run_work_with_all_of_them(tight: str, tmp_path: Path) -> None:
    done = shell(tight, tmp_path, "run", "bonterms")
    assert done.returncode == 0, done.stderr
    found = command(tight, tmp_path, "search", "confidential information", "-k", "1", "--json")
    assert json.loads(found.stdout)["results"]


def test_the_connection_string_has_the_last_word_on_limits_but_not_on_what_the_code_needs(
    external: External, other: str
) -> None:
    said = external.url(
        "corpus", other, options="-cstatement_timeout=123s -cDateStyle=German", client_encoding="LATIN1"
    )
    with connect(said) as connection:
        found = settings_of(connection)
    assert found == OURS | {"statement_timeout": "123s"}


def settings_of(connection: "psycopg.Connection[tuple[object, ...]]") -> dict[str, str]:
    row = connection.execute(QUERY).fetchone()  # type: ignore[arg-type]
    found: dict[str, str] = json.loads(str(row and row[0]))
    return found


@pytest.mark.parametrize(
    ("options", "statement", "word"),
    [
        ("-cstatement_timeout=50", "SELECT pg_sleep(5)", "statement_timeout"),
        ("-ctransaction_timeout=50", "SELECT pg_sleep(5)", "transaction_timeout"),
        ("-cdefault_transaction_read_only=on", "CREATE TABLE x ()", "default_transaction_read_only"),
    ],
)
def test_a_limit_that_the_user_set_is_told_by_its_name_and_not_met_twice(
    external: External, other: str, options: str, statement: str, word: str
) -> None:
    with external.admin() as administrator:
        name = options.partition("=")[0].removeprefix("-c")
        if not administrator.execute("SELECT 1 FROM pg_settings WHERE name = %s", (name,)).fetchone():
            pytest.skip("this PostgreSQL has no such setting")
    with connect(external.url("corpus", other, options=options)) as connection:
        with pytest.raises(psycopg.Error) as ended:
            connection.execute(statement)  # type: ignore[arg-type]
        connection.close()
    assert word in explain(ended.value)
    assert "\n" not in explain(ended.value)
    assert not is_transient(ended.value)


def test_a_statement_that_an_administrator_cancels_is_not_tried_again(external: External, other: str) -> None:
    with Database(external.url("corpus", other), size=1) as database:
        tried = []

        def work(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
            tried.append(1)
            pid = connection.info.backend_pid
            with external.admin() as administrator:
                connection.pgconn.send_query(b"SELECT pg_sleep(20)")
                while not administrator.execute(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = %s AND state = 'active'",
                    (pid,),
                ).fetchone():
                    pass
                result = connection.pgconn.get_result()
                assert result
                raise psycopg.errors.error_from_result(result)

        with pytest.raises(psycopg.errors.QueryCanceled) as ended:
            database.transact(work)
    assert len(tried) == 1
    assert "pg_cancel_backend" in explain(ended.value)


def test_a_limit_of_temporary_files_is_told_and_not_met_again_and_again(external: External, other: str) -> None:
    with external.admin() as administrator:
        administrator.execute(f"ALTER ROLE corpus IN DATABASE {other} SET temp_file_limit = 0")
    query = "SELECT x FROM generate_series(1, 300000) x ORDER BY x DESC"
    with (
        Database(external.url("corpus", other), size=1) as database,
        pytest.raises(psycopg.errors.ConfigurationLimitExceeded) as ended,
    ):
        database.transact(lambda connection: connection.execute(query).fetchone())
    assert "temp_file_limit" in explain(ended.value)


def test_a_new_space_needs_no_temporary_file(external: External, other: str, tmp_path: Path) -> None:
    grant_everything(external, other)
    with external.admin() as administrator:
        administrator.execute(f"ALTER ROLE corpus IN DATABASE {other} SET temp_file_limit = 0")
    done = shell(external.url("corpus", other), tmp_path, "run", "bonterms")
    assert done.returncode == 0, done.stderr


def test_the_extension_is_found_in_a_schema_that_the_role_does_not_look_into(
    external: External, other: str, tmp_path: Path
) -> None:
    url = external.url("corpus", other)
    with external.admin(other) as administrator:
        administrator.execute("CREATE SCHEMA extensions")
        administrator.execute("CREATE EXTENSION vector SCHEMA extensions")
        administrator.execute("GRANT USAGE ON SCHEMA extensions TO corpus")
        administrator.execute("CREATE SCHEMA corpus AUTHORIZATION corpus")
        administrator.execute(f"GRANT TEMPORARY, CREATE ON DATABASE {other} TO corpus")
        administrator.execute(f"ALTER ROLE corpus IN DATABASE {other} SET search_path = corpus")
    schema.upgrade(url)
    with connect(url) as connection:
        assert connection.execute("SELECT current_schemas(false)").fetchone() == (["corpus", "extensions"],)
        assert connection.execute("SELECT '[1]'::vector <=> '[1]'::vector").fetchone() == (0.0,)
        assert schema.current(connection) == schema.head()


def test_a_string_that_only_reads_is_refused_by_what_writes_with_the_reason(filled: External, home: Path) -> None:
    url = filled.url("corpus", "contracts", options="-cdefault_transaction_read_only=on")
    with pytest.raises(SchemaError, match="default_transaction_read_only"):
        schema.upgrade(url)
    assert command(url, home, "status").exit_code == 0


def test_the_server_looks_after_a_host_that_may_be_cut_off(external: External) -> None:
    """Its leases and row locks would else be kept for two hours, as the system has it."""
    names = ["tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout"]
    with connect(external.url("corpus", "contracts")) as connection:
        row = connection.execute(
            "SELECT array_agg(current_setting(n)) FROM unnest(%s::text[]) n", (names,)
        ).fetchone()
    assert row == (["10", "5", "4", "30000"],)
    with connect(external.url("corpus", "contracts", options="-c tcp_keepalives_idle=7")) as connection:
        assert connection.execute("SHOW tcp_keepalives_idle").fetchone() == ("7",)  # who says otherwise is heard
