"""A role of few rights: what it can do, and what it is told when a right lacks."""

import json
import subprocess
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Connection, Database, connect
from bootstrap_assets.errors import SchemaError
from bootstrap_assets.search.query import search
from bootstrap_assets.settings import load_settings
from tests.external.server import (
    External,
    command,
    documented_statements,
    fill,
    grant_everything,
    make_schemas,
    run_documented,
    set_password,
    shell,
)
from tests.fakes.voyage_server import VoyageServer

# The role


def test_the_role_has_no_attribute_and_owns_no_database(external: External) -> None:
    with external.admin() as administrator:
        row = administrator.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolreplication, "
            "(SELECT count(*) FROM pg_database WHERE datdba = r.oid), rolpassword LIKE 'SCRAM-SHA-256%' "
            "FROM pg_authid r WHERE rolname = 'corpus'"
        ).fetchone()
    assert row == (False, False, False, False, False, 0, True)


def test_a_second_run_with_that_role_has_nothing_to_do(filled: External, home: Path) -> None:
    again = shell(filled.url("corpus", "contracts"), home, "run", "bonterms")
    assert again.returncode == 0, again.stderr
    assert "nothing to do" in again.stdout


def test_every_look_at_the_corpus_works_with_that_role(filled: External, home: Path) -> None:
    url = filled.url("corpus", "contracts")
    status = json.loads(command(url, home, "status", "--json").stdout)
    assert status["sources"]["bonterms"]["status"] == "completed"
    assert status["index"] == {"exists": True, "valid": True}
    found = json.loads(command(url, home, "search", "liability", "--json").stdout)
    assert len(found["results"]) == 5
    for arguments in (["plan"], ["failures", "list"], ["doctor"], ["cost"]):
        result = command(url, home, *arguments)
        assert result.exit_code == 0, (arguments, result.output)


def test_dagster_keeps_its_runs_in_its_own_schema(filled: External) -> None:
    with filled.admin("contracts") as administrator:
        found = administrator.execute(
            "SELECT schemaname, tableowner FROM pg_tables WHERE tablename IN ('runs', 'event_logs', 'jobs')"
        ).fetchall()
        assert found == [("bootstrap_dagster", "corpus")] * 3
        assert administrator.execute("SELECT status FROM bootstrap_dagster.runs").fetchall()[0] == ("SUCCESS",)


def test_the_printed_environment_survives_a_shell_and_both_drivers(filled: External, home: Path) -> None:
    """A password with @ : / % ' \" $ and a space: from `eval` on, for psycopg and for SQLAlchemy."""
    printed = shell(filled.url("corpus", "contracts"), home, "env").stdout
    echo = f'{printed}\nprintf %s "$BOOTSTRAP_DAGSTER_URL"'
    given = subprocess.run(["sh", "-c", echo], capture_output=True, text=True, check=True).stdout
    engine = sqlalchemy.create_engine(given)
    with engine.connect() as connection:
        row = connection.execute(sqlalchemy.text("SELECT current_user, current_database()")).one()
    engine.dispose()
    assert tuple(row) == ("corpus", "contracts")


def test_the_schema_goes_down_and_up_and_a_reset_keeps_the_extension(
    external: External, home: Path, other: str
) -> None:
    url = external.url("corpus", other)
    grant_everything(external, other)
    with external.admin(other) as administrator:
        before = namespaces(administrator)
    for arguments in (
        ["db", "up"],
        ["env"],
        ["db", "downgrade", "base", "--yes"],
        ["db", "upgrade"],
        ["db", "reset", "--yes"],
    ):
        result = command(url, home, *arguments)
        assert result.exit_code == 0, (arguments, result.output)
    with external.admin(other) as administrator:
        assert namespaces(administrator) == before
        assert schema.current(administrator) == schema.head()
        left = "SELECT count(*) FROM pg_tables WHERE schemaname = 'bootstrap_dagster'"
        assert administrator.execute(left).fetchone() == (0,)


def test_without_create_on_the_database_two_schemas_of_an_administrator_suffice(
    external: External, home: Path, other: str
) -> None:
    grant_everything(external, other)
    make_schemas(external, other)
    url = external.url("corpus", other)
    for arguments in (["db", "up"], ["doctor"], ["env"], ["db", "reset", "--yes"], ["env"]):
        result = command(url, home, *arguments)
        assert result.exit_code == 0, (arguments, result.output, result.exception)


def namespaces(connection: "psycopg.Connection[tuple[object, ...]]") -> list[tuple[object, ...]]:
    query = (
        "SELECT 'extension', oid::text FROM pg_extension WHERE extname = 'vector' "
        "UNION ALL SELECT 'schema', oid::text FROM pg_namespace WHERE nspname = 'public'"
    )
    return connection.execute(query).fetchall()


# Rights that lack


def test_a_database_without_the_extension_names_the_administrator(external: External, other: str) -> None:
    with external.admin(other) as administrator:
        administrator.execute("GRANT CREATE ON SCHEMA public TO corpus")
        administrator.execute(f"GRANT TEMPORARY, CREATE ON DATABASE {other} TO corpus")
    with pytest.raises(SchemaError, match="have an administrator run `CREATE EXTENSION vector`"):
        schema.upgrade(external.url("corpus", other))


def test_rights_that_lack_are_named_with_the_grant_to_run(external: External, other: str) -> None:
    with external.admin(other) as administrator:
        administrator.execute("CREATE EXTENSION vector")
    url = external.url("corpus", other)
    with pytest.raises(SchemaError, match="lacks rights") as refused:
        schema.upgrade(url)
    with external.admin(other) as administrator:
        administrator.execute(str(refused.value).split("`")[1])
    assert schema.upgrade(url) == schema.head()


def test_a_schema_that_may_not_be_used_is_said(external: External, other: str) -> None:
    with external.admin(other) as administrator:
        administrator.execute("CREATE EXTENSION vector")
        administrator.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    with pytest.raises(SchemaError, match="search_path"):
        schema.upgrade(external.url("corpus", other))


def test_a_schema_that_may_not_be_made_or_used_is_said_with_what_to_run(external: External, other: str) -> None:
    with connect(external.url("corpus", other), autocommit=True) as connection:
        with pytest.raises(SchemaError, match="AUTHORIZATION") as refused:
            schema.ensure_schema(connection, "theirs")
        with external.admin(other) as administrator:
            administrator.execute(str(refused.value).split("`")[1])
            schema.ensure_schema(connection, "theirs")
            administrator.execute("ALTER SCHEMA theirs OWNER TO administrator")
            with pytest.raises(SchemaError, match="GRANT USAGE, CREATE") as refused:
                schema.ensure_schema(connection, "theirs")
            administrator.execute(str(refused.value).split("`")[1])
        schema.ensure_schema(connection, "theirs")


def test_a_schema_is_emptied_and_stays(external: External, other: str) -> None:
    with external.admin(other) as administrator:
        administrator.execute("CREATE SCHEMA theirs AUTHORIZATION corpus")
    with connect(external.url("corpus", other), autocommit=True) as connection:
        connection.execute("CREATE TABLE theirs.runs (id int PRIMARY KEY)")
        connection.execute("CREATE TABLE theirs.events (run int REFERENCES theirs.runs)")
        schema.empty_schema(connection, "theirs")
        schema.empty_schema(connection, "theirs")
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'theirs'").fetchone() == (0,)
        schema.ensure_schema(connection, "theirs")


# The role that only searches


@pytest.fixture(scope="module")
def reader(filled: External) -> str:
    with filled.admin("contracts") as administrator:
        run_documented(administrator, "A role that only searches")
        set_password(administrator, "corpus_reader")
    return filled.url("corpus_reader", "contracts")


def test_a_role_that_only_searches_finds_the_same(filled: External, reader: str, home: Path) -> None:
    asked = ["search", "limitation of liability", "--json"]
    theirs = command(reader, home, *asked)
    assert theirs.exit_code == 0, theirs.output
    assert json.loads(theirs.stdout) == json.loads(command(filled.url("corpus", "contracts"), home, *asked).stdout)


def test_a_role_that_only_searches_reads_the_view_and_can_change_nothing(reader: str) -> None:
    with connect(reader, autocommit=True) as connection:
        assert connection.execute("SELECT embedding FROM reference_embeddings LIMIT 1").fetchone()
        for refused in (
            "DELETE FROM reference_records",
            "INSERT INTO embedding_limiters VALUES ('x')",
            "SELECT * FROM embedding_usage",
            "CREATE TABLE mine (x int)",
            "CREATE SCHEMA mine",
            "CREATE TEMP TABLE mine (x int)",
            "SELECT * FROM bootstrap_dagster.runs",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(refused)


def test_a_paid_search_by_a_role_that_only_reads_skips_the_ledger(
    external: External, reader: str, voyage: VoyageServer, other: str, home: Path
) -> None:
    grant_everything(external, other)
    url = external.url("corpus", other)
    paid = load_settings(
        home=home, database_url=url, voyage_api_key="key", voyage_base_url=voyage.url, batches=8, embed_workers=2
    )
    fill(paid)
    with external.admin(other) as administrator:
        administrator.execute(f"GRANT CONNECT ON DATABASE {other} TO corpus_reader")
        for statement in documented_statements("A role that only searches")[2:]:
            administrator.execute(statement)
    with connect(url) as connection:
        before = ledger(connection)
    with Database(external.url("corpus_reader", other), size=1) as database:
        assert len(search(database, paid, "limitation of liability")) == 10
    with connect(url) as connection:
        assert ledger(connection) == before > 0


def ledger(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM embedding_usage").fetchone()
    assert row
    return int(row[0])
