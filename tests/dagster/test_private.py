import ast
from importlib.metadata import version
from pathlib import Path

import bootstrap_assets
from bootstrap_assets.defs import private

PACKAGE = Path(bootstrap_assets.__file__).parent
TRIED = "1.13.27"
"""The version of Dagster whose private names were read in its source: another one has to be looked at again."""


def test_the_private_names_of_dagster_are_those_of_the_version_that_was_tried() -> None:
    assert version("dagster") == TRIED
    assert all(getattr(private, name) is not None for name in private.__all__)


def test_private_modules_of_dagster_are_imported_in_one_place() -> None:
    for module in PACKAGE.rglob("*.py"):
        imported = {
            node.module or ""
            for node in ast.walk(ast.parse(module.read_text()))
            if isinstance(node, ast.ImportFrom) and node.level == 0
        }
        hidden = {name for name in imported if name.startswith(("dagster._", "dagster_shared"))}
        assert not hidden or module == PACKAGE / "defs" / "private.py", (module.name, hidden)
