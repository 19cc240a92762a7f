"""The `bootstrap` command. Its exit codes are in `streams`."""

import sys

import click

from bootstrap_assets.cli.commands import Commands
from bootstrap_assets.cli.examples import EXIT_CODES
from bootstrap_assets.cli.streams import adapt_encoding


@click.group(
    cls=Commands,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="bootstrap-assets")
def bootstrap() -> None:
    """Fill your own PostgreSQL + pgvector with a reference corpus of contracts, and keep it right."""


def main() -> None:
    """Run the command; an error of ours is one line on stderr, not a traceback."""
    adapt_encoding()
    try:
        bootstrap.main(standalone_mode=True)
    except Exception as error:  # noqa: BLE001 - what nobody foresaw is raised again
        from bootstrap_assets.cli.complaints import complain  # what it imports takes longer than `--help` may

        sys.exit(complain(error))
