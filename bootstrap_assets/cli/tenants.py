"""`bootstrap tenants`: whose documents are kept apart, and the roles that applications read them with."""

from dataclasses import asdict

import click
from rich.markup import escape

from bootstrap_assets.cli.console import open_corpus_database, out, print_json, print_table, table
from bootstrap_assets.database.connection import Database, existing_database_url
from bootstrap_assets.database.readiness import ready_database_url
from bootstrap_assets.documents import removal, rights
from bootstrap_assets.documents import tenants as stored
from bootstrap_assets.repositories import removal as repositories
from bootstrap_assets.settings import load_settings

tenant = click.argument("name", metavar="TENANT")


@click.group()
def tenants() -> None:
    """Whose documents are kept apart from each other."""


@tenants.command()
@tenant
@click.option("--priority", type=int, default=0, show_default=True, help="The greater, the sooner its documents.")
@click.option("--at-work", type=click.IntRange(min=1), help="How many of its documents are worked on at once.")
def add(name: str, priority: int, at_work: int | None) -> None:
    """Make a tenant, or change what it may. Makes the schema where there is none, as `bootstrap run` does."""
    ready_database_url(load_settings())
    with open_corpus_database() as connection:
        is_new = stored.add(connection, name, priority=priority, at_work=at_work)
    out.print(f"{escape(name)}: {'added' if is_new else 'changed'}")


@tenants.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def list_(as_json: bool) -> None:
    """List the tenants with the number of their documents."""
    with open_corpus_database() as connection:
        rows = stored.listing(connection)
    if as_json:
        print_json([asdict(row) for row in rows])
    elif not rows:
        out.print("none: `bootstrap tenants add NAME` makes one")
    else:
        lines = table("tenant", "priority", "at work", "documents", "failed", "passages")
        for row in rows:
            most = "" if row.at_work is None else f"{row.at_work:,}"
            counts = (f"{row.documents:,}", f"{row.failed:,}", f"{row.passages:,}")
            lines.add_row(escape(row.name), str(row.priority), most, *counts)
        print_table(lines)


@tenants.command()
@tenant
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, yes: bool) -> None:
    """Remove a tenant: every row, text and vector that only it had."""
    if not yes:
        click.confirm(f"remove {name} with all its documents?", abort=True, err=True)
    with Database(existing_database_url(load_settings())) as database:
        repositories.remove_of_tenant(database, name)
        documents = removal.remove_tenant(database, name)
    out.print(f"{escape(name)} is removed, with {documents:,} document{'s' * (documents != 1)}")


@tenants.command()
@click.argument("role")
def grant(role: str) -> None:
    """Let an application's ROLE read: the reference corpus, and what belongs to the tenant that it sets.

    The role must exist. It sets its tenant in each transaction: SET LOCAL bootstrap.tenant = 'acme'.
    """
    with open_corpus_database() as connection:
        rights.grant(connection, role)
    out.print(
        f"{escape(role)} may read the corpus now; in each transaction it says for whom: "
        "SET LOCAL bootstrap.tenant = 'NAME'",
        soft_wrap=True,
    )
