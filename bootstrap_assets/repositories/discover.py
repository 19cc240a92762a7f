"""Which files of a commit are read, in what language they are written, and why the others are not."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from bootstrap_assets.repositories.clone import Entry
from bootstrap_assets.repositories.git import Limits
from bootstrap_assets.repositories.languages.prose import is_prose
from bootstrap_assets.repositories.naming import language_of
from bootstrap_assets.repositories.path_rules import (
    GENERATED_NAMES,
    LOCKS,
    VENDORED,
    Rule,
    attribute_rules,
    ignore_rules,
    verdicts,
)

Read = Callable[[str], bytes | None]
"""The content of a blob, by its id."""

MOST_RULES = 1000
"""Rules of a repository that count, the outer folders' first: each is asked for each file."""

_RULES = (".gitattributes", ".bootstrapignore")
_BINARY = 8000  # bytes that git looks at for a NUL
_HEAD = 1000  # bytes in which a generator says so
_GENERATED = re.compile(
    rb"@generated\b|code generated .{0,80}do not edit|auto-?generated.{0,60}do not (edit|modify)",
    re.IGNORECASE | re.DOTALL,
)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class File:
    """A file of a commit. `reason` says why it is not read, and is empty where it is.

    `path` is safe to show and to store: what is not UTF-8 or is a control character stands there as `\\xff`.
    """

    path: str
    oid: str
    size: int
    language: str = ""
    reason: str = ""


def discover(entries: Iterable[Entry], read: Read, limits: Limits) -> Iterator[File]:
    """Each entry as a file. Reads the rules of the repository first, then the blobs that no name rules out."""
    rows = list(entries)
    rules = list(islice(_rules(rows, read, limits), MOST_RULES))
    for entry in rows:
        path = safe_path(entry.name)
        reason = _refused(entry, limits) or _by_rules(path, rules)
        if reason:
            yield File(path, entry.oid, entry.size, reason=reason)
        else:
            yield _by_content(path, entry, read(entry.oid))


def safe_path(name: bytes) -> str:
    """A path as it can be shown and stored, whatever bytes it has."""
    text = name.decode("utf-8", "backslashreplace")
    return _UNSAFE.sub(lambda match: "".join(f"\\x{byte:02x}" for byte in match[0].encode()), text)


def _rules(entries: list[Entry], read: Read, limits: Limits) -> Iterator[Rule]:
    """The rules of every folder, outer folders first."""
    for entry in sorted(entries, key=lambda one: one.name.count(b"/")):
        path = safe_path(entry.name)
        folder, _, name = path.rpartition("/")
        if name in _RULES and not _refused(entry, limits):
            content = (read(entry.oid) or b"").decode("utf-8", "replace")
            yield from (attribute_rules if name == _RULES[0] else ignore_rules)(content, folder)


def _refused(entry: Entry, limits: Limits) -> str:
    """Why an entry is not even looked at."""
    if entry.kind != "file":
        return entry.kind
    try:
        name = entry.name.decode("utf-8")
    except UnicodeDecodeError:
        return "name is not UTF-8"
    parts = name.split("/")
    if _UNSAFE.search(name) or any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        return "unsafe name"
    if len(entry.name) > limits.path_bytes or len(parts) > limits.depth:
        return "path too long"
    return "too large" if not 0 <= entry.size <= limits.file_bytes else ""


def _by_rules(path: str, rules: list[Rule]) -> str:
    parts = path.split("/")
    says = verdicts(rules, path)
    if "ignored" in says:
        return "ignored"
    if "vendored" in says or VENDORED.intersection(parts[:-1]):
        return "vendored"
    if parts[-1].lower() in LOCKS:
        return "lock file"
    return "generated" if "generated" in says or GENERATED_NAMES.search(path) else ""


def _by_content(path: str, entry: Entry, content: bytes | None) -> File:
    if content is None:
        return File(path, entry.oid, entry.size, reason="too large")
    if b"\0" in content[:_BINARY]:
        return File(path, entry.oid, entry.size, reason="binary")
    if _GENERATED.search(content[:_HEAD]):
        return File(path, entry.oid, entry.size, reason="generated")
    language = language_of(path, content, is_prose)
    return File(path, entry.oid, entry.size, language, "" if language else "unknown kind")
