"""The embedded server by TCP: on this machine, for whoever has the password, and only where it was asked for."""

import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg
import pytest
from click.testing import CliRunner

from bootstrap_assets.cli import bootstrap
from bootstrap_assets.database.embedded import server
from bootstrap_assets.errors import ConfigurationError, DatabaseUnavailable


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of the test's own, whose server is stopped afterwards. Short: a socket's path has little room."""
    folder = Path(tempfile.mkdtemp(prefix="p-"))
    yield folder / "home"
    server.stop(folder / "home")
    shutil.rmtree(folder)


@pytest.fixture
def port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def user(address: str) -> str:
    with psycopg.connect(address, connect_timeout=5) as connection:
        row = connection.execute("SELECT current_user || '@' || current_database()").fetchone()
    return str(row[0]) if row else ""


def test_who_has_the_password_is_let_in_and_nobody_else(home: Path, port: int) -> None:
    address = server.listen(home, port)
    password = (home / "postgres" / "bootstrap.password").read_text().strip()
    assert address == server.address(home) == f"postgresql://postgres:{password}@127.0.0.1:{port}/bootstrap"
    assert user(address) == "postgres@bootstrap"
    for secret in ("", ":", ":guess"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            user(f"postgresql://postgres{secret}@127.0.0.1:{port}/bootstrap")
    assert user(server.start(home)) == "postgres@bootstrap"  # by the socket, as ever


def test_the_password_is_for_its_owners_eyes_and_the_server_keeps_it_scrambled(home: Path, port: int) -> None:
    server.listen(home, port)
    for name in ("bootstrap.password", "bootstrap.hba"):
        file = home / "postgres" / name
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.stat().st_uid == (home / "postgres").stat().st_uid
    with psycopg.connect(server.start(home)) as connection:
        row = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'").fetchone()
    assert row
    assert row[0].startswith("SCRAM-SHA-256$")


def test_it_listens_on_this_machine_alone(home: Path, port: int) -> None:
    server.listen(home, port)
    pid = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
    listening = [it.laddr for it in psutil.Process(pid).net_connections("tcp") if it.status == psutil.CONN_LISTEN]
    assert listening == [("127.0.0.1", port)]


def test_the_next_start_has_no_port_and_asked_again_the_password_is_the_same(home: Path, port: int) -> None:
    address = server.listen(home, port)
    server.stop(home)
    server.start(home)
    with pytest.raises(ConfigurationError, match="is on no port"):
        server.address(home)
    with pytest.raises(psycopg.OperationalError):
        user(address)
    server.stop(home)
    assert server.listen(home, port) == address
    assert user(address) == "postgres@bootstrap"


def test_a_server_that_runs_is_not_stopped_for_a_port(home: Path, port: int) -> None:
    url = server.start(home)
    with psycopg.connect(url) as session:
        with pytest.raises(ConfigurationError, match="runs already, without a port: `bootstrap db down` first"):
            server.listen(home, port)
        session.execute("SELECT 1")


def test_a_port_that_is_in_use_is_told(home: Path) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(DatabaseUnavailable, match="could not create any TCP/IP sockets"):
            server.listen(home, other.getsockname()[1])


def test_the_command_tells_how_the_address_is_had_and_the_other_prints_it(
    home: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOTSTRAP_HOME", str(home))
    monkeypatch.delenv("BOOTSTRAP_DATABASE_URL", raising=False)
    up = CliRunner().invoke(bootstrap, ["db", "up", "--port", str(port)])
    assert f"and on port {port} of 127.0.0.1; `bootstrap db address` prints the address" in up.stdout
    printed = CliRunner().invoke(bootstrap, ["db", "address"]).stdout.strip()
    assert user(printed) == "postgres@bootstrap"
    assert printed not in up.output


@pytest.mark.parametrize("arguments", [["up", "--port", "5433"], ["address"]])
def test_a_server_of_the_users_own_gets_no_port_of_ours(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", "postgresql://localhost:1/nothing")
    result = CliRunner().invoke(bootstrap, ["db", *arguments])
    assert isinstance(result.exception, ConfigurationError)
    assert "BOOTSTRAP_DATABASE_URL is set" in str(result.exception)
