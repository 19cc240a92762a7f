"""Reading JSON that somebody else wrote, with errors that say where in which file something is not as expected."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from bootstrap_assets.errors import FormatError
from bootstrap_assets.records import Finding, clean_text
from bootstrap_assets.sources.archive import Archive, invalid_utf8, open_archive, read_file

T = TypeVar("T")

_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "true or false",
}


class Malformed(ValueError):
    """One value is missing or of another type; `place` is where it should be."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


@contextmanager
def zip_or_nothing(path: Path) -> Iterator[Archive | None]:
    """The opened archive if the path is not that of a single data file (.json, .jsonl, .parquet), else None."""
    if path.suffix.lower() in (".json", ".jsonl", ".parquet"):
        yield None
    else:
        with open_archive(path) as archive:
            yield archive


def read_text(path: Path, archive: Archive | None, name: str, source: str) -> tuple[str, list[Finding]]:
    """A member of an archive, or the file itself, as text; with the warning if it was not valid UTF-8."""
    if archive is not None:
        text = archive.text(name)
        invalid, place = archive.invalid.get(name, 0), f"{path.name}: {name}"
    else:
        text, invalid = read_file(path)
        place = path.name
    return text, [invalid_utf8(source, place, invalid)] if invalid else []


def load_json(text: str, place: str) -> object:
    """Parse JSON. Raises FormatError with place, line, column and character where it breaks off."""
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError as error:
        if _is_json_lines(text):
            raise FormatError(
                f"{place}: this is JSON Lines (one object per line), where one JSON object is expected"
            ) from error
        raise FormatError(
            f"{place}: not valid JSON at line {error.lineno}, column {error.colno} (character {error.pos}"
            f" of {len(text)}): {error.msg}; is the file cut off?"
        ) from error
    except (RecursionError, ValueError) as error:
        raise FormatError(f"{place}: not usable JSON: {error}") from error
    return value


def member(holder: object, key: str, kind: type[T], place: str) -> T:
    """`holder[key]`, which must be of the given type. Raises Malformed naming the place and the key."""
    if not isinstance(holder, dict):
        raise Malformed(place, f"is {describe(holder)} where an object is expected")
    if key not in holder:
        known = ", ".join(map(repr, list(holder)[:8])) or "nothing"
        raise Malformed(place, f"the key {key!r} is missing (it has {known})")
    value = holder[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Malformed(f"{place}.{key}", f"is {describe(value)} where {_NAMES[kind]} is expected")
    return value


def describe(value: object) -> str:
    """What kind of JSON value this is, in words."""
    return "null" if value is None else _NAMES.get(type(value), type(value).__name__)


def clean(value: object) -> object:
    """A JSON value whose texts PostgreSQL can store (as jsonb too): keys and values, at any depth."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(str(key)): clean(item) for key, item in value.items()}
    return value


def _is_json_lines(text: str) -> bool:
    lines = text.lstrip().split("\n", 2)[:2]
    try:
        return len(lines) == 2 and all(isinstance(json.loads(line), dict) for line in lines if line.strip())
    except ValueError:
        return False
