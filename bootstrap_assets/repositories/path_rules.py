"""Patterns over paths as git has them in .gitignore and .gitattributes, and the folders that are somebody
else's."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

VENDORED = frozenset(
    "node_modules bower_components vendor vendored third_party third-party thirdparty external Pods Carthage "
    ".venv venv site-packages __pycache__ .tox .eggs .yarn jspm_packages deps/_build".split()
)
"""Folders that hold what others wrote."""

LOCKS = frozenset(
    "package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lockb cargo.lock poetry.lock pdm.lock "
    "uv.lock pipfile.lock composer.lock gemfile.lock go.sum mix.lock flake.lock packages.lock.json "
    "requirements.lock gradle.lockfile podfile.lock deno.lock".split()
)
"""Files that a package manager writes (in lower case)."""

GENERATED_NAMES = re.compile(
    r"(\.min\.(js|css|mjs)|\.(js|css|ts)\.map|_pb2(_grpc)?\.pyi?|\.pb\.(go|cc|h)|\.generated\.\w+|\.g\.(cs|dart)"
    r"|-min\.js|\.bundle\.js)$"
)

_ATTRIBUTES = {
    "linguist-vendored": "vendored",
    "linguist-generated": "generated",
    "vendored": "vendored",
    "generated": "generated",
}


LONGEST = 500
"""Characters of a rule that count."""


class Pattern:
    """Groups of names that follow each other in a path, with any number of others between two groups.

    A path matches where it, or a folder that it is in, does; of a pattern for folders only the latter. Each group
    is taken where it first fits, for then the most is left: no rule takes longer than its length and the path's.
    """

    def __init__(self, groups: Sequence[Sequence[re.Pattern[str]]], *, is_folder: bool) -> None:
        self._groups = groups
        self._is_folder = is_folder

    def match(self, path: str) -> bool:
        """Whether a path is meant."""
        names, place = path.split("/"), 0
        for number, group in enumerate(self._groups):
            last = len(names) - len(group) if number else 0
            starts = (start for start in range(place, last + 1) if self._fits(group, names[start:]))
            start = next(starts, None)
            if start is None:
                return False
            place = start + len(group)
        return place < len(names) or not self._is_folder

    @staticmethod
    def _fits(group: Sequence[re.Pattern[str]], names: Sequence[str]) -> bool:
        return len(group) <= len(names) and all(map(re.Pattern.match, group, names))


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern and what it says of the paths that it matches; the last that matches counts."""

    pattern: Pattern
    says: str
    holds: bool


def ignore_rules(content: str, folder: str) -> Iterator[Rule]:
    """The rules of a .bootstrapignore in a folder, in the manner of .gitignore."""
    for line in content.splitlines():
        rule = line.strip()
        if rule and not rule.startswith("#"):
            is_ignored = not rule.startswith("!")
            yield Rule(_compiled(rule.removeprefix("!"), folder), "ignored", is_ignored)


def attribute_rules(content: str, folder: str) -> Iterator[Rule]:
    """What a .gitattributes says of vendored and generated files."""
    for line in content.splitlines():
        words = line.split()
        for word in words[1:] if words and not words[0].startswith("#") else ():
            name, _, value = word.lstrip("-!").partition("=")
            if name in _ATTRIBUTES:
                holds = not word.startswith(("-", "!")) and value.lower() not in ("false", "0")
                yield Rule(_compiled(words[0], folder), _ATTRIBUTES[name], holds)


def verdicts(rules: Iterable[Rule], path: str) -> set[str]:
    """What the rules say of a path."""
    says: dict[str, bool] = {}
    for rule in rules:
        if rule.pattern.match(path):
            says[rule.says] = rule.holds
    return {name for name, holds in says.items() if holds}


@lru_cache(4096)
def _compiled(rule: str, folder: str) -> "Pattern":
    body = rule.strip("/")
    is_anywhere = "/" not in body and not rule.startswith("/")
    names = [*filter(None, folder.split("/")), *(["**"] if is_anywhere else []), *body[:LONGEST].split("/")]
    own = len(names) - body.count("/") - 1  # names of the folder are no patterns
    groups: list[list[re.Pattern[str]]] = [[]]
    for place, name in enumerate(names):
        if name == "**":
            groups.append([])
        else:
            groups[-1].append(_name_pattern(re.sub(r"([\[*?\\])", r"\\\1", name) if place < own else name))
    return Pattern(groups, is_folder=rule.endswith("/") or names[-1] == "**")


def _name_pattern(name: str) -> re.Pattern[str]:
    """One name of a path; `fnmatch` writes expressions that do not backtrack from star to star."""
    plain = re.sub(r"\\(.)", lambda match: f"[{match[1]}]" if match[1] in "*?[" else match[1], name)
    return re.compile(translate(plain.replace("[^", "[!")))
