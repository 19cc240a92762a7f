"""Temporary folders that do not outlive their process: what a killed one left is removed at the next start."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

PREFIX = "clone-"
_SLACK = 2.0  # seconds by which two readings of one process' start may differ


@contextmanager
def temporary_folder(root: Path) -> Iterator[Path]:
    """A folder of this process below `root`, removed at the end whatever happens."""
    root.mkdir(parents=True, exist_ok=True)
    own = psutil.Process()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{own.pid}-{int(own.create_time())}-", dir=root))
    try:
        yield folder
    finally:
        remove(folder)


def sweep(root: Path) -> int:
    """Remove the folders of processes that are no more; returns how many there were."""
    leftovers = [folder for folder in root.glob(f"{PREFIX}*") if not _has_an_owner(folder.name)]
    for folder in leftovers:
        remove(folder)
    return len(leftovers)


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it, read-only files too; one that is gone is no error."""
    shutil.rmtree(folder, onerror=_unlocked)


def _unlocked(function: object, path: str, _: object) -> None:
    """Git makes its objects read-only, and a folder may be so too."""
    parent = Path(path).parent
    for one in (parent, Path(path)):
        if not one.is_symlink() and one.exists():
            os.chmod(one, 0o700)  # noqa: PTH101
    if Path(path).is_dir() and not Path(path).is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        Path(path).unlink(missing_ok=True)


def _has_an_owner(name: str) -> bool:
    pid, _, rest = name.removeprefix(PREFIX).partition("-")
    started = rest.partition("-")[0]
    if not pid.isdigit() or not started.isdigit():
        return True  # not one of ours
    try:
        return bool(abs(psutil.Process(int(pid)).create_time() - int(started)) <= _SLACK)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118
            except FileNotFoundError:
                continue
    return total
