"""Removing a repository: its index, its jobs, and every record, text and vector that nobody else has."""

from functools import partial

from bootstrap_assets.corpus import load, settlement
from bootstrap_assets.corpus.staging import Staging, stage
from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.repositories import records, registry, store
from bootstrap_assets.repositories.records import Change


def remove(database: Database, name: str) -> None:
    """Delete a repository. Work on it ends at its next safe point, and writes nothing more."""
    with stage(records.SOURCE, []) as nothing:
        database.transact(partial(_remove, name=name, nothing=nothing))
    settlement.settle(database)


def remove_of_tenant(database: Database, tenant: str) -> int:
    """Delete all repositories of a tenant, one after another; returns how many there were."""
    with database.connection() as connection:
        names = registry.of_tenant(connection, tenant)
    for name in names:
        remove(database, name)
    return len(names)


def _remove(connection: Connection, name: str, nothing: Staging) -> None:
    repository = registry.get(connection, name)
    registry.cancel(connection, name)  # waits for a swap that goes on
    paths = records.paths_of(connection, name)
    load.store(connection, nothing, Change([], paths).scope(repository), allow_deletes=True)
    store.forget(connection, name)
    registry.forget(connection, name)
