"""The embedded PostgreSQL: a server of the project's own, from a wheel, on a Unix socket.

The first command that needs it makes and starts it; it goes on running until `stop`, so that psql and Dagster find
it. Its home may be copied, moved or restored, also while it runs: `postmaster` knows whose server is whose. Who
makes, starts or stops it holds a lock in the home.
"""

import fcntl
import os
import pwd
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from bootstrap_assets.database.embedded import data_folder, postmaster, programs, sockets, tcp
from bootstrap_assets.database.embedded.postmaster import PORT, Doubtful, Server, Silent, State
from bootstrap_assets.database.embedded.programs import program
from bootstrap_assets.database.libpq import forget_environment, socket_url
from bootstrap_assets.errors import ConfigurationError, DatabaseUnavailable, NoCorpusError

__all__ = ["DATABASE", "address", "existing", "is_running", "listen", "program", "start", "stop"]

DATABASE = "bootstrap"

PATIENCE = 60.0
"""Seconds that a server may take to start, to recover from a crash, or to stop."""

_EVERY = 0.1

_STILL_USED = "pre-existing shared memory block"
"""What PostgreSQL says while processes of a server that was killed are still there."""


def start(home: Path, *, port: int | None = None) -> str:
    """The connection string of that home's server, made where there is none, and started where it stands.

    `port`: where it is started it shall listen there, too; see `listen`.
    """
    forget_environment()
    data = _data_of(home)
    state = _look(data)
    if not _is_usable(state):
        with _alone(data) as lock:
            state = _ensure(data, lock, port)
    assert isinstance(state, Server)
    if DATABASE not in state.databases:
        _create_database(socket_url(state.sockets, state.port, "postgres"))
    return socket_url(state.sockets, state.port, DATABASE)


def listen(home: Path, port: int) -> str:
    """Start the server on a port of this machine besides its socket; returns the address, with the password.

    ConfigurationError where it runs already, and not on that port: to start it anew would end its sessions.
    """
    url, data = start(home, port=port), _data_of(home)
    if (now := tcp.port_of(url)) != port:
        place = f"on port {now}" if now else "without a port"
        raise ConfigurationError(f"the embedded server runs already, {place}: `bootstrap db down` first")
    tcp.lock_up(url, data, programs.account_of(data))
    return tcp.address(data, port, DATABASE)


def address(home: Path) -> str:
    """The address by TCP, with the password; ConfigurationError where the server is on no port."""
    port = tcp.port_of(existing(home))
    if port is None:
        raise ConfigurationError(
            "the embedded server is on no port: `bootstrap db down`, then `bootstrap db up --port 5433`"
        )
    return tcp.address(_data_of(home), port, DATABASE)


def existing(home: Path) -> str:
    """The same for whoever only looks: NoCorpusError where no server was ever made, and nothing is made."""
    data = _data_of(home)
    _require_owner(data)
    if not data_folder.is_made(data):
        raise NoCorpusError(
            f"there is no corpus in {data.parent}: `bootstrap run` makes one there; one that lies elsewhere is "
            "found from its own folder, or by BOOTSTRAP_HOME"
        )
    return start(home)


def stop(home: Path) -> bool:
    """Stop the server of that home; False where none was running."""
    forget_environment()
    data = _data_of(home)
    if _look(data) is None:
        return False
    with _alone(data):
        state = _settled(data, to_end=True)
        if state is None:
            return False
        _end(data, state)
    return True


def is_running(home: Path) -> bool:
    """Whether the server of that home is up."""
    forget_environment()
    return isinstance(_look(_data_of(home)), Server)


def _data_of(home: Path) -> Path:
    if any(ord(sign) < 32 for sign in str(home)):
        raise ConfigurationError(f"BOOTSTRAP_HOME: {str(home)!r} holds a line break or another control character")
    return home.expanduser().resolve() / "postgres"


def _look(data: Path) -> State:
    """What runs in a data folder; None too where there is no such folder."""
    _require_owner(data)
    return postmaster.look(data) if data.is_dir() else None


def _require_owner(data: Path) -> None:
    """Raise ConfigurationError where the data are somebody else's: only their owner and root reach the server."""
    with suppress(FileNotFoundError):
        try:
            owner = data.stat().st_uid
        except PermissionError:
            raise ConfigurationError(f"BOOTSTRAP_HOME: {data.parent} is not open to this user") from None
        if os.geteuid() not in (0, owner):
            raise ConfigurationError(
                f"BOOTSTRAP_HOME: {data} belongs to the user {_name(owner)}: run bootstrap as that user or as "
                "root, or name a home of your own"
            )


def _is_usable(state: State) -> bool:
    return isinstance(state, Server) and state.is_sound


def _ensure(data: Path, lock: int, port: int | None) -> Server:
    """A sound server of that folder. The caller holds the lock of the home."""
    until = time.monotonic() + PATIENCE
    while True:
        state = _settled(data)
        if isinstance(state, Server) and state.is_sound:
            return state
        if state is not None:
            _end(data, state)
        account = programs.account_of(data)
        programs.let_in(data, account)
        if not data_folder.is_made(data):
            data_folder.make(data, account, lock)
        data_folder.prepare(data, account)
        reason = _launch(data, account, port)
        if reason and (_STILL_USED not in reason or time.monotonic() > until):
            raise DatabaseUnavailable(f"the embedded PostgreSQL in {data} does not start: {reason}")


def _settled(data: Path, *, to_end: bool = False) -> State:
    """What runs in a folder, after what just starts or stops there has done so.

    `to_end`: it shall be stopped, also where it never answers, if its process was recognised.
    """
    until = time.monotonic() + PATIENCE
    while isinstance(state := _look(data), Silent | Doubtful):
        if isinstance(state, Silent) and state.is_lost:
            break
        if time.monotonic() > until:
            if to_end and isinstance(state, Silent) and state.process:
                break
            raise DatabaseUnavailable(_explain_silence(data, state))
        time.sleep(_EVERY)
    return state


def _explain_silence(data: Path, state: Silent | Doubtful) -> str:
    if isinstance(state, Silent):
        return f"the embedded PostgreSQL in {data} runs, and does not answer: {state.reason}"
    return (
        f"{data / 'postmaster.pid'} names the process {state.pid}, and there is no telling whether that is "
        "the server of this home: end it if it is, else delete that file"
    )


def _end(data: Path, state: State) -> None:
    """Stop a server that was recognised as the folder's."""
    process = state.process if isinstance(state, Server | Silent) else None
    if process is None:
        raise ConfigurationError(
            f"the server of {data} runs in another container or on another machine: stop it there"
        )
    if not postmaster.end(process, patience=PATIENCE):
        raise DatabaseUnavailable(f"the embedded PostgreSQL in {data}, process {process.pid}, does not stop")
    data_folder.clear(data)
    if isinstance(state, Server):
        sockets.remove(state.sockets, data)  # of a home that was moved, whose record names its old place


def _launch(data: Path, account: programs.Account | None, port: int | None) -> str:
    """Start the server and wait until it answers; returns why it did not start, or an empty text."""
    log = data / "log"
    before = log.stat().st_size if log.exists() else 0
    programs.let_in(data, account)  # again: making it took a while, and a pytest that starts closes its folder
    listening = tcp.options(data, account) if port else ("-h", "")
    folder = sockets.choose(data, port or PORT, account)
    pid = programs.launch(data, folder, port or PORT, account, log, listening)
    until = time.monotonic() + PATIENCE
    while not isinstance(state := _look(data), Server):
        if _is_gone(pid):
            return _last_words(log, before)
        if time.monotonic() > until:
            raise DatabaseUnavailable(
                _explain_silence(data, state) if state else f"the embedded PostgreSQL in {data} does not start"
            )
        time.sleep(_EVERY)
    return ""


def _is_gone(pid: int) -> bool:
    try:
        return postmaster.is_gone(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


def _last_words(log: Path, before: int) -> str:
    """The end of what a server wrote into its log since it was started."""
    with suppress(OSError), log.open(errors="replace") as file:
        file.seek(before)
        lines = [line.strip() for line in file if line.strip() and _NOISE not in line]
        return " | ".join(lines[-3:]) or f"it ended without a word; the log is {log}"
    return f"it ended, and its log {log} cannot be read"


_NOISE = "the database system is"
"""What its log holds of our asking whether it is there; no reason."""


@contextmanager
def _alone(data: Path) -> Iterator[int]:
    """The lock of a home, for whoever makes, starts or stops its server; waits for others who do."""
    home = data.parent
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = os.open(home / "server.lock", os.O_RDWR | os.O_CREAT, 0o666)
        if os.geteuid() == 0:  # in somebody's home: they have to be able to take it, too
            owner = (data if data.exists() else home).stat()
            os.fchown(lock, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise ConfigurationError(f"BOOTSTRAP_HOME: {home} cannot be made a folder: {error}") from None
    try:
        until = time.monotonic() + 2 * PATIENCE
        while not _is_locked(lock):
            if time.monotonic() > until:
                raise DatabaseUnavailable(
                    f"another process has been starting or stopping the server of {home} for long"
                )
            time.sleep(_EVERY)
        yield lock
    finally:
        os.close(lock)


def _is_locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _create_database(url: str) -> None:
    with (
        psycopg.connect(url, autocommit=True) as connection,
        suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation),  # another process was quicker
    ):
        connection.execute(f"CREATE DATABASE {DATABASE}")


def _name(uid: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)
