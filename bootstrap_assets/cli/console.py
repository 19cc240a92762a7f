"""What all commands share: results go to stdout, everything else to stderr; exit codes; the database."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from bootstrap_assets.settings import load_settings
from bootstrap_assets.store import schema
from bootstrap_assets.store.database import Connection, connect, existing_database_url

FAILED, WRONG_USAGE, WITH_FAILURES, BUDGET_REACHED, TIMED_OUT = 1, 2, 3, 4, 5
"""Exit codes, besides 0 and 128 + the number of the signal that stopped the command."""

WIDE = 200
"""Columns of a table that goes into a pipe or a file."""

out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
errors = Console(stderr=True, highlight=False)


def print_json(document: Any, *, lines: bool = False) -> None:
    """One JSON document on stdout, and nothing else; `lines`: in one line, at once."""
    print(
        json.dumps(document, ensure_ascii=False, indent=None if lines else 2, default=str, allow_nan=False),
        flush=lines,
    )


@contextmanager
def open_corpus_database() -> Iterator[Connection]:
    """A connection to the corpus, in a transaction; NoCorpusError or SchemaError where there is none yet."""
    with connect(existing_database_url(load_settings())) as connection:
        schema.require_current(connection)
        yield connection
