"""Patterns over paths as git has them in .gitignore and .gitattributes, and the folders that are somebody
else's."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

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


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern and what it says of the paths that it matches; the last that matches counts."""

    pattern: re.Pattern[str]
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


@cache
def _compiled(rule: str, folder: str) -> re.Pattern[str]:
    """A pattern as a regular expression over whole paths; `**` crosses folders, `*` does not."""
    is_folder = rule.endswith("/")
    body = rule.strip("/")
    anywhere = "/" not in body and not rule.startswith("/")
    start = re.escape(folder + "/") if folder else ""
    middle = "(?:.*/)?" if anywhere else ""
    tail = "/.*" if is_folder else "(?:/.*)?"
    return re.compile(f"{start}{middle}{_body(body[:500])}{tail}\\Z", re.DOTALL)


def _body(rule: str) -> str:
    parts: list[str] = []
    place = 0
    while place < len(rule):
        for token, meaning in (("**/", "(?:.*/)?"), ("/**", "/.*"), ("**", ".*"), ("*", "[^/]*"), ("?", "[^/]")):
            if rule.startswith(token, place):
                if not (parts and parts[-1] == meaning):  # a row of stars is one: nothing to backtrack over
                    parts.append(meaning)
                place += len(token)
                break
        else:
            parts.append(re.escape(rule[place]))
            place += 1
    return "".join(parts)
