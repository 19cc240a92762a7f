"""Dagster's own commands need what `bootstrap env` exports; without it they end in one line."""

import sys
from pathlib import Path
from typing import NoReturn

from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import dagster_url, has_dagster_home

MISSING = 'Dagster does not know this corpus: run `eval "$(bootstrap env)"` in this shell first'


def require_environment() -> None:
    """Refuse a command of Dagster's that would work on a home and a storage of its own making."""
    if dagster_url() is None and not has_dagster_home() and _is_command():
        refuse()


def refuse() -> NoReturn:
    """End one of Dagster's commands; elsewhere raise ConfigurationError."""
    if not _is_command():
        raise ConfigurationError(MISSING)
    sys.stderr.write(f"bootstrap: {MISSING}\n")
    raise SystemExit(2)


def _is_command() -> bool:
    """Whether this process is `dagster ...`, `dagster-webserver ...`, `dg ...` or `python -m dagster ...`."""
    program = Path(sys.argv[0])
    names = (program.name, program.parent.name) if program.name == "__main__.py" else (program.name,)
    return any(name == "dg" or name.startswith(("dagster-", "dagster_")) or name == "dagster" for name in names)
