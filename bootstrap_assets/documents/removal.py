"""Removing documents and tenants: every row, text and vector that nobody else has goes with them."""

from functools import partial
from uuid import UUID

from bootstrap_assets.corpus import load, settlement
from bootstrap_assets.corpus.scope import Scope
from bootstrap_assets.corpus.staging import Staging, stage
from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.documents import states, tenants
from bootstrap_assets.documents.states import DocumentState

statement = statements_of(__name__)


def remove(database: Database, document: UUID) -> None:
    """Delete a document, its passages and connections, and the texts and vectors that only it had.

    Work on it ends at its next safe point, and writes nothing more.
    """
    with stage(states.SOURCE, []) as nothing:
        database.transact(partial(_remove, document=document, nothing=nothing))
    settlement.settle(database)  # texts that nothing has any more go here


def _remove(connection: Connection, document: UUID, nothing: Staging) -> None:
    for state in states.listing(connection, documents=[document]):
        states.forget(connection, document)
        connection.execute(statement("forget_letters"), {"document": document, "source": states.SOURCE})
        load.store(connection, nothing, scope_of(state), allow_deletes=True)


def remove_tenant(database: Database, tenant: str) -> int:
    """Delete a tenant with all its documents, one after another; returns how many there were.

    Stopped on the way, it goes on where it was, the next time.
    """
    with database.connection() as connection:
        tenants.require(connection, tenant)
    count = 0
    while documents := database.transact(partial(_forget_or_list, tenant=tenant)):
        for state in documents:
            remove(database, state.document_id)
        count += len(documents)
    return count


def _forget_or_list(connection: Connection, tenant: str) -> list[DocumentState]:
    """Delete a tenant that has no documents; else what it has. None can come meanwhile: the row is held."""
    connection.execute(statement("hold_tenant"), {"name": tenant})
    documents = states.listing(connection, tenant=tenant)
    if not documents:
        tenants.forget(connection, tenant)
    return documents


def scope_of(state: DocumentState) -> Scope:
    """What a load of this document alone speaks for."""
    return Scope(states.SOURCE, (states.source_id(state.tenant, state.name),), tenant=state.tenant)
