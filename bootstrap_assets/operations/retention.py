"""How long things are kept: records of what happened go after a time, their sums stay."""

import time
from contextlib import suppress

import psycopg

from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import BootstrapError

statement = statements_of(__name__)

KEEP_DAYS = 90
"""Days for which requests to providers, events, resolved failures, ended requests and the vectors that evaluations
no longer use are kept."""

BATCH = 1_000
"""Rows that one transaction deletes at most."""

PATIENCE = 10.0
"""Seconds that a run spends on it at most; the rest is left to the next run."""

_STEPS = (
    "prune_usage",
    "prune_budgets",
    "prune_events",
    "prune_failures",
    "prune_requests",
    "prune_evaluation_vectors",
)

_LOCK = 0x70727565  # "prue": one process prunes


def prune(database: Database, *, patience: float = PATIENCE) -> int:
    """Delete what is older than `KEEP_DAYS`, in small batches; returns how many rows went.

    Waits for nobody, and fails no run: what it could not delete is left for the next time.
    """
    until = time.monotonic() + patience
    rows = 0
    for step in _STEPS:
        with suppress(psycopg.Error, BootstrapError):
            while time.monotonic() < until:
                with database.connection() as connection:
                    count = _prune_batch(connection, step)
                rows += count
                if count < BATCH:
                    break
    return rows


def _prune_batch(connection: Connection, step: str) -> int:
    row = connection.execute(statement("try_pruning"), {"key": _LOCK}).fetchone()
    if not row or not row[0]:
        return 0
    connection.execute("SET LOCAL lock_timeout = '1s'")
    row = connection.execute(statement(step), {"days": KEEP_DAYS, "limit": BATCH}).fetchone()
    return int(row[0]) if row else 0
