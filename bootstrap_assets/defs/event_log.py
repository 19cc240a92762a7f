"""Dagster's event log in PostgreSQL, with the events that plan a run written in one statement.

A run over 128 batches of four sources plans 512 materialisations. dagster-postgres 0.29 writes each of them by
itself, over two new connections: eight seconds before the first step begins. Named in dagster.yaml. Should a
batch fail, Dagster itself falls back to writing its events one by one.
"""

from collections.abc import Sequence

import dagster as dg
from dagster_postgres import PostgresEventLogStorage

from bootstrap_assets.defs.private import SqlEventLogStorageTable
from bootstrap_assets.defs.storage import InItsSchema


class BatchingEventLogStorage(InItsSchema, PostgresEventLogStorage):
    """PostgresEventLogStorage, but planned materialisations are inserted together."""

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events that came as one batch."""
        if not all(event.get_dagster_event().is_asset_materialization_planned for event in events):
            super().store_event_batch(events)
            return
        statement = self.prepare_insert_event_batch(events).returning(SqlEventLogStorageTable.c.id)
        with self._connect() as connection:
            ids = [row[0] for row in connection.execute(statement).fetchall()]
        last = {event.get_dagster_event().asset_key: (event, id_) for event, id_ in zip(events, ids, strict=True)}
        with self.index_transaction() as connection:
            for event, event_id in last.values():
                self._store_asset_event(connection, event, event_id)
