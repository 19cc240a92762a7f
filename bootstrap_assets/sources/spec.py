"""What a source is: a name, a licence, archives to fetch, and a function that parses them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap_assets.records import Finding, ParsedDocument

SHARED_VERSION = 1
"""Raised whenever what sources share (passages, headings, sections, archives, token estimates, ids, storing) would
make other records of the same archives: every source is then loaded anew, and what did not change keeps its
vectors. tests/unit/test_versions.py says when it is due."""

Parsed = Iterator[ParsedDocument | Finding]
"""Documents in a stable order, and findings that belong to no document."""


@dataclass(frozen=True, slots=True)
class Remote:
    """An archive on the network: the file name it gets in the cache, and its address."""

    filename: str
    url: str


@dataclass(frozen=True, slots=True)
class Source:
    """One data set.

    `parse(paths, options)` reads the archives at `paths` (zip files, or single files where the source has
    such a shape) and yields documents; it raises ArchiveError or FormatError, naming file and place, where
    nothing can be read. `version` is raised whenever the source's own modules would make other records of the same
    archive (tests/unit/test_versions.py says when it is due).
    `options` are the source's own settings; they are part of what makes a load up to date. `labels` are those that
    the official data set holds, categories or numbers of hypotheses; empty where it has none.
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


def find_archives(folder: Path, suffixes: Iterable[str] = (".zip", ".json", ".jsonl", ".parquet")) -> list[Path]:
    """The archives that lie directly in a folder, sorted by name.

    Hidden files, sub-folders and the checksum lock of a download folder are left out.
    """
    wanted = set(suffixes)
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file()
        and path.suffix.lower() in wanted
        and not path.name.startswith(".")
        and not path.name.endswith(".lock.json")
    )
