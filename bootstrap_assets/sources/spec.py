"""What a source is: a name, a licence, archives to fetch, and a function that parses them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from bootstrap_assets.corpus.records import Finding, Granularity, ParsedDocument
from bootstrap_assets.sources.fetch.zip_members import is_litter

Parsed = Iterator[ParsedDocument | Finding]
"""Documents in a stable order, and findings that belong to no document."""


@dataclass(frozen=True, slots=True)
class Remote:
    """An archive on the network: the file name it gets in the cache, and its address."""

    filename: str
    url: str


class Label(StrEnum):
    """What of a record is its label: CUAD's kind, and ContractNLI's, whose labels have classes."""

    CATEGORY = "category"
    HYPOTHESIS = "hypothesis"


@dataclass(frozen=True, slots=True)
class Teaching:
    """What a source teaches: the labels of its records of one granularity, each a place in its document.

    Where a document's metadata has `spans` (pairs of offsets), labels were chosen among these; elsewhere among the
    sentences and items of its text. A document without a label says that it has nothing of it.
    """

    label: Label
    granularity: Granularity


@dataclass(frozen=True, slots=True)
class Source:
    """One data set.

    `parse(paths, options)` reads the archives at `paths` (zip files, or single files where the source has
    such a shape) and yields documents; it raises ArchiveError or FormatError, naming file and place, where
    nothing can be read. `version` is raised whenever the source's own modules would make other records of the same
    archive (tests/unit/test_versions.py says when it is due).
    `options` are the source's own settings; they are part of what makes a load up to date. `labels` are those that
    the official data set holds, categories or numbers of hypotheses; empty where it has none. `teaching` says
    which labels scorers are trained on (labels/), None where on none.
    """

    name: str
    title: str
    description: str
    homepage: str
    licence: str
    attribution: str
    remotes: tuple[Remote, ...]
    parse: Callable[[Sequence[Path], Mapping[str, Any]], Parsed]
    version: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    teaching: Teaching | None = None


SUFFIXES = (".zip", ".json", ".jsonl", ".parquet")
"""What the names of archives end with."""


def is_archive_name(name: str) -> bool:
    """Whether a file of this name can be an archive, as far as the name tells."""
    return not _left_out(Path(name)) and Path(name).suffix.lower() in SUFFIXES


def find_archives(folder: Path, suffixes: Iterable[str] = SUFFIXES) -> list[Path]:
    """The files that can be archives and lie directly in a folder, sorted by name.

    A zip that has no suffix (as `curl -O` may leave it), or a number for one, counts by its content. Hidden files,
    sub-folders, what systems and Office leave, unfinished downloads and the checksum lock are left out. Whether
    an archive is the source's own, its `parse` finds out.
    """
    endings = set(suffixes)
    return sorted(path for path in folder.iterdir() if not _left_out(path) and _can_be(path, endings))


def describe_folder(folder: Path, most: int = 8) -> str:
    """What lies in a folder where no archive was found, for a message."""
    if not folder.is_dir():
        return "there is no such folder"
    entries = [_described(path) for path in sorted(folder.iterdir())]
    more = f" and {len(entries) - most} more" if len(entries) > most else ""
    return f"it holds {', '.join(entries[:most]) or 'nothing'}{more}"


def _left_out(path: Path) -> bool:
    return path.name.startswith(".") or path.name.endswith(".lock.json") or is_litter(path.name)


def _can_be(path: Path, suffixes: set[str]) -> bool:
    if not path.is_file():
        return False
    if path.suffix.lower() in suffixes:
        return True
    return re.fullmatch(r"(\.\d+)?", path.suffix) is not None and ".zip" in suffixes and _starts_as_zip(path)


def _starts_as_zip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PK\x03\x04"
    except OSError:
        return False


def _described(path: Path) -> str:
    if path.is_dir():
        return f"the folder {path.name} (unpacked? archives must lie beside it, as a zip or its .json)"
    if path.suffix.lower() in (".part", ".crdownload", ".download", ".tmp", ".opdownload", ".partial"):
        return f"{path.name} (an unfinished download)"
    return path.name
