"""Where the command prints: results on stdout, everything else on stderr."""

import json
import sys
from typing import Any

from rich.console import Console

WIDE = 200
"""Columns of a table that goes into a pipe or a file."""

out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
errors = Console(stderr=True, highlight=False)


def print_json(document: Any) -> None:
    """One JSON document on stdout, and nothing else."""
    print(json.dumps(document, ensure_ascii=False, indent=2, default=str))
