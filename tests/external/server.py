"""A PostgreSQL as somebody else runs it, over TCP and with passwords; and PgBouncer in front of it.

The embedded server's binaries play it. As root they run as the user of the embedded server.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from click.testing import CliRunner, Result
from psycopg import sql

from bootstrap_assets import cli, pipeline
from bootstrap_assets.database.embedded import programs, server
from bootstrap_assets.embedding import context
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.registry import SOURCES

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "external-postgres.md"
ADMIN_PASSWORD = "adm:n/@ %"
PASSWORD = "p@ss:w/rd'%$ \""
"""Characters that mean something to URLs, shells, SQL and configuration files."""

_CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 60
"""


@dataclass(frozen=True, slots=True)
class External:
    """A server that listens on a port of 127.0.0.1."""

    port: int

    def url(self, role: str, database: str, *, password: str = PASSWORD, **parameters: str) -> str:
        """A connection string, with everything percent-encoded."""
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        address = f"postgresql://{role}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"
        return f"{address}?{query}" if query else address

    def admin(self, database: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection of the superuser."""
        return psycopg.connect(self.url("administrator", database, password=ADMIN_PASSWORD), autocommit=True)


@contextmanager
def external_server() -> Iterator[External]:
    """A server for the length of the block; its folder is gone afterwards."""
    with _folder("bootstrap-external-") as folder:
        data, port = folder / "data", free_port()
        (folder / "password").write_text(ADMIN_PASSWORD)
        (folder / "password").chmod(0o644)
        arguments = ["--auth=scram-sha-256", "--pwfile", str(folder / "password"), "-U", "administrator"]
        subprocess.run(
            [server.program("initdb"), *arguments, "--no-sync", "--encoding=utf8", "-D", data],
            check=True,
            capture_output=True,
            **_as_system_user(),
        )
        with (data / "postgresql.auto.conf").open("a") as file:
            file.write(_CONFIGURATION)
        found = External(port)
        with _running([str(server.program("postgres")), "-D", str(data), "-p", str(port)], port, folder / "log"):
            yield found


@contextmanager
def pgbouncer(
    behind: External,
    mode: str,
    *,
    users: dict[str, str],
    certificate: Path | None = None,
    key: Path | None = None,
    **settings: str,
) -> Iterator[External]:
    """PgBouncer in front of a server, in one of its pool modes; `users` are the roles with their passwords.

    With a certificate that signs itself it speaks TLS only, to clients that show the same one.
    """
    with _folder("bootstrap-bouncer-") as folder:
        port = free_port()
        names = "".join(f'"{name}" "{_doubled(password)}"\n' for name, password in users.items())
        (folder / "users.txt").write_text(names)
        given = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(port),
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": str(folder / "users.txt"),
            "pool_mode": mode,
            "default_pool_size": "20",
            **settings,
        }
        if certificate and key:
            shutil.copy(certificate, folder / "certificate")
            shutil.copy(key, folder / "key")
            given |= _tls(folder)
        lines = ["[databases]", f"* = host=127.0.0.1 port={behind.port}", "[pgbouncer]"]
        (folder / "ini").write_text("\n".join([*lines, *(f"{name} = {value}" for name, value in given.items())]))
        for file in folder.iterdir():
            _give(file)
        with _running([_found("pgbouncer"), str(folder / "ini")], port, folder / "log"):
            yield External(port)


def _tls(folder: Path) -> dict[str, str]:
    return {
        "client_tls_sslmode": "verify-full",
        "client_tls_cert_file": str(folder / "certificate"),
        "client_tls_ca_file": str(folder / "certificate"),
        "client_tls_key_file": str(folder / "key"),
    }


def pgbouncer_is_missing() -> bool:
    """Whether the tests with PgBouncer cannot run here."""
    return _program("pgbouncer") is None


def documented_statements(title: str) -> list[str]:
    """The statements of the SQL block below a heading of docs/external-postgres.md."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", DOCUMENT.read_text(), re.M | re.S)
    block = found and re.search(r"^```sql\n(.*?)^```", found[1], re.M | re.S)
    assert block, f"docs/external-postgres.md has no SQL below {title!r}"
    # A statement begins at the margin; CREATE DATABASE stands in no transaction, so each is sent by itself.
    return [part for part in re.split(r";\n(?=[A-Z]|\Z)(?!BEGIN|END|DECLARE)", block[1]) if part.strip()]


def run_documented(connection: "psycopg.Connection[tuple[Any, ...]]", title: str) -> None:
    """Run a documented block as an administrator who pastes it."""
    for statement in documented_statements(title):
        connection.execute(statement)  # type: ignore[arg-type]


def free_port() -> int:
    """A TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _folder(prefix: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        _give(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[None]:
    """A server process, once it listens; stopped at the end, by its id."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd="/", **_as_system_user())
    try:
        _wait(process, port, log)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # both servers: end now, whoever is connected
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        try:
            psycopg.connect(f"host=127.0.0.1 port={port} user=nobody dbname=nothing connect_timeout=2").close()
        except psycopg.OperationalError as error:
            if "refused" not in str(error) and "starting up" not in str(error):
                return  # it answers
        time.sleep(0.05)
    raise AssertionError(f"it does not start: {log.read_text()}")


def _as_system_user() -> dict[str, Any]:
    account = programs.account_of(Path("/"))
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        account = programs.account_of(Path("/"))
        programs.let_in(path, account)
        assert account
        os.chown(path, *account)


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def _found(name: str) -> str:
    found = _program(name)
    assert found
    return found


def _doubled(text: str) -> str:
    return text.replace('"', '""')


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


def make_schemas(external: External, database: str) -> None:
    """What the document says of a role without CREATE, for another database; checked with the catalogue."""
    with external.admin(database) as administrator:
        for statement in documented_statements("Without CREATE on the database"):
            administrator.execute(statement.replace("DATABASE contracts", f"DATABASE {database}"))  # type: ignore[arg-type]
        may = "SELECT has_database_privilege('corpus', current_database(), 'CREATE')"
        assert administrator.execute(may).fetchone() == (False,)


def fill(settings: Settings) -> None:
    """One source of the sample: loaded, embedded, indexed."""
    with context.open_corpus(settings) as corpus:
        pipeline.bootstrap(corpus, [SOURCES["bonterms"]])


def grant_everything(external: External, database: str) -> None:
    """What the document says, for another database."""
    with external.admin(database) as administrator:
        administrator.execute("CREATE EXTENSION vector")
        administrator.execute("GRANT USAGE, CREATE ON SCHEMA public TO corpus")
        administrator.execute(f"GRANT TEMPORARY, CREATE ON DATABASE {database} TO corpus")


def assert_no_secret(text: str) -> None:
    assert "Traceback" not in text
    for secret in (PASSWORD, PASSWORD[:5], "p%40ss", "w%2Frd"):
        assert secret not in text
