"""A small grammar for made-up text: templates with choices, numbers and words, drawn from a seed.

A template file has sections (`== name`), one template per line, `#` for comments. In a template `{a|b}` is a
choice and may nest, `<name>` is a word (a section of the same grammar, or a bound name), `<10..90>` a whole
number and `<10..90/5>` one in steps of five. A word keeps its value within one text.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

TEMPLATES = Path(__file__).parent / "templates"

_T = TypeVar("_T")
_TOKEN = re.compile(r"[{|}]|<(\d+)\.\.(\d+)(?:/(\d+))?>|<([\w ]+)>|[^{|}<]+")


class Draw:
    """Choices from a seed. They are the same on every platform and version: only `random()` itself is used."""

    def __init__(self, *seed: object) -> None:
        self._random = random.Random("\x1f".join(map(str, seed))).random

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1."""
        return int(self._random() * limit)

    def one(self, options: Sequence[_T]) -> _T:
        """One of the options."""
        return options[int(self._random() * len(options))]


Values = dict[str, str]
_Render = Callable[[Draw, Values], str]


class Grammar:
    """The sections of some template files, ready to make text."""

    def __init__(self, *files: str) -> None:
        self._sections: dict[str, list[_Render]] = {}
        for file in files:
            self._read(TEMPLATES / file)

    @property
    def sections(self) -> Sequence[str]:
        """The names of the sections, in the order of the files."""
        return tuple(self._sections)

    def text(self, section: str, draw: Draw, values: Mapping[str, str] | None = None) -> str:
        """A text from a section's templates, its first letter a capital; `values` gives words their values."""
        words: Values = dict(values or {})
        text = draw.one(self._sections[section])(draw, words).strip()
        return text[:1].upper() + text[1:]

    def _read(self, path: Path) -> None:
        section = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("== "):
                section = line[3:].strip()
                self._sections.setdefault(section, [])
            elif line and not line.startswith("#"):
                options, rest = self._options(_TOKEN.finditer(line))
                if rest:
                    raise ValueError(f"{path.name}: a brace closes nothing in {line!r}")
                self._sections[section] += options

    def _options(self, tokens: Iterator[re.Match[str]]) -> tuple[list[_Render], bool]:
        """Compile alternatives up to the brace that closes them, or the end; tells whether there was a brace."""
        options: list[list[_Render]] = [[]]
        for token in tokens:
            if token[0] == "}":
                return [_sequence(parts) for parts in options], True
            if token[0] == "|":
                options.append([])
            elif token[0] == "{":
                inner, closed = self._options(tokens)
                if not closed:
                    raise ValueError(f"a brace is never closed in {token.string!r}")
                options[-1].append(_choice(inner))
            else:
                options[-1].append(self._part(token))
        return [_sequence(parts) for parts in options], False

    def _part(self, token: re.Match[str]) -> _Render:
        low, high, step, word = token.groups()
        if word is not None:
            return self._word(word)
        if low is not None:
            return _number(int(low), int(high), int(step or 1))
        return _literal(token[0])

    def _word(self, name: str) -> _Render:
        def render(draw: Draw, values: Values) -> str:
            if name not in values:
                values[name] = draw.one(self._sections[name])(draw, values)
            return values[name]

        return render


def _literal(text: str) -> _Render:
    return lambda draw, values: text


def _number(low: int, high: int, step: int) -> _Render:
    count = (high - low) // step + 1
    return lambda draw, values: str(low + step * draw.below(count))


def _choice(options: list[_Render]) -> _Render:
    return lambda draw, values: draw.one(options)(draw, values)


def _sequence(parts: list[_Render]) -> _Render:
    if len(parts) == 1:
        return parts[0]
    return lambda draw, values: "".join([part(draw, values) for part in parts])
