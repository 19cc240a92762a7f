"""What `--help` says: each command has examples that it accepts."""

import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from bootstrap_assets.cli import bootstrap
from bootstrap_assets.cli.commands import COMMANDS
from bootstrap_assets.cli.examples import EXAMPLES, OWN_CODES
from tests.commands import commands_of


def commands(group: click.Group, path: str = "") -> Iterator[str]:
    for name, command in commands_of(group).items():
        full = f"{path} {name}".strip()
        yield from commands(command, full) if isinstance(command, click.Group) else (full,)


def help_of(name: str) -> str:
    return CliRunner().invoke(bootstrap, [*name.split(), "--help"]).stdout


def test_every_command_has_examples_and_no_other_has() -> None:
    assert set(EXAMPLES) == set(commands(bootstrap))
    assert set(OWN_CODES) <= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_help_shows_its_examples_line_by_line(name: str) -> None:
    lines = [line.strip() for line in help_of(name).splitlines()]
    assert "Examples:" in lines
    for example in EXAMPLES[name]:
        assert (example if "bootstrap" in example else f"bootstrap {example}") in lines
    assert OWN_CODES.get(name, "") in " ".join(lines)


@pytest.mark.parametrize(
    "line", [line for lines in EXAMPLES.values() for line in lines if "bootstrap" not in line]
)
def test_every_example_is_accepted(line: str) -> None:
    command: click.Command = bootstrap
    words, context = shlex.split(line), click.Context(bootstrap)
    while isinstance(command, click.Group):
        _, command, words = command.resolve_command(context, words)  # type: ignore[assignment]
    command.make_context("bootstrap", words)


def test_the_first_help_names_the_exit_codes_of_the_readme() -> None:
    printed = " ".join(help_of("").split())
    assert "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but for dead letters, 4 budget reached" in printed


def test_the_first_help_says_of_each_command_what_its_own_help_says() -> None:
    for name, command in commands_of(bootstrap).items():
        assert command.get_short_help_str(limit=200) == COMMANDS[name][1]


def test_the_first_help_imports_no_command_and_no_heavy_package() -> None:
    code = (
        "import sys; from bootstrap_assets.cli import bootstrap; bootstrap(['--help'], standalone_mode=False); "
        "heavy = {'psycopg', 'pydantic', 'rich', 'numpy', 'dagster'}; print('imported:', *heavy & {*sys.modules})"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "imported:"
