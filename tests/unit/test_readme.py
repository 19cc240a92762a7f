"""The README names what is there, and nothing that is not."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from bootstrap_assets.cli import bootstrap
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.registry import SOURCES
from tests.commands import commands_of

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def variable(name: str) -> str:
    return "VOYAGE_API_KEY" if name == "voyage_api_key" else f"BOOTSTRAP_{name.upper()}"


def test_every_setting_is_in_the_table_and_every_row_is_a_setting() -> None:
    rows = re.findall(r"^\| ((?:`(?:BOOTSTRAP|VOYAGE)_\w+`(?:, )?)+) \|", README, re.MULTILINE)
    rows = set(re.findall(r"`(\w+)`", " ".join(rows)))
    assert rows == {variable(name) for name in Settings.model_fields}


def test_the_defaults_in_the_table_are_the_defaults() -> None:
    without_row_of_its_own = {"voyage_rpm", "voyage_tpm", "voyage_dimensions"}
    for name in {name for name, field in Settings.model_fields.items() if field.default} - without_row_of_its_own:
        row = re.search(rf"^\| `{variable(name)}` \| `?([^`|]+?)`? \|", README, re.MULTILINE)
        assert row, name
        assert row[1] == str(Settings.model_fields[name].default).removesuffix(".0")


def test_every_command_is_in_the_table() -> None:
    for name in commands_of(bootstrap):
        assert f"`bootstrap {name}" in README
    for name, group in commands_of(bootstrap).items():
        if isinstance(group, click.Group):
            listed = re.search(rf"^\| `bootstrap {name} ([\w\\|]+)", README, re.MULTILINE)
            assert listed, name
            assert set(listed[1].split("\\|")) == set(group.commands)


@pytest.mark.parametrize(
    "line",
    [line for line in re.findall(r"^(?:\.venv/bin/)?bootstrap .*", README, re.MULTILINE) if "…" not in line],
)
def test_every_command_line_is_accepted(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = bootstrap
    context = click.Context(bootstrap)
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)  # type: ignore[assignment]
        assert command, name
    command.make_context("bootstrap", words, resilient_parsing=False)


def test_the_voyage_path_is_tried_in_a_home_of_its_own() -> None:
    """After `make run` the home has local vectors, and a key that is set later does not replace them."""
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "voyage_server.py" in block]
    before, run, after = block.partition(" bootstrap run\n")
    assert run
    assert "export BOOTSTRAP_HOME=" in before
    assert "bootstrap db down" in after
    assert "unset BOOTSTRAP_HOME" in after


def test_every_source_and_every_dependency_has_a_row() -> None:
    for source in SOURCES:
        assert re.search(rf"^\| `{source}` \|", README, re.MULTILINE)
    table = README.split("## Dependencies")[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for dependency in [*project["dependencies"], *extras["parquet"], *extras["report"]]:
        name = re.split(r"[\[<>=]", dependency)[0]
        assert re.search(rf"^\|[^|]*\b{name}\b[^|]*\|", table, re.MULTILINE), name


def test_every_file_it_names_exists() -> None:
    for path in re.findall(r"\]\(([\w./]+)\)", README):
        assert (ROOT / path).is_file()
