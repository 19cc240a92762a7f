"""Where the embedded server's socket is: in its data folder, or where a path is too long, in a folder elsewhere.

That one has a name which nobody can foresee, and only the server's owner enters it. A file in the data folder says
which it is, so that the address stays the same.
"""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from bootstrap_assets.database.embedded.programs import Account

LONGEST = 103
"""Bytes that the path of a socket may have everywhere: macOS takes 103, Linux 107."""

_PREFIX = "bootstrap-"
_RECORD = "bootstrap.sockets"


def path_of(folder: Path, port: int) -> Path:
    """Where a server that was given that folder and port listens."""
    return folder / f".s.PGSQL.{port}"


def choose(data: Path, port: int, account: Account | None) -> Path:
    """Where the server of a data folder shall listen. libpq takes what follows a comma for the next host."""
    if len(os.fsencode(path_of(data, port))) <= LONGEST and "," not in str(data):
        return data
    folder = _recorded(data)
    if folder is None or not _has_made(folder):
        short = "/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else None  # TMPDIR may go when its session ends
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=short))
        (data / _RECORD).write_bytes(b"\n".join(map(os.fsencode, (data, folder))))
    if account:
        os.chown(folder, *account)
        os.chown(data / _RECORD, *account)
    return folder


def clear(data: Path) -> None:
    """Remove the sockets of a server that is gone, or that came along with a copy; not those of the original."""
    for path in data.glob(".s.PGSQL.*"):
        path.unlink(missing_ok=True)
    if recorded := _recorded(data):
        remove(recorded, data)


def remove(folder: Path, data: Path) -> None:
    """Remove a folder that was made for the socket of a server which is gone."""
    if folder != data and folder.name.startswith(_PREFIX) and is_safe(folder, data):
        for path in folder.glob(".s.PGSQL.*"):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()


def is_safe(folder: Path, data: Path) -> bool:
    """Whether only root and the owner of the data could have put a socket into that folder."""
    if folder == data:
        return True
    try:
        state = folder.lstat()
    except OSError:
        return False
    trusted = state.st_uid in {0, data.stat().st_uid}
    return stat.S_ISDIR(state.st_mode) and trusted and not state.st_mode & 0o022


def _recorded(data: Path) -> Path | None:
    """The folder that was chosen for the data where they lie now; a copy brings its original's record along."""
    with suppress(OSError, ValueError):
        place, folder = (data / _RECORD).read_bytes().split(b"\n")
        if place == os.fsencode(data):
            return Path(os.fsdecode(folder))
    return None


def _has_made(folder: Path) -> bool:
    """Whether it could be made; not where anybody was quicker."""
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        return False
    return True
