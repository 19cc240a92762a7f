"""How a key of a CommonAccord prose object is resolved.

The rules are those of the reference resolver (`parser.pl` of CommonAccord, CC0):

- The first line that begins with exactly the key gives its value. If there is none, the include lines
  `prefix=[path]` are tried in order: where the key begins with the prefix, the rest of the key is looked
  up in that file. The first value that is not empty wins.
- A value may hold `{Name}` placeholders. A value found through prefixes `P1.`, then `US.`, is expanded once for
  each file on the way back: names are looked up, always in the top document, as `P1.US.Name`, and what is still
  open as `P1.Name`, and what is still open then as `Name`.
- A value that is only `</test>` makes its placeholder vanish; a placeholder without a value stays as it is.

Nothing here recurses, so neither long chains nor cycles can exhaust Python's stack, and a budget per document
stops what would grow without end.
"""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from bootstrap_assets.sources.commonaccord.plain_text import is_marked, mark, without_marks
from bootstrap_assets.sources.commonaccord.prose_library import Library

MAX_CHARACTERS = 5_000_000
"""The longest text one key may expand to. The longest agreement in `G/Agt-NDA` has 50,000, marks included."""

MAX_WORK = 120_000_000
"""What one document may cost, in characters processed. The largest agreement in `G/Agt-NDA` costs 3 million."""

_OPEN_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PER_LOOKUP = 300  # what a lookup costs, in characters processed
_PER_REPLACEMENT = 16  # how many characters are copied in the time that it takes to search through one
_VANISH = re.compile(r"\s*</test>\s*")


class ExpansionLimit(Exception):
    """Expanding a key went beyond what one document may cost; the message says which limit, and where."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A key's value, expanded: HTML in which each value that replaced a placeholder is marked.

    `defined_in` is the file whose line gave the value; `references` are the full keys of its placeholders.
    """

    html: str
    defined_in: str
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A value as it stands in a file, and the prefixes that led there, outermost first (the first is empty)."""

    value: str
    path: str
    prefixes: tuple[str, ...]


def open_placeholders(text: str) -> list[str]:
    """The names of the placeholders that are left in an expanded text, each once, in order."""
    names = dict.fromkeys(_OPEN_PLACEHOLDER.findall(without_marks(text)))
    return [name for name in names if not name.isspace() and name]


def _placeholders(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and name of each placeholder: from a brace to the next closing one, in linear time."""
    position = 0
    while (start := text.find("{", position)) >= 0:
        end = text.find("}", start + 1)
        if end < 0:
            return
        position = end + 1 if end > start + 1 else start + 1
        if end > start + 1:
            yield start, end + 1, text[start + 1 : end]


def _names(text: str) -> dict[str, None]:
    """The names of the placeholders in a value, each once, in order."""
    return dict.fromkeys(name for _, _, name in _placeholders(text))


_Lookup = Generator[str, "Resolved | None", "Resolved | None"]


class Resolver:
    """Resolves keys in the context of one top document.

    `keys[n]` is the key that mark number n stands for. `cycles` collects keys that were found to need themselves;
    such a placeholder stays as it is.
    """

    def __init__(self, library: Library, top: str, max_work: int = MAX_WORK) -> None:
        self.keys: list[str] = []
        self.cycles: dict[str, None] = {}
        self._library = library
        self._top = top
        self._numbers: dict[str, int] = {}
        self._values: list[Resolved] = []
        self._memory: dict[str, Resolved | None] = {}
        self._active: set[str] = set()
        self._cuts = 0
        self._budget = max_work

    def resolve(self, key: str) -> Resolved | None:
        """The key's value, expanded, or None if it has none. Raises ExpansionLimit."""
        self._active.clear()
        lookups = [self._lookup(key)]
        answer: Resolved | None = None
        while lookups:
            try:
                next_key = lookups[-1].send(answer)
            except StopIteration as end:
                lookups.pop()
                answer = end.value
            else:
                lookups.append(self._lookup(next_key))
                answer = None
        return answer

    def behind(self, number: int) -> Resolved:
        """What was put into the text under a mark's number."""
        return self._values[number]

    def _lookup(self, key: str) -> _Lookup:
        """Resolve one key; yields the keys it needs. What hangs on a cycle that was cut is not remembered."""
        self._spend(_PER_LOOKUP, key)
        if key in self._memory:
            return self._memory[key]
        if key in self._active:
            self._cuts += 1
            self.cycles.setdefault(key)
            return None
        cuts = self._cuts
        self._active.add(key)
        answer: Resolved | None = None
        for candidate in self._candidates(key):
            answer = yield from self._expand(key, candidate)
            if answer is not None:
                break
        self._active.discard(key)
        if cuts == self._cuts:
            self._memory[key] = answer
        return answer

    def _candidates(self, key: str) -> Iterator[_Candidate]:
        """The values a key could have, in the order in which the include lines lead to them."""
        visits: set[tuple[str, str]] = set()
        stack: list[tuple[str, str, tuple[str, ...]]] = [(self._top, key, ("",))]
        while stack:
            path, rest, prefixes = stack.pop()
            if (path, rest) in visits:
                continue
            visits.add((path, rest))
            self._spend(len(prefixes), key)
            file = self._library.file(path)
            if rest in file.values:
                yield _Candidate(file.values[rest], path, prefixes)
                continue
            for include in reversed(file.includes):
                if include.path is not None and rest.startswith(include.prefix):
                    longer = (*prefixes, prefixes[-1] + include.prefix)
                    stack.append((include.path, rest[len(include.prefix) :], longer))

    def _expand(self, key: str, candidate: _Candidate) -> _Lookup:
        """Fill in a value's placeholders, the innermost prefix first. A value that comes out empty is none."""
        text, references = candidate.value, dict.fromkeys(_names(candidate.value), "")
        before: tuple[str, str] | None = None
        for prefix in reversed(candidate.prefixes):
            if before == (prefix, text):
                continue
            before = (prefix, text)
            self._spend(len(text), key)
            values = {}
            for name in _names(text):
                inner = None if is_marked(name) else (yield prefix + name)
                if inner is not None:
                    values[name] = self._replacement(prefix + name, inner)
                    references[name] = references.get(name) or prefix + name
            text = self._fill(key, text, values) if values else text
        self._spend(len(text), key)
        if not text:
            return None
        innermost = candidate.prefixes[-1]
        own = {name: references[name] or innermost + name for name in _names(candidate.value)}
        return Resolved(text, candidate.path, tuple(dict.fromkeys(own.values())))

    def _replacement(self, full_name: str, inner: Resolved) -> str:
        """What takes a placeholder's place: marked, unless its name ends in `!!` (as in attributes)."""
        if _VANISH.fullmatch(inner.html):
            return ""
        if full_name.endswith("!!"):
            return inner.html
        return mark(self._number(full_name, inner), inner.html)

    def _fill(self, key: str, text: str, values: dict[str, str]) -> str:
        """Put values in place of placeholders, one name after the other.

        So a value's own open placeholder is filled too if its name comes later, and so is one in the braces of
        another. Where there are no such, one pass does the same.
        """
        if any("{" in part for part in (*values.values(), *_names(text))):
            for name, value in values.items():
                placeholder = f"{{{name}}}"
                self._check(key, len(text) + text.count(placeholder) * (len(value) - len(placeholder)))
                self._spend(len(text) // _PER_REPLACEMENT, key)
                text = text.replace(placeholder, value)
            return text
        parts: list[str] = []
        position, size = 0, len(text)
        for start, end, name in _placeholders(text):
            if name in values:
                size += len(values[name])
                self._check(key, size)
                parts += (text[position:start], values[name])
                position = end
        return "".join(parts) + text[position:]

    def _check(self, key: str, size: int) -> None:
        if size > MAX_CHARACTERS:
            raise ExpansionLimit(f"the key {key[:200]!r} expands to more than {MAX_CHARACTERS:,} characters")

    def _number(self, key: str, value: Resolved) -> int:
        if key not in self._numbers:
            self._numbers[key] = len(self.keys)
            self.keys.append(key)
            self._values.append(value)
        return self._numbers[key]

    def _spend(self, work: int, key: str) -> None:
        self._budget -= work
        if self._budget < 0:
            raise ExpansionLimit(f"more work than one document may cost, given up at the key {key[:200]!r}")
