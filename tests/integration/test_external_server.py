"""A PostgreSQL of somebody else: over TCP, with SCRAM, a role of few rights, TLS parameters, PgBouncer."""

import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from click.testing import CliRunner, Result
from psycopg import sql

from bootstrap_assets import cli, pipeline
from bootstrap_assets.cli.environment import dagster_url
from bootstrap_assets.defs.event_log import BatchingEventLogStorage
from bootstrap_assets.defs.storage import RunStorage, ScheduleStorage
from bootstrap_assets.errors import ConfigurationError, DatabaseUnavailable, SchemaError
from bootstrap_assets.events import IngestRequested
from bootstrap_assets.search.query import search
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.stopping import Stop
from bootstrap_assets.store import database as store
from bootstrap_assets.store import events, requests, schema
from bootstrap_assets.store.database import Connection, Database, connect, describe, is_pooled_by_transaction
from bootstrap_assets.store.leases import Leases
from tests.external_server import (
    PASSWORD,
    External,
    documented_statements,
    external_server,
    pgbouncer,
    pgbouncer_is_missing,
    run_documented,
)
from tests.fakes.voyage_server import VoyageServer

_numbers = itertools.count()

needs_pgbouncer = pytest.mark.skipif(pgbouncer_is_missing(), reason="PgBouncer is not installed")


@pytest.fixture(scope="module")
def external() -> Iterator[External]:
    """A server whose administrator has run what docs/external-postgres.md says."""
    with external_server() as running:
        with running.admin() as administrator:
            run_documented(administrator, "The role and the database")
            set_password(administrator, "corpus")
        with running.admin("contracts") as administrator:
            run_documented(administrator, "The extension and the schema")
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("external")


@pytest.fixture(scope="module")
def filled(external: External, home: Path) -> External:
    """The server after `bootstrap run bonterms` by the documented role."""
    first = shell(external.url("corpus", "contracts"), home, "run", "bonterms")
    assert first.returncode == 0, first.stderr
    assert "texts embedded" in first.stdout
    return external


def shell(url: str, home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command as a user's shell runs it."""
    variables = {"BOOTSTRAP_HOME": str(home), "BOOTSTRAP_DATABASE_URL": url, "BOOTSTRAP_BATCHES": "8"}
    command = [str(Path(sys.executable).parent / "bootstrap"), *arguments]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)


def command(url: str, home: Path, *arguments: str) -> Result:
    """The command in this process: half a second of imports less."""
    variables = {"BOOTSTRAP_HOME": str(home), "BOOTSTRAP_DATABASE_URL": url, "BOOTSTRAP_BATCHES": "8"}
    return CliRunner().invoke(cli.bootstrap, arguments, env=variables)


def set_password(administrator: "psycopg.Connection[tuple[object, ...]]", role: str) -> None:
    command = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(PASSWORD))
    administrator.execute(command)


@pytest.fixture
def other(external: External) -> Iterator[str]:
    """Another database of the server, empty, to which nobody has granted anything yet."""
    name = f"other_{next(_numbers)}"
    with external.admin() as administrator:
        administrator.execute(f"CREATE DATABASE {name}")
        administrator.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
        administrator.execute(f"GRANT CONNECT ON DATABASE {name} TO corpus")
    yield name
    with external.admin() as administrator:
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


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
        ["db", "downgrade", "0001", "--yes"],
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


def make_schemas(external: External, database: str) -> None:
    """What the document says of a role without CREATE, for another database; checked with the catalogue."""
    with external.admin(database) as administrator:
        for statement in documented_statements("Without CREATE on the database"):
            administrator.execute(statement.replace("DATABASE contracts", f"DATABASE {database}"))  # type: ignore[arg-type]
        may = "SELECT has_database_privilege('corpus', current_database(), 'CREATE')"
        assert administrator.execute(may).fetchone() == (False,)


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


def fill(settings: Settings) -> None:
    """One source of the sample: loaded, embedded, indexed."""
    with pipeline.open_corpus(settings) as corpus:
        pipeline.bootstrap(corpus, [SOURCES["bonterms"]])


def ledger(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM embedding_usage").fetchone()
    assert row
    return int(row[0])


def grant_everything(external: External, database: str) -> None:
    """What the document says, for another database."""
    with external.admin(database) as administrator:
        administrator.execute("CREATE EXTENSION vector")
        administrator.execute("GRANT USAGE, CREATE ON SCHEMA public TO corpus")
        administrator.execute(f"GRANT TEMPORARY, CREATE ON DATABASE {database} TO corpus")


# Parameters of the connection string

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


def test_a_wrong_password_is_told_without_the_password(external: External) -> None:
    with pytest.raises(DatabaseUnavailable, match="password authentication failed") as refused:
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


def assert_no_secret(text: str) -> None:
    assert "Traceback" not in text
    for secret in (PASSWORD, PASSWORD[:5], "p%40ss", "w%2Frd"):
        assert secret not in text


# PgBouncer

USERS = {"corpus": PASSWORD}


@pytest.fixture(scope="module")
def by_session(filled: External) -> Iterator[External]:
    with pgbouncer(filled, "session", users=USERS) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def by_transaction(filled: External) -> Iterator[External]:
    with pgbouncer(filled, "transaction", users=USERS) as proxy:
        yield proxy


@needs_pgbouncer
def test_a_pool_of_transactions_is_refused_by_everything_that_locks(by_transaction: External, home: Path) -> None:
    url = by_transaction.url("corpus", "contracts")
    with pytest.raises(ConfigurationError, match="pool_mode = session"):
        schema.upgrade(url)  # `bootstrap db up`
    with pytest.raises(ConfigurationError, match="pool_mode = session"):
        schema.downgrade(url, schema.head())
    for arguments in (["run", "bonterms"], ["doctor"]):
        result = shell(url, home, *arguments)
        assert result.returncode in (1, 2), (arguments, result.stdout, result.stderr)
        assert "pool_mode = session" in " ".join((result.stdout + result.stderr).split())
        assert_no_secret(result.stdout + result.stderr)


@needs_pgbouncer
@pytest.mark.parametrize(
    ("mode", "settings"),
    [
        ("transaction", {"default_pool_size": "1"}),
        ("transaction", {"server_round_robin": "1"}),
        ("statement", {}),
    ],
)
def test_a_pool_of_transactions_is_found_out_however_it_is_set(
    external: External, mode: str, settings: dict[str, str]
) -> None:
    with pgbouncer(external, mode, users=USERS, **settings) as proxy:
        for _ in range(3):
            with pytest.raises(ConfigurationError, match="pool_mode"):
                schema.upgrade(proxy.url("corpus", "contracts"))


@needs_pgbouncer
def test_a_pool_that_takes_many_idle_processes_in_turn_is_found_out(external: External) -> None:
    """No two connections meet in one process there, but each is moved."""
    with pgbouncer(external, "transaction", users=USERS, server_round_robin="1") as proxy, ExitStack() as stack:
        url = proxy.url("corpus", "contracts")
        for connection in [stack.enter_context(psycopg.connect(url)) for _ in range(12)]:
            connection.execute("SELECT 1")  # in a transaction, so each has a process until the block's end
        stack.close()
        with pytest.raises(ConfigurationError, match="pool_mode"):
            schema.upgrade(url)


@needs_pgbouncer
def test_a_busy_pool_of_transactions_is_found_out(by_transaction: External) -> None:
    url, done = by_transaction.url("corpus", "contracts"), threading.Event()
    threads = [threading.Thread(target=keep_busy, args=(url, done)) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            with pytest.raises(ConfigurationError, match="pool_mode"):
                schema.upgrade(url)
    finally:
        done.set()
        for thread in threads:
            thread.join(20)


def keep_busy(url: str, done: threading.Event) -> None:
    with psycopg.connect(url, prepare_threshold=None) as connection:
        while not done.is_set():
            connection.execute("SELECT pg_sleep(0.002)")
            connection.commit()


@needs_pgbouncer
def test_a_search_works_through_a_pool_of_transactions(by_transaction: External, home: Path) -> None:
    """Again and again, over more connections than one: psycopg would prepare its statements."""
    url = by_transaction.url("corpus", "contracts")
    settings = load_settings(home=home, database_url=url)
    with Database(url, size=3) as database:
        threads_failed: list[BaseException] = []

        def ask() -> None:
            try:
                for _ in range(8):
                    assert search(database, settings, "liability", k=3)
            except BaseException as error:  # noqa: BLE001
                threads_failed.append(error)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert threads_failed == []


@needs_pgbouncer
@pytest.mark.parametrize(
    "arguments", [["request"], ["env"], ["ui", "--check"], ["db", "reset", "--yes"], ["failures", "retry"]]
)
def test_every_other_command_that_locks_is_refused_too(
    by_transaction: External, home: Path, arguments: list[str]
) -> None:
    result = command(by_transaction.url("corpus", "contracts"), home, *arguments)
    assert isinstance(result.exception, ConfigurationError), result.output
    assert "pool_mode" in str(result.exception)


@needs_pgbouncer
@pytest.mark.parametrize(
    "arguments", [["search", "liability"], ["status"], ["events"], ["cost"], ["failures", "list"], ["db", "url"]]
)
def test_what_only_looks_works_through_a_pool_of_transactions(
    by_transaction: External, home: Path, arguments: list[str]
) -> None:
    result = command(by_transaction.url("corpus", "contracts"), home, *arguments)
    assert result.exit_code == 0, (result.output, result.exception)


@needs_pgbouncer
def test_a_lease_notices_that_its_process_was_changed_under_way(by_transaction: External) -> None:
    """The check at the start may have been answered by another proxy than the one the leases go through."""
    url = by_transaction.url("corpus", "contracts")
    leases, other = Leases(url, 1), connect(url)
    try:
        assert leases.acquire([7]) == [7]
        other.execute("SELECT 1")  # takes the process that was freed last, and keeps it
        with pytest.raises(ConfigurationError, match="pool_mode"):
            leases.holds([7])
    finally:
        other.close()
        leases.close()


@needs_pgbouncer
def test_a_run_of_the_sample_works_through_a_pool_of_sessions_without_create_on_the_database(
    external: External, other: str, tmp_path: Path
) -> None:
    """With Dagster's storage behind the pool too: the connection string is all that the run knows."""
    grant_everything(external, other)
    make_schemas(external, other)
    with pgbouncer(external, "session", users=USERS) as proxy:
        url = proxy.url("corpus", other)
        done = shell(url, tmp_path, "run")
        assert done.returncode == 0, done.stderr
        status = json.loads(command(url, tmp_path, "status", "--json").stdout)
        assert {name: source["status"] for name, source in status["sources"].items()} == dict.fromkeys(
            SOURCES, "completed"
        )
        settings = load_settings(home=tmp_path, database_url=url, batches=8)
        with Database(url) as database:
            for _ in range(8):
                assert search(database, settings, "liability", k=3)
    with external.admin(other) as administrator:
        query = "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = ANY(%s)"
        theirs = administrator.execute(query, (["runs", "event_logs", "jobs", "instance_info"],)).fetchall()
        assert theirs == [("bootstrap_dagster",)]
        assert administrator.execute("SELECT status FROM bootstrap_dagster.runs").fetchall() == [("SUCCESS",)]


@needs_pgbouncer
def test_what_a_session_of_dagster_sets_does_not_stay_in_the_pool(external: External, other: str) -> None:
    """Else the next client would make its tables in Dagster's schema."""
    grant_everything(external, other)
    with pgbouncer(external, "session", users=USERS, default_pool_size="1", query_wait_timeout="20") as proxy:
        url = proxy.url("corpus", other)
        with connect(url, autocommit=True) as connection:
            schema.ensure_schema(connection, schema.DAGSTER_SCHEMA)
        storage = RunStorage(dagster_url(url), should_autocreate_tables=False)
        with storage.connect() as connected:
            entered = connected.execute(sqlalchemy.text("SELECT current_schema(), pg_backend_pid()")).one()
        with connect(url) as connection:
            found = connection.execute("SELECT current_schema(), pg_backend_pid()").fetchone()
    assert (tuple(entered), found) == (("bootstrap_dagster", entered[1]), ("public", entered[1]))


@needs_pgbouncer
def test_followers_are_told_through_a_pool_of_sessions(external: External, other: str) -> None:
    grant_everything(external, other)
    schema.upgrade(external.url("corpus", other))
    with pgbouncer(external, "session", users=USERS) as proxy:
        assert followed_events(proxy.url("corpus", other), number=3, every=60) == [1, 2, 3]


@needs_pgbouncer
def test_followers_look_for_themselves_through_a_pool_of_transactions(external: External, other: str) -> None:
    """Where nobody is told, and no two looks reach the same process: so often that psycopg would prepare them."""
    grant_everything(external, other)
    schema.upgrade(external.url("corpus", other))
    with in_turn(external, other) as url:
        assert followed_events(url, number=9, every=0.05) == list(range(1, 10))
        assert followed_events(url, number=2, every=60, after=9) == [10, 11]
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
            query = "SELECT count(*) FROM pg_listening_channels()"
            listening = [connection.execute(query).fetchone() for _ in range(12)]
        assert listening == [(0,)] * 12  # a process that listened would tell whoever gets it next


@needs_pgbouncer
def test_wait_works_through_a_pool_of_transactions(
    external: External, other: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant_everything(external, other)
    schema.upgrade(external.url("corpus", other))
    monkeypatch.setitem(requests.wait.__kwdefaults__, "every", 0.02)
    with in_turn(external, other) as url:
        with connect(url) as connection:
            number, _ = requests.ask(connection, IngestRequested(sources=["bonterms"]))
        given = command(url, home, "wait", str(number), "--timeout", "1")
        assert given.exit_code == 5, (given.output, given.exception)
        assert command(url, home, "cancel", str(number)).exit_code == 0
        given = command(url, home, "wait", str(number))
        assert (given.exit_code, given.output) == (1, f"request {number}: cancelled\n")


@contextmanager
def in_turn(external: External, database: str) -> Iterator[str]:
    """A pool of transactions that has four idle server processes, and gives the one that was idle longest."""
    with pgbouncer(external, "transaction", users=USERS, server_round_robin="1") as proxy, ExitStack() as stack:
        url = proxy.url("corpus", database)
        for connection in [stack.enter_context(psycopg.connect(url)) for _ in range(4)]:
            connection.execute("SELECT 1")  # in a transaction, so each has a process until the block's end
        stack.close()
        yield url


def followed_events(url: str, *, number: int, every: float, after: int = 0) -> list[int]:
    """The ids that a follower sees of so many events, each written when the one before was seen."""
    followed = events.follow(url, after=after, every=every)
    seen: list[int] = []
    with ThreadPoolExecutor(1) as executor:
        for _ in range(number):
            told = executor.submit(lambda: next(followed).id)
            with connect(url) as connection:
                requests.ask(connection, IngestRequested(), key=f"{len(seen)} after {after}")
            seen.append(told.result(timeout=20))
        executor.submit(followed.close).result()  # type: ignore[attr-defined]
    return seen


@needs_pgbouncer
def test_leases_exclude_each_other_through_a_pool_of_sessions(by_session: External) -> None:
    url = by_session.url("corpus", "contracts")
    first, second = Leases(url, 1), Leases(url, 1)
    try:
        assert first.acquire([1, 2]) == [1, 2]
        assert second.acquire([2, 3]) == [3]
        assert first.holds([1, 2])
        first.close()
        second.wait(2, Stop())  # the pool resets the session in its own time
        assert second.acquire([2]) == [2]
    finally:
        first.close()
        second.close()


def test_a_direct_connection_is_told_in_one_query(filled: External, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_another", lambda _connection: pytest.fail("opened another connection"))
    with connect(filled.url("corpus", "contracts")) as connection:
        assert not is_pooled_by_transaction(connection)


@needs_pgbouncer
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_proxy_that_asks_for_a_certificate_gets_it_from_every_connection(
    external: External, other: str, home: Path
) -> None:
    """TLS for real: PgBouncer closes every connection that comes without the certificate of the string."""
    grant_everything(external, other)
    certificate, key = (home / name for name in ("certificate.pem", "key.pem"))
    make_certificate(certificate, key)
    with pgbouncer(external, "session", users=USERS, certificate=certificate, key=key) as proxy:
        files = {"sslrootcert": str(certificate), "sslcert": str(certificate), "sslkey": str(key)}
        url = proxy.url("corpus", other, sslmode="verify-full", **files)
        fill(load_settings(home=home, database_url=url, batches=8))
        engine = sqlalchemy.create_engine(dagster_url(url))
        engine.connect().close()
        engine.dispose()
        with pytest.raises(DatabaseUnavailable):
            connect(proxy.url("corpus", other, sslmode="verify-full", sslrootcert=str(certificate)))


def make_certificate(certificate: Path, key: Path) -> None:
    """One that signs itself, for server and client."""
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    key.chmod(0o600)
