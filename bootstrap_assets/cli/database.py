"""`bootstrap db`: start, stop, inspect and migrate the database."""

import os
import shutil
import sys

import click
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from rich.markup import escape

from bootstrap_assets.cli.console import out, print_exactly
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import connect, database_url, describe, existing_database_url
from bootstrap_assets.database.embedded import server
from bootstrap_assets.embedding import batching
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import Settings, load_settings


@click.group()
def db() -> None:
    """Start, stop, inspect and migrate the database."""


@db.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Let the embedded server also listen on this port of 127.0.0.1 until it stops; it asks for a password.",
)
def up(port: int | None) -> None:
    """Start the embedded server (or reach yours) and bring the schema up to date."""
    settings = load_settings()
    if port:
        _require_embedded(settings, "its port is its own")
        server.listen(settings.root, port)
    url = database_url(settings)
    version = schema.upgrade(url)
    out.print(f"PostgreSQL is up at {escape(describe(url))}, schema {version}", soft_wrap=True)
    if port:
        out.print(f"and on port {port} of 127.0.0.1; `bootstrap db address` prints the address, with its password")


@db.command("address")
def address_() -> None:
    """Print the embedded server's connection string by TCP, with the password: see `db up --port`."""
    settings = load_settings()
    _require_embedded(settings, "`bootstrap db url` prints it")
    print_exactly(server.address(settings.root))


@db.command()
def down() -> None:
    """Stop the embedded server. The data stays."""
    settings = load_settings()
    _require_embedded(settings, "that server is not ours to stop")
    outcome = "stopped" if server.stop(settings.root) else "the embedded server was not running"
    out.print(f"{outcome} in {escape(str(settings.root))}", soft_wrap=True)


@db.command()
def url() -> None:
    """Print the connection string."""
    print_exactly(existing_database_url(load_settings()))


@db.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """Open psql on the database; ARGUMENTS are psql's own."""
    address = existing_database_url(load_settings())
    program = server.program("psql")
    path = str(program) if program.exists() else shutil.which("psql")
    if path is None:
        raise ConfigurationError("psql is not installed")
    sys.stdout.flush()
    parts = conninfo_to_dict(address)
    password = str(parts.pop("password", None) or "")
    if password:  # arguments are seen by every user of the machine
        address, os.environ["PGPASSWORD"] = make_conninfo("", **parts), password
    os.execv(path, [path, address, *arguments])


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the schema up, to REVISION or to the newest."""
    out.print(f"schema {schema.upgrade(existing_database_url(load_settings()), revision)}")


@db.command()
def batches() -> None:
    """Divide the corpus into as many batches as BOOTSTRAP_BATCHES says.

    Vectors stay, and nothing is paid for again; the next run works out which batches are complete. Do it while no
    run is at work.
    """
    settings = load_settings()
    address = existing_database_url(settings)
    schema.upgrade(address)
    with connect(address) as connection:
        batching.divide(connection, settings.batches)
    out.print(f"{settings.batches} batches; `bootstrap run` brings their progress up to date")


@db.command()
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(revision: str, yes: bool) -> None:
    """Bring the schema down to REVISION. `base` drops every table of ours, with its data."""
    _confirm(yes, f"Bring the schema down to {revision}? What that version does not know is lost.")
    schema.downgrade(existing_database_url(load_settings()), revision)
    out.print(f"schema {revision}")


@db.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Empty the corpus: drop and recreate the schema, and forget Dagster's runs."""
    settings = load_settings()
    address = existing_database_url(settings)
    question = f"Drop the corpus with its vectors, and the record of all runs, in {describe(address)}?"
    _confirm(yes, question)
    _reset(settings, address)
    out.print("the corpus is empty")


def _require_embedded(settings: Settings, reason: str) -> None:
    if settings.database_url:
        raise ConfigurationError(f"BOOTSTRAP_DATABASE_URL is set: {reason}")


def _reset(settings: Settings, address: str) -> None:
    schema.reset(address)
    with connect(address, autocommit=True) as connection:
        schema.empty_schema(connection, schema.DAGSTER_SCHEMA)


def _confirm(yes: bool, question: str) -> None:
    if not yes:
        click.confirm(question, abort=True)
