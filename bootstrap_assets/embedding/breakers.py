"""Circuit breakers: what has failed for good is not tried by every process again and again.

There is one for each account of a provider and one for each source. All processes see them. After the cool-down
one request may try (half-open); if it is answered the breaker closes.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import BreakerOpenError

statement = statements_of(__name__)


class Breaker(NamedTuple):
    """`state` is closed, open, or half-open: from `retry_at` on one request may try."""

    name: str
    state: str
    reason: str
    opened_at: datetime
    retry_at: datetime


Ending = Callable[[Connection, Sequence[str]], int]
"""How a probe of some breakers ends: `close` or `give_back`."""


def check(connection: Connection, names: Sequence[str]) -> list[str]:
    """Raise BreakerOpenError where one of these is open and cools down; returns those that may be probed."""
    half_open: list[str] = []
    for name, reason, seconds in connection.execute(statement("open_breakers"), {"names": list(names)}):
        if seconds:
            raise BreakerOpenError(_explain(name, reason, seconds))
        half_open.append(name)
    return half_open


def take(connection: Connection, names: Sequence[str]) -> None:
    """Take the probes of breakers; BreakerOpenError where another process has one."""
    for name in names:
        row = connection.execute(statement("take_probe"), {"name": name}).fetchone()
        if row and not row[1]:
            raise BreakerOpenError(_explain(name, row[0], 0.0))


def give_back(connection: Connection, names: Sequence[str]) -> int:
    """Free probes that got no answer; returns how many."""
    return connection.execute(statement("give_back_probes"), {"names": list(names)}).rowcount


def _explain(name: str, reason: str, seconds: float) -> str:
    when = f"or wait {_duration(seconds)}: then one request may try" if seconds else "one request is trying now"
    return (
        f"the circuit breaker of {name} is open: {reason.rstrip('.')}. Nothing is sent meanwhile. Fix the cause, "
        f"then `bootstrap breaker reset {name}`, {when}"
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def trip(connection: Connection, name: str, reason: str, *, cool_down: float) -> None:
    """Open a breaker for `cool_down` seconds."""
    connection.execute(statement("open_breaker"), {"name": name, "reason": reason, "cool_down": cool_down})


def close(connection: Connection, names: Sequence[str]) -> int:
    """Close breakers; returns how many were open."""
    return connection.execute(statement("close_breakers"), {"names": list(names)}).rowcount


def listing(connection: Connection) -> list[Breaker]:
    """Every breaker that was ever open, the open ones first."""
    return [Breaker(*row) for row in connection.execute(statement("list_breakers"))]
