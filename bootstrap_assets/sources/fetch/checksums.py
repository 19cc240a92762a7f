"""The checksum lock: what each downloaded file was when it was first used."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bootstrap_assets.errors import ChecksumError

LOCK_NAME = "checksums.lock.json"
"""The name of the checksum lock in the folder of the archives."""


@dataclass(frozen=True, slots=True)
class LockEntry:
    """What the checksum lock knows of a file: its content, and what the server called this version of it."""

    sha256: str
    size: int
    url: str
    etag: str | None = None
    last_modified: str | None = None


class ChecksumLock:
    """What is recorded of the files in a folder; processes may share it.

    The file is JSON: `{filename: {"sha256", "size", "url", "etag", "last_modified"}}`.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_NAME

    def get(self, filename: str) -> LockEntry | None:
        """What is recorded of a file, if anything. Raises ChecksumError if the lock file cannot be understood."""
        try:
            entry = self._read().get(filename)
            return None if entry is None else LockEntry(**entry)
        except (ValueError, TypeError, AttributeError) as error:
            raise ChecksumError(
                f"{self.path}: not a readable checksum lock ({error}); restore it, or delete it to record it again"
            ) from error

    def record(self, filename: str, entry: LockEntry) -> None:
        """Write an entry, leaving the others as they are."""
        self.get(filename)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(self.path.with_name(f".{self.path.name}.lock")):
            entries = self._read() | {filename: asdict(entry)}
            draft = self.path.with_name(f".{self.path.name}.draft")
            draft.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            draft.replace(self.path)

    def _read(self) -> dict[str, Any]:
        try:
            entries: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return entries


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock between processes (and threads) on a file that stays."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def digest(path: Path) -> tuple[str, int]:
    """SHA-256 in hexadecimal, and the size in bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size


@dataclass(frozen=True, slots=True)
class Fetched:
    """An archive that is in the cache.

    `url` carries no credentials. `was_cached`: nothing was downloaded. `changed`: a forced download brought other
    content than the checksum lock had.
    """

    path: Path
    sha256: str
    size: int
    url: str
    etag: str | None
    was_cached: bool
    changed: bool = False
