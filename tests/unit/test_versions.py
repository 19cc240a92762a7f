"""Code that shapes records never changes without its version: a corpus would stay as the old code made it.

The fingerprint of a load holds texts.VERSION and the source's own version. `frozen_versions.json` has, for each
of them, a digest of the modules it stands for, without comments and docstrings. Where one differs: raise the
version if an archive may give other records than before, then freeze with `python -m tests.unit.test_versions`.
"""

import ast
import hashlib
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import bootstrap_assets
from bootstrap_assets import texts
from bootstrap_assets.sources import reading
from bootstrap_assets.sources.registry import SOURCES

PACKAGE = Path(bootstrap_assets.__file__).parent
FROZEN = Path(__file__).with_name("frozen_versions.json")

SHARED = {"bootstrap_assets.corpus.records", "bootstrap_assets.texts.content", "bootstrap_assets.texts.passages"}
"""Beside what several sources import: ids and estimates, and the parts of long texts of every source."""

STORING = ("Staging", "_around", "bounded", "MAX_SOURCE_ID", "WHOLE")
"""What in corpus/staging.py has a say in what is stored of a record."""

APART = {"bootstrap_assets.sources.spec"}
"""Imported by all sources, and says nothing about records."""


def path_of(module: str) -> Path:
    return PACKAGE.parent / (module.replace(".", "/") + ".py")


def imported(module: str) -> set[str]:
    """The modules of the sources, and the records, that a module comes to, itself included."""
    found, left = set(), [module]
    while left:
        name = left.pop()
        if name in found or name in APART or not path_of(name).is_file():
            continue
        if not name.startswith(
            ("bootstrap_assets.sources.", "bootstrap_assets.texts.", "bootstrap_assets.corpus.records")
        ):
            continue
        found.add(name)
        for node in ast.walk(ast.parse(path_of(name).read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                left += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                left += [alias.name for alias in node.names]
    return found


def modules() -> dict[str, set[str]]:
    """The modules of each version: `shared`, and each source's own."""
    of_source = {name: imported(source.parse.__module__) for name, source in SOURCES.items()}
    shared = {module for module in SHARED for module in imported(module)}
    for name, found in of_source.items():
        for other, others in of_source.items():
            shared |= found & others if name != other else set()
    return {"shared": shared} | {name: found - shared for name, found in of_source.items()}


def code(path: Path, only: tuple[str, ...] | None = None) -> str:
    """A module's code without comments, docstrings and blank lines; `only` some of its definitions."""
    lines = path.read_text().splitlines()
    tree = ast.parse("\n".join(lines))
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                lines[token.start[0] - 1] = lines[token.start[0] - 1][: token.start[1]]
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            lines[node.lineno - 1 : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - node.lineno + 1)
    if only is not None:
        spans = {name: (node.lineno, node.end_lineno) for node in tree.body for name in names(node)}
        assert set(only) <= spans.keys(), f"STORING names what {path.name} no longer has"
        lines = [line for name in only for line in lines[spans[name][0] - 1 : spans[name][1]]]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def now() -> dict[str, dict[str, object]]:
    """Each version as it is, with the digest of its modules."""
    versions = {"shared": texts.VERSION} | {name: source.version for name, source in SOURCES.items()}
    told = {}
    for name, found in modules().items():
        text = "\n".join(code(path_of(module)) for module in sorted(found))
        if name == "shared":
            text += code(PACKAGE / "corpus" / "staging.py", STORING)
        told[name] = {"version": versions[name], "digest": hashlib.sha256(text.encode()).hexdigest()[:16]}
    return told


@pytest.mark.parametrize("name", ["shared", *SOURCES])
def test_code_that_shapes_records_changes_with_its_version(name: str) -> None:
    assert now()[name] == json.loads(FROZEN.read_text())[name], (
        f"modules of {name!r} have changed ({', '.join(sorted(modules()[name]))}): if an archive may give other "
        "records than before, raise texts.VERSION or the source's `version`; "
        "then `python -m tests.unit.test_versions`"
    )


def test_every_module_of_a_parser_belongs_to_a_version() -> None:
    found = modules()
    for module in (
        "texts.passages",
        "texts.headings",
        "sources.sections",
        "sources.json_input",
        "sources.fetch.archive",
    ):
        assert f"bootstrap_assets.{module}" in found["shared"]
    together = set().union(*found.values())
    for source in SOURCES.values():
        assert imported(source.parse.__module__) <= together
    assert "bootstrap_assets.sources.commonaccord.plain_text" in found["commonaccord"]


def test_a_comment_is_no_change_and_a_number_is_one(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        '"""What it is."""\nLIMIT = 1  # a comment\n\ndef f():\n    """Say."""\n    return "# no comment"\n'
    )
    before = code(path)
    path.write_text('LIMIT = 1\n# another\ndef f():\n    """Say\n    more."""\n    return "# no comment"\n')
    assert code(path) == before
    path.write_text(re.sub("1", "2", path.read_text()))
    assert code(path) != before


def test_each_version_is_part_of_what_a_load_is_known_by(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    source = SOURCES["cuad"]
    known = {reading.fingerprint_of(source, {}, [])}
    known.add(reading.fingerprint_of(replace(source, version=source.version + 1), {}, []))
    monkeypatch.setattr(texts, "VERSION", texts.VERSION + 1)
    known.add(reading.fingerprint_of(source, {}, []))
    assert len(known) == 3


if __name__ == "__main__":
    FROZEN.write_text(json.dumps(now(), indent=2) + "\n")
