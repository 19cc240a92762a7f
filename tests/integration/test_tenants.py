"""Tenants are sealed: what a role of an application can read, count, find, infer and change of another tenant's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bootstrap_assets.database.connection import Connection, connect
from bootstrap_assets.documents import inbox, removal, rights, stages, states, tenants
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import ConfigurationError
from tests.integration.test_documents import add_tenant, put, sources_loaded

SECRET = "zyxquokka"
"""A word of one tenant alone."""

OWN = "brillig"
"""A word of the tenant that asks."""

ROLE, PASSWORD = "application_of_a_test", "sealed"

DENIED = (psycopg.errors.InsufficientPrivilege,)


def secret_text(word: str) -> bytes:
    """A contract in which a word stands in every paragraph."""
    paragraphs = [f"{number}. The {word} clause number {number} caps liability at {number} {word}." for number in range(1, 9)]
    return "\n\n".join(paragraphs).encode()


@pytest.fixture
def sealed(corpus: Corpus) -> Corpus:
    """A corpus with the reference, and documents of two tenants."""
    sources_loaded(corpus)
    for tenant, word in (("asker", OWN), ("other", SECRET)):
        add_tenant(corpus, tenant)
        put(corpus, tenant, f"{word}.txt", secret_text(word))
        stages.process(corpus, tenant)
    return corpus


@contextmanager
def reader(corpus: Corpus, tenant: str | None) -> Iterator[Connection]:
    """A connection of an application's role, in a transaction, for a tenant."""
    with corpus.database.connection() as connection:
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (ROLE,)).rowcount:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(ROLE), sql.Literal(PASSWORD))
            )
        rights.grant(connection, ROLE)
    with connect(corpus.database.url, autocommit=True) as connection:
        connection.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(ROLE)))
        connection.execute("SET bootstrap.pipeline = 'on'")  # anybody can say so: it opens nothing
        with connection.transaction():
            if tenant is not None:
                connection.execute("SELECT set_config('bootstrap.tenant', %s, true)", (tenant,))
            yield connection


def relations(connection: Connection) -> list[str]:
    """Every table, view and sequence of the schema, from the catalogue."""
    query = "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r','v','m','p','f','S')"
    return [row[0] for row in connection.execute(query)]


def readable(connection: Connection, relation: str, condition: str = "true") -> int | None:
    """Rows of a relation as text that meet a condition; None where reading it is refused."""
    query = sql.SQL("SELECT count(*) FROM {} r WHERE {}").format(sql.Identifier(relation), sql.SQL(condition))  # type: ignore[arg-type]
    try:
        with connection.transaction():
            row = connection.execute(query).fetchone()
            return int(row[0]) if row else 0
    except DENIED:
        return None
