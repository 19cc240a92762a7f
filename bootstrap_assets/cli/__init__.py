"""The `bootstrap` command. Its exit codes are in `console`."""

import sys

import click
import psycopg
from rich.markup import escape

from bootstrap_assets.cli.breaker import breaker
from bootstrap_assets.cli.console import (
    BUDGET_REACHED,
    FAILED,
    WRONG_USAGE,
    adapt_encoding,
    end_of_pipe,
    errors,
    flush_output,
)
from bootstrap_assets.cli.cost import cost, plan
from bootstrap_assets.cli.database import db
from bootstrap_assets.cli.documents import documents
from bootstrap_assets.cli.environment import doctor, env
from bootstrap_assets.cli.evaluate import evaluation
from bootstrap_assets.cli.examples import EXIT_CODES, add_to
from bootstrap_assets.cli.failures import failures
from bootstrap_assets.cli.labels import classify, labels
from bootstrap_assets.cli.report import report
from bootstrap_assets.cli.requests import cancel, events, request, resume, wait
from bootstrap_assets.cli.run import run
from bootstrap_assets.cli.search import search
from bootstrap_assets.cli.settings import settings_
from bootstrap_assets.cli.show import embed, show
from bootstrap_assets.cli.spaces import spaces
from bootstrap_assets.cli.status import status
from bootstrap_assets.cli.tenants import tenants
from bootstrap_assets.cli.ui import ui
from bootstrap_assets.errors import BootstrapError, BudgetError, ConfigurationError, explain


class _Group(click.Group):
    """A group whose commands end quietly when nobody reads what they print."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command, and flush its output here, where a closed pipe can still be handled."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            end_of_pipe()
        finally:
            flush_output()


@click.group(
    cls=_Group,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="bootstrap-assets")
def bootstrap() -> None:
    """Fill your own PostgreSQL + pgvector with a reference corpus of contracts, and keep it right."""


COMMANDS = (
    run,
    plan,
    status,
    search,
    show,
    embed,
    classify,
    labels,
    evaluation,
    report,
    failures,
    documents,
    tenants,
    spaces,
    breaker,
    cost,
    request,
    cancel,
    resume,
    wait,
    events,
    db,
    env,
    settings_,
    doctor,
    ui,
)
for command in COMMANDS:
    bootstrap.add_command(command)
add_to(bootstrap)


def main() -> None:
    """Run the command; an error of ours is one line on stderr, not a traceback."""
    adapt_encoding()
    try:
        bootstrap.main(standalone_mode=True)
    except ConfigurationError as error:
        _complain(str(error))
        sys.exit(WRONG_USAGE)
    except BootstrapError as error:
        _complain(str(error))
        sys.exit(BUDGET_REACHED if isinstance(error, BudgetError) else FAILED)
    except (psycopg.Error, OSError) as error:
        _complain(explain(error))
        sys.exit(FAILED)


def _complain(message: str) -> None:
    errors.print(f"[bold red]bootstrap:[/] {escape(message)}", soft_wrap=True)
