"""The data folder of the embedded server: made whole or not at all, and made ready where it came from elsewhere.

A server that was killed, a copy, a move and a restored backup leave files that name other processes and places.
"""

import os
import shutil
import tempfile
from pathlib import Path

from bootstrap_assets.database.embedded import programs, sockets
from bootstrap_assets.errors import ConfigurationError


def is_made(data: Path) -> bool:
    """Whether it holds a database."""
    return (data / "PG_VERSION").exists() and not is_unfinished(data)


def make(data: Path, account: programs.Account | None, lock: int) -> None:
    """Make a database. It is made beside its place and then moved there: half of one is never found."""
    if data.exists() and any(data.iterdir()) and not is_unfinished(data):
        raise ConfigurationError(f"BOOTSTRAP_HOME: {data} holds files, and no database of PostgreSQL")
    if data.is_symlink() or data.is_mount():  # to a disk of its own, whose place nothing can be moved to
        _make_in_place(data, account, lock)
        return
    for left in data.parent.glob(f"{data.name}.new-*"):  # of somebody who was killed: we have the lock
        shutil.rmtree(left)
    new = Path(tempfile.mkdtemp(prefix=f"{data.name}.new-", dir=data.parent))
    try:
        if account:
            os.chown(new, *account)
        programs.initialize(new, account, lock)
        if data.exists():
            shutil.rmtree(data)
        new.rename(data)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _make_in_place(data: Path, account: programs.Account | None, lock: int) -> None:
    """What is killed meanwhile is recognised the next time, by `is_unfinished`."""
    data.resolve().mkdir(parents=True, exist_ok=True)
    for left in data.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()
    if account:
        os.chown(data, *account)
    programs.initialize(data, account, lock)


def is_unfinished(data: Path) -> bool:
    """Whether a folder is what an initdb that was killed has left: nothing ever ran on it."""
    names = {path.name for path in data.iterdir()} if data.is_dir() else set()
    ran = names & {"postmaster.opts", "backup_label", "log", "standby.signal", "recovery.signal"}
    own = names <= {"PG_VERSION", "base", "global", *(name for name in names if name.startswith(_OF_INITDB))}
    bases = {path.name for path in (data / "base").iterdir()} if "base" in names else set()
    return bool(names) and not ran and own and bases <= {"1", "4", "5"}


_OF_INITDB = ("pg_", "postgresql.", "postmaster.pid")


def prepare(data: Path, account: programs.Account | None) -> None:
    """Make a folder in which no server runs ready for one."""
    version = (data / "PG_VERSION").read_text().strip()
    if version != programs.VERSION:
        raise ConfigurationError(
            f"{data} holds a database of PostgreSQL {version}, and this version of bootstrap-assets brings "
            f"{programs.VERSION}: name another home by BOOTSTRAP_HOME, or dump it with the old one and restore it"
        )
    control = data / "global" / "pg_control"
    if not control.exists():
        raise ConfigurationError(
            f"{data} is not whole: it has no {control.relative_to(data)}; restore it, or remove it"
        )
    if control.stat().st_nlink > 1:
        raise ConfigurationError(
            f"{data} is a copy by hard links (cp -l): its server would write into the files of the original; make "
            "a real copy"
        )
    programs.give(data, account)
    clear(data)


def clear(data: Path) -> None:
    """Remove what a server left that is gone, or what came along with a copy."""
    sockets.clear(data)
    (data / "postmaster.pid").unlink(missing_ok=True)
