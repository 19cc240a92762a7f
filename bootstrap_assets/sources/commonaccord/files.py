"""The files of the library, in archives and folders."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bootstrap_assets.corpus.records import Finding, Severity
from bootstrap_assets.errors import (
    ConfigurationError,
    ForeignFileError,
    UnreadableMemberError,
)
from bootstrap_assets.sources.commonaccord.prose_library import Library
from bootstrap_assets.sources.fetch.archive import Archive

NAME = "commonaccord"


DEFAULT_PATTERNS = ("G/Agt-NDA/**", "G/NW-NDA/**")


MOST_NAMES = 8
"""How many names a finding's message lists before it says how many more there are."""


class Files:
    """Reads the library's files; one that cannot be read is empty, and an error for itself alone."""

    def __init__(self, places: Mapping[str, tuple[Archive, str]]) -> None:
        self._places = places
        self.unreadable: dict[str, Finding] = {}

    def read(self, path: str) -> str:
        """The text of a file, by its path below Doc/."""
        archive, name = self._places[path]
        try:
            return archive.text(name)
        except UnreadableMemberError as problem:
            place = f"{archive.path.name}: Doc/{path}"
            self.unreadable[path] = Finding(NAME, Severity.ERROR, "unreadable_file", str(problem), place, path)
            return ""


def patterns_of(options: Mapping[str, Any]) -> list[str]:
    """The patterns of the prose objects to take; ConfigurationError where they are none."""
    patterns = options.get("patterns", DEFAULT_PATTERNS)
    if isinstance(patterns, str) or not all(isinstance(pattern, str) for pattern in patterns) or not patterns:
        raise ConfigurationError(f"commonaccord: patterns must be a list of glob patterns, not {patterns!r}")
    return list(patterns)


def members(archives: Iterable[Archive]) -> tuple[dict[str, tuple[Archive, str]], list[Finding]]:
    """The files below `Doc/` of all archives: their path from there on, and where to read them."""
    places: dict[str, tuple[Archive, str]] = {}
    findings = []
    for archive in archives:
        for path, name in _below_root(archive).items():
            if NO_PROSE.fullmatch(path):
                continue
            if path in places:
                message = f"is also in {places[path][0].path.name}, from which it is taken"
                findings.append(finding("duplicate_file", message, f"{archive.path.name}: {name}"))
            else:
                places[path] = (archive, name)
    return places, findings


def _below_root(archive: Archive) -> dict[str, str]:
    """The files below `Doc/`: their path from there on, and their full name.

    That is the highest folder of the name, at whatever depth it was packed; `doc/` where there is no `Doc/`.
    """
    for root in ("Doc", "doc"):
        by_depth: dict[int, dict[str, str]] = {}
        for name in archive.names():
            folders = name.split("/")[:-1]
            folders = folders if root == "Doc" else [folder.lower() for folder in folders]
            if root in folders:
                depth = folders.index(root) + 1
                by_depth.setdefault(depth, {}).setdefault("/".join(name.split("/")[depth:]), name)
        if by_depth:
            return by_depth[min(by_depth)]
    return {}


def refuse_foreign(archive: Archive) -> None:
    """Raise ForeignFileError where an archive holds no prose objects."""
    if not _below_root(archive):
        raise ForeignFileError(
            f"{archive.path.name}: has no library root Doc/ (expected as in Cmacc-Org-master/Doc/G/…); "
            f"this is not the official archive of CommonAccord's library: it holds {archive.listing()}"
        )


def matching(library: Iterable[str], patterns: Iterable[str]) -> Iterator[str]:
    """The files that one of the patterns takes."""
    expressions = [re.compile(_expression(pattern)) for pattern in patterns]
    return (path for path in library if any(expression.fullmatch(path) for expression in expressions))


def _expression(pattern: str) -> str:
    """A glob pattern as a regular expression: `**` crosses folders, `*` and `?` do not."""
    rules = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(rules.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern))


def selection(library: Library, patterns: Sequence[str]) -> list[str]:
    """The files that match, and all that they include, sorted."""
    waiting = list(matching(library, patterns))
    paths = set(waiting)
    while waiting:
        targets = {include.path for include in library.file(waiting.pop()).includes if include.path}
        waiting += targets - paths
        paths |= targets
    return sorted(paths)


def listing(names: Sequence[str]) -> str:
    """Names for a message, shortened."""
    text = ", ".join(name if len(name) <= 200 else f"{name[:200]}…" for name in names[:MOST_NAMES])
    return text if len(names) <= MOST_NAMES else f"{text} and {len(names) - MOST_NAMES} more"


def finding(kind: str, message: str, place: str, source_id: str | None = None) -> Finding:
    """A warning of this source."""
    return Finding(NAME, Severity.WARNING, kind, message, place, source_id)


NO_PROSE = re.compile(
    r".*\.(png|jpe?g|gif|ico|svg|pdf|docx?|odt|xlsx?|pptx?|zip|gz|mp[34]|woff2?|ttf|html?|css|js|php|pl|py|json|xml)",
    re.IGNORECASE,
)
