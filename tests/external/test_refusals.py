"""A server that lets nobody in is told apart from one that does not answer, and is not asked again."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from bootstrap_assets.database import refusals, schema
from bootstrap_assets.database.connection import Database, connect
from bootstrap_assets.errors import DatabaseRefused, DatabaseUnavailable, SchemaError, is_transient
from tests.external.server import PASSWORD, External, assert_no_secret, shell


@pytest.mark.parametrize(
    ("role", "database", "password", "word"),
    [
        ("corpus", "contracts", "wrong", "password authentication failed"),
        ("nobody", "contracts", PASSWORD, "password authentication failed"),
        ("corpus", "nothing", PASSWORD, 'database "nothing" does not exist'),
    ],
)
def test_what_the_server_refuses_is_permanent_and_told_as_it_is(
    external: External, role: str, database: str, password: str, word: str
) -> None:
    url = external.url(role, database, password=password)
    for opened in (lambda: connect(url), lambda: Database(url)):
        with pytest.raises(DatabaseRefused, match=word) as refused:
            opened()
        assert "no answer" not in str(refused.value)
        assert not is_transient(refused.value)
        assert_no_secret(str(refused.value))


def test_a_role_that_may_not_log_in_and_one_that_pg_hba_rejects_are_told(external: External, other: str) -> None:
    with external.admin() as administrator:
        administrator.execute("ALTER ROLE corpus NOLOGIN")
        try:
            with pytest.raises(DatabaseRefused, match="not permitted to log in"):
                connect(external.url("corpus", other))
        finally:
            administrator.execute("ALTER ROLE corpus LOGIN")
        (file,) = administrator.execute("SHOW hba_file").fetchone() or ("",)
        rules = Path(file).read_text()
        try:
            Path(file).write_text(f"host {other} all all reject\n{rules}")
            administrator.execute("SELECT pg_reload_conf()")
            administrator.execute("SELECT count(*) FROM pg_hba_file_rules")
            with pytest.raises(DatabaseRefused, match=r"pg_hba\.conf"):
                connect_again_and_again(external.url("corpus", other))  # until the server has read its file
        finally:
            Path(file).write_text(rules)
            administrator.execute("SELECT pg_reload_conf()")


def connect_again_and_again(url: str) -> None:
    while True:
        connect(url).close()


def test_a_full_role_is_no_refusal_and_the_limit_is_named(external: External, other: str) -> None:
    with external.admin() as administrator:
        administrator.execute(f"ALTER DATABASE {other} CONNECTION LIMIT 1")
    url = external.url("corpus", other)
    with connect(url), pytest.raises(DatabaseUnavailable, match="CONNECTION LIMIT") as full:
        connect(url)
    assert is_transient(full.value)
    assert "no answer" not in str(full.value)


@pytest.mark.parametrize("language", ["FATAL:  the database system is starting up", "FATAL:  Das System startet"])
def test_a_server_that_starts_is_waited_for_in_every_language(language: str) -> None:
    with speaking(language, "57P03") as port:
        url = f"postgresql://me@127.0.0.1:{port}/x"
        with pytest.raises(DatabaseUnavailable, match="takes no connection now"):
            connect(url)


def test_a_refusal_in_another_language_is_one() -> None:
    told = "FATAL:  Passwort-Authentifizierung fehlgeschlagen"
    with speaking(told, "28P01") as port, pytest.raises(DatabaseRefused, match="Passwort"):
        connect(f"postgresql://me@127.0.0.1:{port}/x")


@pytest.mark.parametrize(
    "asked",
    [
        "connect_timeout=10s",
        "channel_binding=perhaps",
        "target_session_attrs=any-one",
        "ssl_min_protocol_version=3",
        "service=of-nobody",
        "port=1,2,3",
    ],
)
def test_a_value_that_no_connection_can_be_made_with_is_no_want_of_an_answer(asked: str) -> None:
    with pytest.raises(DatabaseRefused, match="as the connection string wants it") as refused:
        connect(f"postgresql://me:hunter2@127.0.0.1,127.0.0.1/corpus?{asked}")
    assert not is_transient(refused.value)
    assert "hunter2" not in str(refused.value)


def test_nobody_there_is_no_answer() -> None:
    with pytest.raises(DatabaseUnavailable, match=r"no answer from PostgreSQL at 127\.0\.0\.1:1/x: "):
        connect("postgresql://me:secret@127.0.0.1:1/x")


def test_a_password_that_changes_under_way_is_told_after_the_wait(
    external: External, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bootstrap_assets.database.connection.PATIENCE", 0.5)
    with Database(external.url("corpus", other), size=1) as database, external.admin() as administrator:
        administrator.execute("ALTER ROLE corpus NOLOGIN")
        administrator.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (other,)
        )
        try:
            with pytest.raises(DatabaseRefused, match="not permitted to log in"), database.connection():
                pass
        finally:
            administrator.execute("ALTER ROLE corpus LOGIN")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_JP"])
def test_a_database_of_another_encoding_is_refused_in_one_line(
    external: External, home: Path, encoding: str
) -> None:
    name = f"in_{encoding.lower()}"
    with external.admin() as administrator:
        administrator.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    try:
        url = external.url("corpus", name)
        for opened in (connect, Database, schema.upgrade):
            with pytest.raises(SchemaError, match=f"encoding {encoding}.*UTF8"):
                opened(url)
        told = shell(url, home, "run", "bonterms")
        assert told.returncode == 1
        assert len(told.stderr.splitlines()) == 1
        assert encoding in told.stderr
    finally:
        with external.admin() as administrator:
            administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


_SPEAKER = """
import socket, sys
answer = bytes.fromhex(sys.argv[1])
with socket.create_server(("127.0.0.1", 0)) as listening:
    print(listening.getsockname()[1], flush=True)
    while True:
        client, _ = listening.accept()
        with client:
            while asked := client.recv(1024):
                if asked[4:8] in (b"\\x04\\xd2\\x16\\x2f", b"\\x04\\xd2\\x16\\x30"):  # TLS or GSSAPI?
                    client.sendall(b"N")
                    continue
                client.sendall(answer)
                break
"""


@contextmanager
def speaking(message: str, state: str) -> Iterator[int]:
    """A port where each client is told an error as PostgreSQL tells it, before anything else.

    In a process of its own: libpq's ping lets no other thread of this one run.
    """
    severity, _, text = message.partition(":  ")
    given = ((b"S", severity), (b"V", "FATAL"), (b"C", state), (b"M", text))
    fields = b"".join(code + value.encode() + b"\0" for code, value in given)
    answer = b"E" + (len(fields) + 5).to_bytes(4, "big") + fields + b"\0"
    command = [sys.executable, "-c", _SPEAKER, answer.hex()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield int(process.stdout.readline())
        process.kill()


def test_a_message_loses_the_password_of_a_string_that_it_quotes() -> None:
    said = refusals.one_line(psycopg.OperationalError("connection failed: x\n postgresql://me:hunter2@h/d"))
    assert said == "x postgresql://me:***h/d"
