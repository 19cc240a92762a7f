"""`bootstrap report`: one page on what is in the corpus, how good it is, what it cost and what is wrong."""

import time
from pathlib import Path

import click
from rich.markup import escape

from bootstrap_assets.cli.console import out
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.store.database import Database, database_url, describe


@click.command()
@click.option(
    "--out",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="Where to write the page.",
)
def report(file: Path) -> None:
    """Write a page about the corpus: contents, gaps, quality, cost, failures, map, near-duplicates, changes.

    One HTML file for a browser or a printer, which needs nothing else.
    """
    from bootstrap_assets.report import page  # draws and projects: two seconds to import

    began = time.monotonic()
    settings = load_settings()
    with Database(database_url(settings), size=1) as database, database.connection() as connection:
        written = page.render(page.gather(connection, _told(settings)))
    file.parent.mkdir(parents=True, exist_ok=True)
    size = file.write_bytes(written.encode())
    seconds = time.monotonic() - began
    out.print(f"{escape(str(file))}: {size / 1000:,.0f} kB in {seconds:.1f} s", soft_wrap=True)


def _told(settings: Settings) -> str:
    """The database for people: no password, and no path of this machine."""
    if settings.database_url is None:
        return "the embedded server of this installation"
    return describe(settings.database_url.get_secret_value())
