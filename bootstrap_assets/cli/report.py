"""`bootstrap report`: one page on what is in the corpus, how good it is, what it cost and what is wrong."""

import time
from pathlib import Path

import click
from rich.markup import escape

from bootstrap_assets.cli.console import check_place, errors, out
from bootstrap_assets.database.connection import Database, describe, existing_database_url
from bootstrap_assets.extras import needs_extra
from bootstrap_assets.settings import Settings, load_settings

STDOUT = Path("-")


@click.command()
@click.option(
    "--out",
    "file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="Where to write the page; - is stdout.",
)
@click.option("--tenant", help="Add a section about the documents of this tenant.")
def report(file: Path, tenant: str | None) -> None:
    """Write a page about the corpus.

    Contents, gaps, quality, cost, failures, map, near-duplicates and changes, as one self-contained HTML file for
    a browser or a printer.
    """
    if file != STDOUT:
        check_place(file)
    with needs_extra("report", "the report"):
        from bootstrap_assets.report import page  # draws and projects: two seconds to import

    began = time.monotonic()
    settings = load_settings()
    with Database(existing_database_url(settings), size=1) as database, database.connection() as connection:
        html = page.render(page.gather(connection, _place(settings), tenant=tenant))
    page_bytes = html.encode()
    if file == STDOUT:
        click.echo(page_bytes, nl=False)
    else:
        file.write_bytes(page_bytes)
    message = f"{escape(str(file))}: {len(page_bytes) / 1000:,.0f} kB in {time.monotonic() - began:.1f} s"
    (errors if file == STDOUT else out).print(message, soft_wrap=True)


def _place(settings: Settings) -> str:
    """The database for people: no password, and no path of this machine."""
    if settings.database_url is None:
        return "the embedded server of this installation"
    return describe(existing_database_url(settings))
