"""Signs of life of this host's workers: a file each, in the home, for probes that ask no database."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FOLDER = "workers"
_ENDED = 86_400.0
"""Seconds after which the file of a worker that was killed is removed."""


@contextmanager
def living(home: Path, *, every: float) -> Iterator[None]:
    """Renew this process's file every `every` seconds, in a thread, for as long as the block runs."""
    folder = home / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    _remove_ended(folder)
    file, stop = folder / f"{socket.gethostname()}-{os.getpid()}", threading.Event()

    def beat() -> None:
        while not stop.is_set():
            with suppress(OSError):  # a full disk: the next beat may succeed
                file.write_text("")
            stop.wait(every)

    thread = threading.Thread(target=beat, name="liveness", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
        file.unlink(missing_ok=True)


def silence(home: Path) -> float | None:
    """Seconds since the newest sign of life of a worker of this host; None without any."""
    ages = [_age(file) for file in (home / _FOLDER).glob(f"{socket.gethostname()}-*")]
    return min(ages, default=None)


def _remove_ended(folder: Path) -> None:
    for file in folder.iterdir():
        if _age(file) > _ENDED:
            file.unlink(missing_ok=True)


def _age(file: Path) -> float:
    try:
        return max(0.0, time.time() - file.stat().st_mtime)
    except FileNotFoundError:  # that worker has just ended
        return float("inf")
