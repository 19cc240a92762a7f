"""A stage is a package that owns its SQL: read off the code, for import-linter sees imports alone."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

import bootstrap_assets
from bootstrap_assets.database.migrations import included_in
from bootstrap_assets.database.statements import statements_in

PACKAGE = Path(bootstrap_assets.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
OWNERS = sorted(file.parent.name for file in PACKAGE.glob("*/statements.sql"))

OTHERS_DATABASES = {
    "defs/event_log.py": "Dagster's own tables, through its own storage",
    "defs/storage.py": "the session that Dagster's storage begins",
}
"""What talks to a database and owns no statements, and why it may."""

READ_THE_ENVIRONMENT = {
    "settings.py": "all that can be set",
    "cli/database.py": "psql gets its password there, not as an argument",
    "cli/run.py": "the process of a run gets ours, and what Dagster needs",
    "cli/ui.py": "so do the webserver, the daemon and the code server",
    "database/libpq.py": "libpq's variables, which are for another server than the embedded one, are dropped",
    "database/embedded/programs.py": "PostgreSQL's programs get the paths they are found by, and nothing else",
    "documents/extraction/child.py": "the child that reads files gets its interpreter's paths alone",
    "repositories/git.py": "git gets what it needs of it, such as proxies, and nothing else",
    "spans.py": "which of OpenTelemetry's variables, which its SDK itself reads, name a collector",
    "web.py": "which variable names the proxy or the certificates that requests itself reads there",
}
"""What sees the environment, and why it may."""

LONGEST = 300
"""Lines that a module may have."""


def modules_of(package: str) -> list[Path]:
    return [module for module in MODULES if module.relative_to(PACKAGE).parts[0] == package]


def calls(module: Path) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call))


def strings(module: Path) -> set[str]:
    nodes = ast.walk(ast.parse(module.read_text()))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_a_module_takes_the_statements_of_its_own_package_alone(module: Path) -> None:
    for call in calls(module):
        if isinstance(call.func, ast.Name) and call.func.id in ("statements_of", "statements_in"):
            assert [ast.unparse(argument) for argument in call.args] in (["__name__"], ["package"])


@pytest.mark.parametrize("package", OWNERS)
def test_every_statement_is_executed_by_the_package_that_has_it(package: str) -> None:
    said = set().union(*(strings(module) for module in modules_of(package)))
    composed = {"count_granularities", "count_labels"}
    assert statements_in(f"bootstrap_assets.{package}").keys() - said <= composed


def test_a_package_without_statements_executes_none() -> None:
    for module in MODULES:
        name = module.relative_to(PACKAGE)
        if name.parts[0] in (*OWNERS, "database") or str(name) in OTHERS_DATABASES:
            continue
        executed = {call.func.attr for call in calls(module) if isinstance(call.func, ast.Attribute)}
        assert not executed & {"execute", "executemany", "copy"}, name


def test_a_sql_function_stands_in_a_file_of_its_name_that_a_migration_takes_in() -> None:
    files = sorted(PACKAGE.glob("*/functions/*.sql"))
    taken = {
        name
        for migration in (PACKAGE / "database/migrations/versions").glob("*.up.sql")
        for name in included_in(migration)
    }
    assert {str(file.relative_to(PACKAGE)) for file in files} == taken
    for file in files:
        assert set(re.findall(r"^CREATE OR REPLACE FUNCTION (\w+)", file.read_text(), re.MULTILINE)) == {file.stem}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_a_module_is_read_in_one_sitting(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= LONGEST


def test_a_function_says_one_thing() -> None:
    lengths = [
        node.body[-1].end_lineno - node.body[0].lineno + 1  # type: ignore[operator]
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.FunctionDef)
    ]
    assert median(lengths) <= 8


def test_the_package_exports_what_its_front_door_has() -> None:
    from bootstrap_assets import api

    assert bootstrap_assets.__all__ == api.__all__


def reads_the_environment(module: Path) -> bool:
    nodes = list(ast.walk(ast.parse(module.read_text())))
    words = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    words |= {name.name for node in nodes if isinstance(node, ast.ImportFrom) for name in node.names}
    return bool(words & {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"})


def test_the_environment_is_read_in_the_settings_alone() -> None:
    readers = {str(module.relative_to(PACKAGE)) for module in MODULES if reads_the_environment(module)}
    assert readers == READ_THE_ENVIRONMENT.keys()


def test_no_module_reads_a_setting_when_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTSTRAP_BATCHES", "no number")
    paths = [module.relative_to(PACKAGE.parent).with_suffix("") for module in MODULES]
    others = ("__init__", "__main__", "definitions", "env")  # env: which Alembic alone can import
    names = [".".join(path.parts) for path in paths if path.name not in others]
    code = f"from importlib import import_module\nfor name in {names}: import_module(name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
