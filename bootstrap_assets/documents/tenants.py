"""Tenants: whose documents are kept apart, and the roles of PostgreSQL that applications read them with."""

import re
from dataclasses import dataclass

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import ConfigurationError

statement = statements_of(__name__)

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant, with the number of its documents and of those that failed."""

    name: str
    priority: int
    at_work: int | None
    documents: int
    failed: int
    passages: int


def add(connection: Connection, name: str, *, priority: int = 0, at_work: int | None = None) -> bool:
    """Make a tenant, or change what it may; returns whether it is new. ConfigurationError for no possible name."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot be a tenant's name: up to 63 of a-z, 0-9, '_', '.' and '-', a letter or digit first"
        )
    row = connection.execute(
        statement("add_tenant"), {"name": name, "priority": priority, "at_work": at_work}
    ).fetchone()
    return bool(row and row[0])


def listing(connection: Connection) -> list[Tenant]:
    """All tenants, the most urgent first."""
    return [Tenant(*row) for row in connection.execute(statement("list_tenants"))]


def require(connection: Connection, name: str) -> None:
    """Raise ConfigurationError where there is no such tenant."""
    if connection.execute(statement("has_tenant"), {"name": name}).fetchone() is None:
        raise ConfigurationError(f"there is no tenant {name!r}: `bootstrap tenants add {name}` makes one")


def forget(connection: Connection, name: str) -> None:
    """Delete a tenant with the states and files of its documents; their records went before."""
    connection.execute(statement("forget_tenant"), {"name": name})
