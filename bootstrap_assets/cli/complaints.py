"""How a command says that it failed."""

import psycopg
from rich.markup import escape

from bootstrap_assets.cli.console import errors
from bootstrap_assets.cli.streams import BUDGET_REACHED, FAILED, WRONG_USAGE
from bootstrap_assets.errors import BootstrapError, BudgetError, ConfigurationError, explain


def complain(error: Exception) -> int:
    """Say on stderr, in one line, what went wrong; returns the exit code. Raises what is not foreseen."""
    if isinstance(error, BootstrapError):
        message = str(error)
    elif isinstance(error, psycopg.Error | OSError):
        message = explain(error)
    else:
        raise error
    errors.print(f"[bold red]bootstrap:[/] {escape(message)}", soft_wrap=True)
    return _exit_code(error)


def _exit_code(error: Exception) -> int:
    if isinstance(error, ConfigurationError):
        return WRONG_USAGE
    return BUDGET_REACHED if isinstance(error, BudgetError) else FAILED
