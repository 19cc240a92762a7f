"""Reading JSON that somebody else wrote, with errors that say where in which file something is not as expected.

Python reads more than JSON is (NaN, infinities), and PostgreSQL stores less (no number without end). What only one
of them takes becomes an `Unusable` value, so it costs what it stands in and not the file.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bootstrap_assets.corpus.records import MOST_DEPTH, Finding, Severity
from bootstrap_assets.errors import FormatError
from bootstrap_assets.sources.fetch.archive import Archive, open_archive, read_file

T = TypeVar("T")

_MOST_DIGITS = 1_000
_MOST_NAMES = 8
_TOO_DEEP = "\x00too deep"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)

_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "true or false",
}


@dataclass(frozen=True, slots=True)
class Unusable:
    """A value that JSON or PostgreSQL cannot hold, in words."""

    what: str

    def __repr__(self) -> str:
        return self.what


class Malformed(ValueError):
    """One value is missing or of another type; `place` is where it should be."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


@contextmanager
def zip_or_nothing(
    path: Path, belongs: Callable[[Archive], None] = lambda _archive: None
) -> Iterator[Archive | None]:
    """The opened archive if the path is not that of a single data file (.json, .jsonl, .parquet), else None."""
    if path.suffix.lower() in (".json", ".jsonl", ".parquet"):
        yield None
    else:
        with open_archive(path, belongs=belongs) as archive:
            yield archive


def read_text(path: Path, archive: Archive | None, name: str, source: str) -> tuple[str, list[Finding]]:
    """A member of an archive, or the file itself, as text; with warnings of what was not certain about it."""
    place = path.name if archive is None else f"{path.name}: {name}"
    content = read_file(path) if archive is None else archive.content(name)
    return content.text, content.findings(source, place)


def load_json(text: str, place: str, source: str) -> tuple[object, list[Finding]]:
    """Parse JSON; with a warning where an object has a key twice, of which the last counts.

    Raises FormatError with place, line, column and character where it breaks off.
    """
    repeats: dict[str, None] = {}
    text = text.lstrip("\ufeff")
    try:
        try:
            value = _parse(text, repeats)
        except RecursionError:
            value = _parse(_shallow(text), repeats)
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
    if not repeats:
        return value, []
    names = ", ".join(repr(key[:80]) for key in list(repeats)[:_MOST_NAMES])
    message = f"an object has a key twice, of which the last one counts: {names}"
    return value, [Finding(source, Severity.WARNING, "repeated_key", message, place)]


def _parse(text: str, repeats: dict[str, None]) -> object:
    def whole(token: str) -> int | Unusable:
        return int(token) if len(token) <= _MOST_DIGITS else Unusable(f"a number of {len(token):,} digits")

    def fraction(token: str) -> float | Unusable:
        number = float(token)
        return number if math.isfinite(number) else Unusable(f"the number {token[:40]}, beyond any range")

    def members(pairs: list[tuple[str, object]]) -> object:
        entries = dict(pairs)
        if len(entries) < len(pairs):
            keys: set[str] = set()
            for key, _ in pairs:
                if key in keys:
                    repeats.setdefault(key)
                keys.add(key)
        return Unusable(f"nested deeper than {MOST_DEPTH} levels") if _TOO_DEEP in entries else entries

    value: object = json.loads(
        text, parse_constant=Unusable, parse_int=whole, parse_float=fraction, object_pairs_hook=members
    )
    return value


def _shallow(text: str) -> str:
    """JSON that is nested too deep for the parser, with each value in it that is too deep replaced by a mark."""
    parts: list[str] = []
    depth = position = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == MOST_DEPTH:
                parts += (text[position : token.start()], json.dumps({_TOO_DEEP: 0}))
        elif token[0] in "]}":
            if depth == MOST_DEPTH:
                position = token.end()
            depth -= 1
    if depth:
        raise ValueError("it is nested too deep, and its brackets do not match")
    return "".join(parts) + text[position:]


def member(holder: object, key: str, kind: type[T], place: str) -> T:
    """`holder[key]`, which must be of the given type. Raises Malformed naming the place and the key."""
    if not isinstance(holder, dict):
        raise Malformed(place, f"is {describe(holder)} where an object is expected")
    if key not in holder:
        names = ", ".join(map(repr, list(holder)[:8])) or "nothing"
        raise Malformed(place, f"the key {key!r} is missing (it has {names})")
    value = holder[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Malformed(f"{place}.{key}", f"is {describe(value)} where {_NAMES[kind]} is expected")
    return value


def describe(value: object) -> str:
    """What kind of JSON value this is, in words."""
    if isinstance(value, Unusable):
        return value.what
    return "null" if value is None else _NAMES.get(type(value), type(value).__name__)


def _is_json_lines(text: str) -> bool:
    lines = text.lstrip().split("\n", 2)[:2]
    try:
        return len(lines) == 2 and all(isinstance(json.loads(line), dict) for line in lines if line.strip())
    except (ValueError, RecursionError):
        return False
