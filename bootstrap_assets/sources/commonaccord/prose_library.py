"""CommonAccord's library: files of `Key=Value` lines that include each other by `prefix=[path]` lines."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bootstrap_assets.sources.commonaccord.plain_text import readable

_INCLUDE = re.compile(r"([^=]*)=\[(.+?)\]")
_KEY = re.compile(r"(?!.*://)[^\s<>{}\"“”]+")


@dataclass(frozen=True, slots=True)
class Include:
    """An include line: keys that begin with `prefix` are looked up, without it, in the file `path`.

    `target` is what the line says; `path` the file it stands for, or None if there is none.
    """

    prefix: str
    target: str
    path: str | None


@dataclass(frozen=True, slots=True)
class ProseFile:
    """One file of a library: the values of its own keys (the first line of each) and its includes, in order."""

    path: str
    values: dict[str, str]
    includes: tuple[Include, ...]

    @property
    def is_prose_object(self) -> bool:
        """Whether the file has key lines at all, or is plain Markdown, a picture or the like."""
        return any(include.path for include in self.includes) or any(map(_KEY.fullmatch, self.values))


@dataclass(frozen=True, slots=True)
class Reach:
    """What a file reaches through includes.

    `files` begins with the file itself; `missing` holds (including file, target) pairs; a cycle is the list of
    its files, beginning with the first in alphabetical order.
    """

    files: tuple[str, ...]
    missing: tuple[tuple[str, str], ...]
    cycles: tuple[tuple[str, ...], ...]


class Library:
    """The files below the library's root, each read and parsed when first asked for.

    `paths` are the paths below the root; `read` gives the text of one of them.
    """

    def __init__(self, paths: Iterable[str], read: Callable[[str], str]) -> None:
        self._paths = frozenset(paths)
        self._read = read
        self._files: dict[str, ProseFile] = {}

    def __iter__(self) -> Iterator[str]:
        """The paths, sorted."""
        return iter(sorted(self._paths))

    def text(self, path: str) -> str:
        """The whole file, with line feeds only and nothing that could be taken for a mark."""
        return readable(self._read(path)).replace("\r\n", "\n").replace("\r", "\n")

    def file(self, path: str) -> ProseFile:
        """The file at a path that `locate` gave."""
        if path not in self._files:
            self._files[path] = self._parse(path)
        return self._files[path]

    def locate(self, target: str) -> str | None:
        """The file that an include's target stands for: exactly so, with `.md`, or its folder's `0.md`."""
        name = unicodedata.normalize("NFC", target.strip())  # as the archive's names are
        base = "/".join(part for part in name.split("/") if part not in ("", "."))
        candidates = (base, f"{base}.md", f"{base}/0.md")
        return next((path for path in candidates if path in self._paths), None)

    def reach(self, path: str) -> Reach:
        """Follow the includes of a file, theirs, and so on (depth first, in the order of the lines)."""
        order: dict[str, None] = {}
        missing: dict[tuple[str, str], None] = {}
        cycles: dict[tuple[str, ...], None] = {}
        trail: dict[str, Iterator[Include]] = {path: iter(self.file(path).includes)}
        while trail:
            current, remaining = next(reversed(trail.items()))
            order.setdefault(current)
            include = next(remaining, None)
            if include is None:
                del trail[current]
            elif include.path is None:
                if _looks_like_a_path(include.target):
                    missing.setdefault((current, include.target))
            elif include.path in trail:
                cycles.setdefault(_cycle(list(trail), include.path))
            elif include.path not in order:
                trail[include.path] = iter(self.file(include.path).includes)
        return Reach(tuple(order), tuple(missing), tuple(cycles))

    def _parse(self, path: str) -> ProseFile:
        values: dict[str, str] = {}
        includes = []
        for line in self.text(path).split("\n"):
            key, equals, value = line.partition("=")
            if not equals:
                continue
            values.setdefault(key.rstrip(), value.lstrip())
            if include := _INCLUDE.match(line):
                includes.append(Include(include[1], include[2], self.locate(include[2])))
        return ProseFile(path, values, tuple(includes))


def _looks_like_a_path(target: str) -> bool:
    """Whether brackets at the start of a value are an include, not prose such as `[Name of Buyer] has asked …`."""
    return "/" in target or not re.search(r"\s", target.strip())


def _cycle(trail: list[str], back_to: str) -> tuple[str, ...]:
    """The end of a trail that returns to one of its files, turned so that the first name comes first."""
    files = trail[trail.index(back_to) :]
    first = files.index(min(files))
    return tuple(files[first:] + files[:first])
