"""`bootstrap show` and `bootstrap embed`: a record in full, and the vector of a query."""

import json
from typing import Any

import click
from rich.markup import escape

from bootstrap_assets.cli.console import open_corpus_database, out, print_json
from bootstrap_assets.corpus import catalogue
from bootstrap_assets.corpus.records import SAMPLE
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Database, existing_database_url
from bootstrap_assets.search.query import embed_text
from bootstrap_assets.settings import load_settings

ABOUT = {
    "document": "document",
    "title": "title",
    "granularity": "size",
    "section_path": "section",
    "category": "category",
    "hypothesis": "hypothesis",
    "nli_label": "label",
    "records": "records",
    "licence": "licence",
    "attribution": "attribution",
    "url": "address",
    "tenant_id": "tenant",
    "id": "id",
    "document_id": "document id",
}
"""What is shown of a record or document before its text, in this order; empty fields are left out."""


@click.command()
@click.argument("identifier", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def show(identifier: str, as_json: bool) -> None:
    """Show a record or a document in full, with licence, attribution and address.

    ID is the id or source id of a record, as `search --json` gives them, or else the id, source id or title of a
    document.
    """
    with open_corpus_database() as connection:
        row = catalogue.find(connection, identifier)
    if as_json:
        print_json(row)
    else:
        _print(row)


def _print(row: dict[str, Any]) -> None:
    invented = f"  [yellow]{SAMPLE}[/]" if row["invented"] else ""
    out.print(
        f"[bold]{row['kind']} {escape(row['source_id'])}[/]  [dim]{row['source']}[/]{invented}", soft_wrap=True
    )
    for column, name in ABOUT.items():
        if (value := row.get(column)) not in (None, ""):
            out.print(f"[dim]{name:<12}[/] {escape(str(value))}", soft_wrap=True)
    if row.get("char_start") is not None:
        out.print(f"[dim]{'characters':<12}[/] {row['char_start']} to {row['char_end']}", soft_wrap=True)
    out.print()
    click.echo(row["content"] if "content" in row else row["raw_text"])


@click.command()
@click.argument("text")
def embed(text: str) -> None:
    """Print the vector of a query as a JSON array, in the space that is searched.

    Other languages give it to the SQL function `search_reference`. A paid model's request goes into the ledger.
    """
    settings = load_settings()
    with Database(existing_database_url(settings), size=1) as database:
        database.transact(schema.require_current)
        vector = embed_text(database, settings, text)
    click.echo(json.dumps(vector.tolist()))
