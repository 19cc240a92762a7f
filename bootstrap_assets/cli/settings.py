"""`bootstrap settings`: what is set, and where that comes from."""

from typing import Any
from urllib.parse import urlsplit

import click
from pydantic import SecretStr
from rich.markup import escape

from bootstrap_assets.cli.console import print_json, print_table, table
from bootstrap_assets.database import connection_string
from bootstrap_assets.database.connection import describe
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import Settings, load_settings, origin_of, variable_of
from bootstrap_assets.sources.fetch.http_answers import public_url

HIDDEN = "(set, not shown)"
"""What stands for a secret."""


@click.command("settings")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def settings_(as_json: bool) -> None:
    """List every setting with its value and where that comes from.

    The default, the environment, or the file that BOOTSTRAP_ENV_FILE names.

    Secrets are never shown: of a connection string host, port and database, of a webhook its host, of another
    address all but user, password and query.
    """
    rows = rows_of(load_settings())
    if as_json:
        print_json(rows)
        return
    grid = table("variable", "value", "origin", "meaning", left=4, free=("value", "meaning"))
    for row in rows:
        value = "" if row["value"] is None else str(row["value"])
        colour = "" if row["origin"] == "default" else "[bold]"
        grid.add_row(row["variable"], f"{colour}{escape(value)}", row["origin"], escape(row["meaning"]))
    print_table(grid)


def rows_of(settings: Settings) -> list[dict[str, Any]]:
    """Each setting as a row of plain values: name, variable, value, origin, meaning."""
    return [
        {
            "name": name,
            "variable": variable_of(name),
            "value": _value(name, getattr(settings, name)),
            "origin": origin_of(settings, name),
            "meaning": field.description,
        }
        for name, field in Settings.model_fields.items()
    ]


def _value(name: str, value: Any) -> Any:
    if name == "database_url" and value is not None:
        return _place(value)
    if isinstance(value, SecretStr):
        return HIDDEN
    if name == "failure_webhook" and value:
        return f"{urlsplit(value).scheme}://{urlsplit(value).hostname}/…"
    if isinstance(value, str) and "://" in value:
        return public_url(value)
    return value if isinstance(value, int | float | None) else str(value)


def _place(url: SecretStr) -> str:
    """Host, port and database of a connection string in any of the forms that are read."""
    try:
        return describe(connection_string.read(url.get_secret_value()))
    except ConfigurationError:
        return HIDDEN
