"""What a repository's manifests say it needs."""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bootstrap_assets.repositories.lenient_json import read_json

_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][\w.\-]*)")
# Strangers wrote what is read here, by the megabyte: no expression may read on to the end from every place.
_GO_BLOCK = re.compile(r"^require[ \t]*\([ \t\r]*$(.*?)(?:^\)|\Z)", re.MULTILINE | re.DOTALL)
_GO_LINE = re.compile(r"^(?:require[ \t]+)?[ \t]*+([\w.\-]++(?:/\S++)?)[ \t]+v\S+", re.MULTILINE)
_DEEP_KEY = re.compile(
    r"(?:^|[\[{,])[ \t]*+(?:[\w\"'\-]++[ \t]*+\.[ \t]*+){50}", re.MULTILINE
)  # each part costs all before
_MAVEN_PART = re.compile(r"<(groupId|artifactId)>\s*([^<\s]+)\s*</\1>")
_GRADLE = re.compile(
    r"^[ \t]*(?:implementation|api|compileOnly|runtimeOnly|testImplementation|compile|testCompile)\s*+\(?\s*+[\"']"
    r"([\w.\-]+):([\w.\-]+)",
    re.MULTILINE,
)


def packages_of(name: str, content: bytes) -> list[str]:
    """The packages that a file needs, sorted; none for what is no manifest or cannot be read."""
    read = _READERS.get(name.lower())
    if read is None and name.lower().startswith("requirements") and name.endswith((".txt", ".in")):
        read = _requirements
    hit = read(content.decode("utf-8-sig", "replace")) if read else ()
    return sorted({one for one in hit if one})


def is_manifest(name: str) -> bool:
    """Whether a file, by its name, says what is needed or how imports are resolved."""
    low = name.lower()
    return low in _READERS or (
        low.startswith(("requirements", "tsconfig", "jsconfig")) and low.endswith((".txt", ".in", ".json"))
    )


def _required(lines: Iterable[Any]) -> Iterator[str]:
    for line in lines:
        hit = _REQUIREMENT.match(line) if isinstance(line, str) else None
        if hit:
            yield re.sub(r"[-_.]+", "-", hit[1]).lower()


def _requirements(text: str) -> Iterator[str]:
    return _required(line for line in text.splitlines() if not line.lstrip().startswith(("#", "-")))


def _toml(text: str) -> dict[str, Any]:
    if _DEEP_KEY.search(text):
        return {}
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _at(document: Any, *names: str) -> dict[str, Any]:
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def _pyproject(text: str) -> Iterator[str]:
    document = _toml(text)
    needed = _at(document, "project").get("dependencies")
    yield from _required(needed if isinstance(needed, list) else ())
    for group in (*_at(document, "project", "optional-dependencies").values(),
                  *_at(document, "dependency-groups").values()):  # fmt: skip
        yield from _required(group if isinstance(group, list) else ())
    build = _at(document, "build-system").get("requires")
    yield from _required(build if isinstance(build, list) else ())
    yield from (name for name in _at(document, "tool", "poetry", "dependencies") if name != "python")


def _setup_cfg(text: str) -> Iterator[str]:
    block = re.search(r"^install_requires\s*=(.*(?:\n[ \t]+.*)*)", text, re.MULTILINE)
    return _required(block[1].splitlines() if block else ())


def _package_json(text: str) -> Iterator[str]:
    document = read_json(text.encode())
    for group in ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies"):
        yield from _at(document, group)


def _go_mod(text: str) -> Iterator[str]:
    blocks = "\n".join(hit[1] for hit in _GO_BLOCK.finditer(text))
    single = "\n".join(line for line in text.splitlines() if line.startswith("require "))
    yield from (hit[1] for hit in _GO_LINE.finditer(f"{blocks}\n{single}") if "." in hit[1].partition("/")[0])


def _cargo(text: str) -> Iterator[str]:
    document = _toml(text)
    for group in ("dependencies", "dev-dependencies", "build-dependencies"):
        yield from _at(document, group)
        yield from _at(document, "workspace", group)


def _pom(text: str) -> Iterator[str]:
    for block in text.split("<dependency>")[1:]:
        parts = dict(_MAVEN_PART.findall(block.partition("</dependency>")[0]))
        yield ":".join(parts[name] for name in ("groupId", "artifactId") if name in parts)


def _gradle(text: str) -> Iterator[str]:
    yield from (f"{hit[1]}:{hit[2]}" for hit in _GRADLE.finditer(text))


_READERS: dict[str, Callable[[str], Iterator[str]]] = {
    "pyproject.toml": _pyproject,
    "setup.cfg": _setup_cfg,
    "package.json": _package_json,
    "go.mod": _go_mod,
    "cargo.toml": _cargo,
    "pom.xml": _pom,
    "build.gradle": _gradle,
    "build.gradle.kts": _gradle,
}
