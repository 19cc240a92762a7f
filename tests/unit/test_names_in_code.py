"""A name says what it holds: a participle such as `told` or `found` never stands for a thing.

Only whole names count. `is_known`, `records_seen` and the names of classes are as they should be, and a verb form
that is a boolean or a count (`embedded`, `missing`) is not on the list.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import bootstrap_assets

PACKAGE = Path(bootstrap_assets.__file__).parent

PARTICIPLES = frozenset(
    "answered asked bound brought built chosen decoded done drawn fetched filled found given gone got held kept "
    "known listed loaded made marked merged named noticed opened ordered printed said seen selected shown sought "
    "spaced taken told used wanted written".split()
)
"""What no variable, parameter, attribute or function may be called; the name says what it holds instead: message,
parameters, rows, hits, settings."""

NOT_YET: tuple[str, ...] = ()
"""Packages and modules whose names are still to be put right; to be emptied."""

MODULES = sorted(
    name
    for name in (str(module.relative_to(PACKAGE)) for module in PACKAGE.rglob("*.py"))
    if not name.startswith(NOT_YET)
)


def names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every name that some code gives to a variable, parameter, attribute or function, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.FunctionDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.ExceptHandler | ast.alias):
            yield (node.name if isinstance(node, ast.ExceptHandler) else node.asname) or "", node.lineno


def participles(code: str) -> list[str]:
    """The names in some code that may not be there, each with its line."""
    return [
        f"{name}, line {line}" for name, line in names(ast.parse(code)) if name.strip("_").lower() in PARTICIPLES
    ]


@pytest.mark.parametrize("module", MODULES)
def test_no_participle_stands_for_a_thing(module: str) -> None:
    assert not participles((PACKAGE / module).read_text())


@pytest.mark.parametrize(
    "code",
    [
        "told = 1",
        "_KNOWN = 1",
        "self._held = set()",
        "def rows(named): ...",
        "def _found(): ...",
        "[kept for kept in rows]",
        "with open() as opened: ...",
        "try: ...\nexcept ValueError as seen: ...",
        "import json as chosen",
        "if taken := take(): ...",
    ],
)
def test_a_participle_is_found_wherever_a_name_is_given(code: str) -> None:
    assert len(participles(code)) == 1


@pytest.mark.parametrize(
    "code", ["is_known = True", "records_seen = 1", "row.found()", "pages(named=1)", "rows = told"]
)
def test_what_others_named_and_what_is_more_than_a_participle_is_left_alone(code: str) -> None:
    assert not participles(code)
