"""The ledger: a row for each request to a provider, written before it is sent.

Because it also says what is in flight, it is what limits and budgets of all processes are counted from.
"""

from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.spaces import Space

statement = statements_of(__name__)

WINDOW = 61.0
"""Seconds over which a rate limit per minute is counted. One more than a minute, because a request that we send
later than another may arrive earlier."""


INTERACTIVE = ("documents",)
"""Sources that somebody waits for: they go before the others, unless a setting says otherwise."""

PRIORITIES = {"bulk": 0, "interactive": 1}


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a request for admission: its ledger row, or the seconds to wait, or what is spent already.

    Only one of the three is set. `spent` (dollars of this run) means that the budget does not allow it.
    """

    request: int | None
    wait: float | None
    spent: float | None


@dataclass(frozen=True, slots=True)
class Payer:
    """On whose account requests go: the limiter's name, the run, and what the run may cost in dollars.

    `priority` and `weight` say how it shares the limiter with others; None: by the source.
    """

    limiter: str
    run_id: str
    max_cost: float | None = None
    priority: int | None = None
    weight: float = 1.0

    def lane_of(self, source: str) -> str:
        """Who shares the limiter: a source, however many processes work on it; each run of tenants' documents."""
        return f"{source}/{self.run_id}" if source in INTERACTIVE else source

    def priority_of(self, source: str) -> int:
        """A higher one goes first."""
        return int(source in INTERACTIVE) if self.priority is None else self.priority


def reserve(
    connection: Connection,
    space: Space,
    payer: Payer,
    *,
    source: str,
    texts: int,
    tokens: int,
    dollars: float,
    requests_minute: int | None,
    tokens_minute: int | None,
    window: float = WINDOW,
) -> Admission:
    """Ask for admission of a request of `tokens` estimated tokens at `dollars` per million."""
    row = connection.execute(
        statement("reserve"),
        {
            "limiter": payer.limiter,
            "space": space.id,
            "source": source,
            "run": payer.run_id,
            "texts": texts,
            "tokens": tokens,
            "dollars": dollars,
            "requests_minute": requests_minute,
            "tokens_minute": tokens_minute,
            "window": window,
            "max_cost": payer.max_cost,
            "lane": payer.lane_of(source),
            "priority": payer.priority_of(source),
            "weight": payer.weight,
        },
    ).fetchone()
    assert row is not None
    request, wait, spent = row
    return Admission(request, wait if request is None else None, spent)


def settle(
    connection: Connection,
    request: int,
    outcome: str,
    *,
    seconds: float,
    tokens: int | None = None,
    cost: float | None = None,
) -> None:
    """Enter how a request ended. Without `tokens` and `cost` (dollars) the estimate stays: it may be charged."""
    parameters = {"request": request, "outcome": outcome, "seconds": seconds, "tokens": tokens, "cost": cost}
    connection.execute(statement("settle"), parameters)


def pause(connection: Connection, limiter: str, seconds: float) -> None:
    """Keep every process from sending on this account for some seconds."""
    connection.execute(statement("pause_limiter"), {"limiter": limiter, "seconds": seconds})


def costs(connection: Connection) -> list[dict[str, Any]]:
    """The ledger by day (UTC), model and source.

    `unsure_dollars`: the estimated cost of requests that got no complete answer, and that may be charged.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement("costs")).fetchall()


def waits(connection: Connection) -> dict[str, float]:
    """Seconds that each limiter lets nothing through any more, since the provider said so."""
    return dict(connection.execute(statement("limiter_waits")).fetchall())


def tokens_per_second(connection: Connection, space: Space) -> float | None:
    """How fast the last requests of a space were answered; None where there were none."""
    tokens, seconds = connection.execute(statement("lately"), {"space": space.id}).fetchone() or (0, 0.0)
    return tokens / seconds if tokens and seconds else None
