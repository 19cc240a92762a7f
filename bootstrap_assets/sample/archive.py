"""Zip archives whose bytes depend on nothing but their content.

Members carry one fixed time stamp and are stored, not compressed: what a compressor makes of a text differs
between versions of zlib, and these archives have to have the same checksum everywhere.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from filecmp import cmp
from pathlib import Path
from typing import IO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from bootstrap_assets.sample.provenance import MARK

TIMESTAMP = (2021, 1, 1, 0, 0, 0)
_UNIX, _READABLE_FILE = 3, 0o100644 << 16


def member(name: str) -> ZipInfo:
    """The directory entry of a member: fixed time, owner system and rights."""
    info = ZipInfo(name, TIMESTAMP)
    info.create_system = _UNIX
    info.external_attr = _READABLE_FILE
    info.compress_type = ZIP_STORED
    return info


@contextmanager
def new_archive(path: Path) -> Iterator[ZipFile]:
    """Write an archive that appears at `path` when it is complete; an equal file that is there is left alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        fresh = Path(folder) / path.name
        with ZipFile(fresh, "w") as archive:
            archive.comment = MARK
            yield archive
        if not (path.is_file() and cmp(fresh, path, shallow=False)):
            fresh.replace(path)


def write_archive(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """Write an archive of (name, content) pairs, sorted by name."""
    with new_archive(path) as archive:
        for name, content in sorted(members):
            archive.writestr(member(name), content)
    return path


class Spool:
    """Contents that wait on disk until it is their turn in the archive; only names and places are in memory."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._places: list[tuple[str, int, int]] = []

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, name: str, content: bytes) -> None:
        """Keep the content of a member."""
        self._places.append((name, self._file.tell(), len(content)))
        self._file.write(content)

    def pour(self, archive: ZipFile) -> None:
        """Write all members into the archive, sorted by name."""
        for name, start, size in sorted(self._places):
            self._file.seek(start)
            archive.writestr(member(name), self._file.read(size))


def copy_into(archive: ZipFile, name: str, content: IO[bytes]) -> None:
    """Write one member from the beginning of an open binary file."""
    content.seek(0)
    with archive.open(member(name), "w") as target:
        shutil.copyfileobj(content, target)
