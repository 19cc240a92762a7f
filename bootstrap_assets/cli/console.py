"""Where the command prints: results on stdout, everything else on stderr."""

import json
from typing import Any

from rich.console import Console

out = Console(highlight=False, soft_wrap=False)
errors = Console(stderr=True, highlight=False)


def print_json(document: Any) -> None:
    """One JSON document on stdout, and nothing else."""
    print(json.dumps(document, ensure_ascii=False, indent=2, default=str))
