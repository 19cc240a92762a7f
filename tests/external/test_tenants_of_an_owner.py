"""Tenants where the corpus belongs to a role like any other: row security holds for its owner too."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from bootstrap_assets import pipeline
from bootstrap_assets.database.connection import connect
from bootstrap_assets.documents import removal, rights, stages
from bootstrap_assets.embedding.context import Corpus, open_corpus
from bootstrap_assets.search.query import Filters, search
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.registry import SOURCES
from tests.external.server import External, fill, grant_everything, set_password
from tests.integration.test_documents import TEXT, add_tenant, put, state_of

SECRET = "zyxquokka"
SEALED = ("reference_documents", "reference_records", "reference_connections", "document_states")
"""Tables whose row security is forced."""


@pytest.fixture
def owned(external: External, other: str, tmp_path: Path) -> Iterator[Corpus]:
    """A corpus whose owner is no superuser, with documents of two tenants."""
    grant_everything(external, other)
    settings = load_settings(
        home=tmp_path, database_url=external.url("corpus", other), embedder="local", batches=8
    )
    fill(settings)
    with open_corpus(settings) as corpus:
        for tenant, word in (("asker", "brillig"), ("other", SECRET)):
            add_tenant(corpus, tenant)
            put(corpus, tenant, f"{word}.md", TEXT.replace(b"party", word.encode()))
            stages.process(corpus, tenant)
        yield corpus


@contextmanager
def application(external: External, corpus: Corpus, database: str) -> Iterator[psycopg.Connection]:
    """A connection of an application's role, which the owner let read."""
    with external.admin(database) as administrator:
        if not administrator.execute("SELECT FROM pg_roles WHERE rolname = 'app_of_tenants'").rowcount:
            administrator.execute("CREATE ROLE app_of_tenants LOGIN")
        set_password(administrator, "app_of_tenants")
        administrator.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO app_of_tenants").format(sql.Identifier(database))
        )
    with corpus.database.connection() as connection:
        rights.grant(connection, "app_of_tenants")
    with psycopg.connect(external.url("app_of_tenants", database), autocommit=True) as connection:
        yield connection


def contents(connection: psycopg.Connection, relation: str) -> str:
    query = sql.SQL("SELECT coalesce(string_agg(r::text, ' '), '') FROM {} r").format(sql.Identifier(relation))
    row = connection.execute(query).fetchone()
    return str(row[0]) if row else ""


def test_the_owner_takes_documents_all_the_way_and_removes_them(owned: Corpus) -> None:
    with owned.database.connection() as connection:
        row = connection.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert row.fetchone() == (False,)
        clause = connection.execute("SELECT content FROM reference_embeddings WHERE length(content) > 300 LIMIT 1")
        [[content]] = clause.fetchall()
    document = put(owned, "other", "more.txt", content.encode())
    stages.process(owned, "other")
    assert state_of(owned, document).stage == "complete"
    assert state_of(owned, document).connections
    hits = search(owned.database, owned.settings, SECRET, k=10, filters=Filters(tenant="other"))
    assert any(SECRET in hit.content for hit in hits)
    assert not search(owned.database, owned.settings, f'"{SECRET}"', k=10, filters=Filters(tenant="asker"))
    assert not pipeline.embed(owned, SOURCES["bonterms"]).texts
    assert removal.remove_tenant(owned.database, "other") == 2
    with owned.database.connection() as connection:
        for relation in (*SEALED, "reference_texts", "document_extractions"):
            assert SECRET not in contents(connection, relation)


def test_the_owner_in_a_session_that_is_none_of_ours_sees_the_reference_alone(owned: Corpus) -> None:
    with psycopg.connect(owned.database.url, autocommit=True) as connection:
        for relation in SEALED:
            assert SECRET not in contents(connection, relation)
            assert connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(relation))).rowcount in (
                0,
                None,
            )
        row = connection.execute("SELECT count(*), count(tenant_id) FROM reference_records").fetchone()
        assert row
        assert row[0] > 0 == row[1]
        connection.execute("SET row_security = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM reference_records")
    with connect(owned.database.url) as connection:
        assert SECRET in contents(connection, "reference_documents")


@pytest.mark.parametrize("says", [False, True])
def test_an_applications_role_sees_its_tenant_alone_whatever_it_says(
    external: External, owned: Corpus, other: str, says: bool
) -> None:
    find = (
        f"SELECT count(*) FROM search_reference('{SECRET} liability', NULL, 100) s WHERE s::text LIKE '%{SECRET}%'"
    )
    with application(external, owned, other) as connection:
        if says:
            connection.execute("SET bootstrap.pipeline = 'on'")
        for tenant, seen in (("other", True), ("asker", False), ("", False), ("other", True)):
            with connection.transaction():
                connection.execute("SELECT set_config('bootstrap.tenant', %s, true)", (tenant,))
                for relation in (*SEALED, "reference_texts", "reference_embeddings"):
                    hidden = relation == "reference_connections" or not seen
                    assert (SECRET in contents(connection, relation)) is not hidden, (relation, tenant)
                row = connection.execute(find.encode()).fetchone()
                assert bool(row and row[0]) is seen
