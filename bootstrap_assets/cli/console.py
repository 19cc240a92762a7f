"""What all commands share: results go to stdout, everything else to stderr; the database."""

import io
import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table

from bootstrap_assets.cli.streams import discard, end_of_pipe, is_utf8
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Connection, connect, existing_database_url
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import load_settings

WIDE = 1_000_000
"""Columns of what goes into a pipe or a file: nothing is wrapped or cut there."""


READABLE = 20
"""Columns that a terminal has to have left for the text that wraps."""


class Number(click.FloatRange):
    """A number of an option; FloatRange by itself takes `nan` and `inf` for one, and no budget is above `nan`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number that somebody typed."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


class _Output(Console):
    """Stdout, for people and for pipes."""

    def on_broken_pipe(self) -> None:
        """End quietly, as other programs do whose reader is gone."""
        end_of_pipe()


class _Messages(Console):
    """Stderr. The work goes on where nobody reads it."""

    def on_broken_pipe(self) -> None:
        """Say no more."""
        discard(sys.stderr)


out = _Output(highlight=False, width=None if sys.stdout.isatty() else WIDE)
errors = _Messages(stderr=True, highlight=False)


def print_json(document: Any, *, lines: bool = False) -> None:
    """One JSON document on stdout, and nothing else; `lines`: on one line, flushed at once."""
    ascii_only = not is_utf8(sys.stdout)  # in any other encoding it would not be JSON
    print(
        json.dumps(document, ensure_ascii=ascii_only, indent=None if lines else 2, default=str, allow_nan=False),
        flush=lines,
    )


def print_exactly(text: str) -> None:
    """A line that is meant for a program, byte for byte, whatever the encoding of stdout."""
    click.echo(text.encode("utf-8", "surrogateescape"))


def check_place(file: Path) -> None:
    """Raise ConfigurationError where a file cannot be written. Its folder has to be there: none is made."""
    folder = file.parent
    if not folder.exists():
        raise ConfigurationError(f"cannot write {file}: there is no folder {folder}")
    if not folder.is_dir():
        raise ConfigurationError(f"cannot write {file}: {folder} is not a folder")
    there, rights = (file, os.W_OK) if file.exists() else (folder, os.W_OK | os.X_OK)
    if not os.access(there, rights):
        raise ConfigurationError(f"cannot write {file}: {there} is not writable")


def table(*columns: str, left: int = 1, free: tuple[str, ...] = ()) -> Table:
    """An empty table: the first `left` columns are left-aligned, `free` ones may wrap on a terminal."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(columns):
        justify, wraps = "left" if number < left else "right", name in free
        grid.add_column(name, justify=justify, no_wrap=not wraps, overflow="fold")  # type: ignore[arg-type]
    return grid


def print_table(grid: Table) -> None:
    """Print a table and cut nothing off: where it is too wide, its lines run long."""
    width = Measurement.get(out, out.options.update(max_width=WIDE), grid)
    breakable = not all(column.no_wrap for column in grid.columns)
    if out.is_terminal and (width.minimum + READABLE if breakable else width.maximum) <= out.width:
        out.print(grid)
    else:
        print_block(grid, width=WIDE)


def print_block(block: RenderableType, *, width: int) -> None:
    """Print something laid out to a width, without the blanks at the ends of its lines."""
    buffer = io.StringIO()
    system: Any = out.color_system
    # One of its own: `out` makes nothing wider than the terminal.
    Console(
        file=buffer,
        width=width,
        height=100,
        highlight=False,
        force_terminal=out.is_terminal,
        color_system=system,
    ).print(block)
    for line in buffer.getvalue().splitlines():
        out.out(line.rstrip(), highlight=False)


@contextmanager
def open_corpus_database() -> Iterator[Connection]:
    """A connection to the corpus, in a transaction; NoCorpusError or SchemaError where there is none yet."""
    with connect(existing_database_url(load_settings())) as connection:
        schema.require_current(connection)
        yield connection
