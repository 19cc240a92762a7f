"""PgBouncer in front: by session it works, by transaction what takes locks is refused with a reason."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from bootstrap_assets.cli.environment import dagster_url
from bootstrap_assets.database import connection as store
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Database, connect, is_pooled_by_transaction
from bootstrap_assets.defs.storage import RunStorage
from bootstrap_assets.embedding.leases import Leases
from bootstrap_assets.errors import ConfigurationError, DatabaseRefused
from bootstrap_assets.operations import outbox as events
from bootstrap_assets.operations import requests
from bootstrap_assets.operations.events import IngestRequested
from bootstrap_assets.search.query import search
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.stopping import Stop
from tests.external.server import (
    PASSWORD,
    External,
    assert_no_secret,
    command,
    fill,
    grant_everything,
    make_schemas,
    pgbouncer,
    pgbouncer_is_missing,
    shell,
)

needs_pgbouncer = pytest.mark.skipif(pgbouncer_is_missing(), reason="PgBouncer is not installed")

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
    for arguments in (["run", "bonterms", "--force-refresh"], ["doctor"]):
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
@pytest.mark.parametrize("mode", ["by_session", "by_transaction"])
def test_the_report_is_written_through_a_pool(mode: str, request: pytest.FixtureRequest, home: Path) -> None:
    url = request.getfixturevalue(mode).url("corpus", "contracts")
    result = shell(url, home, "report", "--out", str(home / "report.html"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "sample" in (home / "report.html").read_text("utf-8")


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
        assert given.exit_code == 1
        assert given.output.startswith(f"request {number}: cancelled since ")


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
        with pytest.raises(DatabaseRefused, match="certificate"):
            connect(proxy.url("corpus", other, sslmode="verify-full", sslrootcert=str(certificate)))


def make_certificate(certificate: Path, key: Path) -> None:
    """One that signs itself, for server and client."""
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    key.chmod(0o600)
