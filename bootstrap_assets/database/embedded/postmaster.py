"""Which server runs in a data folder, if any.

`postmaster.pid` alone is no proof: it comes along with a copy of the folder, and after a crash its number may be
any program's. A server is that folder's when it sees a file which we put there; it is sound when its process and
its start are those of `postmaster.pid`, for else it ends itself within a minute. Where nothing answers, the
process is asked for its owner, its name and the folder it works in. Nothing is signalled that was not recognised.
"""

import os
import secrets
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bootstrap_assets.database.embedded.sockets import is_safe, path_of
from bootstrap_assets.database.libpq import socket_url

PORT = 5432
"""Part of the socket's name; nothing listens on a port unless it was asked for (`tcp`)."""

_TIMEOUT = 10
"""Seconds to wait for a server that took the connection."""

_AT_START = (-2.0, 300.0)
"""Seconds between the start that `postmaster.pid` gives and the one that the server gives, which comes later."""


@dataclass(frozen=True, slots=True)
class PidFile:
    """What `postmaster.pid` says. `pid` is 0 and `folder` empty where it is not written to its end yet."""

    pid: int
    folder: str
    started: float
    port: int
    sockets: Path | None

    @classmethod
    def read(cls, data: Path) -> "PidFile | None":
        """That of a data folder; None where there is none."""
        try:
            lines = (data / "postmaster.pid").read_text(errors="surrogateescape").splitlines()
        except FileNotFoundError:
            return None
        pid, folder, started, port, sockets = (*(line.strip() for line in lines[:5]), *("",) * 5)[:5]
        return cls(
            abs(
                _number(pid)
            ),  # below 0: a program that works on the folder without serving anybody, such as initdb
            folder,
            float(_number(started)),
            _number(port) or PORT,
            Path(sockets) if sockets else None,
        )


@dataclass(frozen=True, slots=True)
class Server:
    """A server of this folder, which answers. `process` is None where it is in another container."""

    sockets: Path
    port: int
    process: psutil.Process | None
    is_sound: bool
    databases: frozenset[str]


@dataclass(frozen=True, slots=True)
class Silent:
    """The folder's server runs and does not answer: it starts, stops, hangs, or (`is_lost`) its socket is gone."""

    process: psutil.Process | None
    is_lost: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Doubtful:
    """`postmaster.pid` names a process of which we cannot tell whether it is the folder's server."""

    pid: int


State = Server | Silent | Doubtful | None


def look(data: Path) -> State:
    """The server of a data folder; None where none runs in it, whatever is left there of one."""
    pid_file = PidFile.read(data)
    strangers: set[int] = set()
    reasons: dict[Path, str] = {}
    for sockets, port in _candidates(data, pid_file):
        answer = _ask(data, sockets, port, pid_file)
        if isinstance(answer, Server):
            return answer
        if isinstance(answer, str):
            reasons[sockets] = answer
        elif answer is not None:
            strangers.add(answer)
    state: State = None
    if pid_file and pid_file.pid not in strangers:  # one that is there came with a copy, and serves the original
        state = _process_state(data, pid_file, " ".join(reasons.values()))
    if state is None and data in reasons:  # somebody listens here, in another container
        return Silent(None, False, reasons[data])
    return state


def end(process: psutil.Process, *, patience: float) -> bool:
    """Shut a recognised server down: in order, then at once. Whether it is gone."""
    for number in (
        signal.SIGINT,
        signal.SIGQUIT,
    ):  # roll back and write all; leave it to the next start's recovery
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)  # not sent to another process that has the number by now
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if is_gone(process):
                return True
            time.sleep(0.05)
    return False


def is_gone(process: psutil.Process) -> bool:
    """Whether it has ended; where nobody collects the dead it may go on being listed."""
    try:
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _candidates(data: Path, pid_file: PidFile | None) -> Iterator[tuple[Path, int]]:
    """Where its server may listen: in the folder itself, wherever that was moved, and where it said."""
    port = pid_file.port if pid_file else PORT
    yield data, port
    if pid_file and pid_file.sockets and pid_file.sockets != data and is_safe(pid_file.sockets, data):
        yield pid_file.sockets, port


def _ask(data: Path, sockets: Path, port: int, pid_file: PidFile | None) -> "Server | int | str | None":
    """Who listens there: the folder's server, a stranger's process, why it does not answer, or None: nobody."""
    if (heard := _listens(path_of(sockets, port))) is not True:
        return heard or None
    try:
        with (
            closing(
                psycopg.connect(socket_url(sockets, port, "postgres"), autocommit=True, connect_timeout=_TIMEOUT)
            ) as connection,
            _left_in(data) as name,
        ):
            row = connection.execute(_WHO, (name,)).fetchone()
            assert row is not None
            sees, folder, started, databases = row
            pid = _listener(connection)
            if not (sees if name else folder == str(data)):
                return pid or -1
            process = _postgres(pid)
    except psycopg.Error as error:
        return " ".join(str(error).split())
    is_sound = pid_file is not None and (process is None or pid_file.pid == pid)
    is_sound = is_sound and pid_file is not None and _AT_START[0] <= started - pid_file.started <= _AT_START[1]
    return Server(sockets, port, process, is_sound, frozenset(databases))


_WHO = """
SELECT (pg_stat_file(%s, true)).size IS NOT NULL, current_setting('data_directory'),
       extract(epoch FROM pg_postmaster_start_time())::float8, array(SELECT datname::text FROM pg_database)
"""


def _listens(path: Path) -> bool | str:
    """Whether a process listens on that socket; a reason where that is unknown."""
    try:
        with socket.socket(socket.AF_UNIX) as trial:
            trial.settimeout(_TIMEOUT)
            trial.connect(os.fsencode(path))
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        return False
    except OSError as error:
        return "" if "too long" in str(error) else f"{path}: {error}"
    return True


@contextmanager
def _left_in(data: Path) -> Iterator[str]:
    """The name of a file that is in the folder for the length of the block; empty where none can be made."""
    name = f".bootstrap-{secrets.token_hex(8)}"
    try:
        (data / name).touch(exist_ok=False)
    except OSError:  # a full disk
        yield ""
        return
    try:
        yield name
    finally:
        (data / name).unlink(missing_ok=True)


def _listener(connection: "psycopg.Connection[Any]") -> int:
    """The process that listens on the socket of this connection; 0 for one that is not among ours."""
    if hasattr(socket, "SO_PEERCRED"):
        with socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
            credentials = duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[0])
    try:
        return int(psutil.Process(connection.info.backend_pid).ppid())
    except psutil.Error:
        return 0


def _postgres(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid) if pid > 0 else None
        return process if process and process.name().startswith("postgres") else None
    except psutil.Error:
        return None


def _process_state(data: Path, pid_file: PidFile, busy: str) -> State:
    """What the process is that the file names, since the folder's server was not heard."""
    serves, process = _serves(data, pid_file)
    if serves is None:
        return Doubtful(pid_file.pid)
    if not serves:
        return None
    paths = [path_of(folder, port) for folder, port in _candidates(data, pid_file)]
    is_lost = pid_file.sockets is not None and not any(path.exists() for path in paths)
    return Silent(process, is_lost, busy or "it is starting, or stopping")


def _serves(data: Path, pid_file: PidFile) -> tuple[bool | None, psutil.Process | None]:
    """Whether the process of that number is PostgreSQL, the owner's, and in this folder; None: unknown."""
    try:
        process = psutil.Process(pid_file.pid)
        with process.oneshot():
            if is_gone(process) or not process.name().startswith("postgres"):
                return False, None
            if process.uids().real != data.stat().st_uid:
                return False, None
        return Path(process.cwd()).samefile(data), process
    except (psutil.NoSuchProcess, FileNotFoundError, ValueError, OverflowError):
        return False, None
    except psutil.AccessDenied:  # a container may withhold that from root
        return None, None


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0
