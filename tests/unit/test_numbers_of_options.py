"""Numbers on the command line: `nan` is in no range, so it must not pass for a budget or a time."""

import click
import pytest
from click.testing import CliRunner

from bootstrap_assets import cli
from tests.commands import commands_of


def options_that_take_a_number(group: click.Group, *path: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in commands_of(group).items():
        if isinstance(command, click.Group):
            found += options_that_take_a_number(command, *path, name)
            continue
        found += [
            (*path, name, param.opts[0])
            for param in command.params
            if isinstance(param, click.Option) and isinstance(param.type, (click.FloatRange, type(click.FLOAT)))
        ]
    return found


OPTIONS = options_that_take_a_number(cli.bootstrap)


def test_a_budget_is_among_the_options_that_take_a_number() -> None:
    assert {("run", "--max-cost"), ("failures", "retry", "--max-cost"), ("wait", "--timeout")} <= set(OPTIONS)


@pytest.mark.parametrize("option", OPTIONS, ids=" ".join)
@pytest.mark.parametrize("number", ["nan", "inf"])
def test_what_is_no_finite_number_is_wrong_usage(option: tuple[str, ...], number: str) -> None:
    result = CliRunner().invoke(cli.bootstrap, [*option, number, "x"])
    assert result.exit_code == 2
    assert option[-1] in result.output
