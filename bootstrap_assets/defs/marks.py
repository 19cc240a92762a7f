"""Marks a batch's partition as materialised while its run still goes on.

Marks are written together, at most every second: one by one they would cost more than the embedding.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata, generate_event_batch_id

from bootstrap_assets.batches import batch_key
from bootstrap_assets.defs.metadata import batch_metadata
from bootstrap_assets.fill import BatchDone

EVERY = 1.0
"""Seconds that a mark may wait for others."""


class Marks:
    """The marks of one step. Whatever happens to the step, `marking` writes what has been collected."""

    def __init__(self, context: dg.AssetExecutionContext, partitions: int) -> None:
        self._context = context
        self._partitions = partitions
        self._waiting: list[dg.AssetMaterialization] = []
        self._written = time.monotonic()

    def add(self, done: BatchDone) -> None:
        """Mark the partition of a batch that is complete."""
        key = batch_key(done.batch, self._partitions)
        self._waiting.append(
            dg.AssetMaterialization(self._context.asset_key, partition=key, metadata=batch_metadata(done))
        )
        if time.monotonic() - self._written >= EVERY:
            self.write()

    def write(self) -> None:
        """Write the marks that wait, as one batch of events."""
        batch = generate_event_batch_id()  # type: ignore[no-untyped-call]
        step = self._context.op_execution_context.get_step_execution_context()
        for number, mark in enumerate(self._waiting, 1):
            DagsterEvent.asset_materialization(
                step, mark, DagsterEventBatchMetadata(batch, is_end=number == len(self._waiting))
            )
        self._waiting.clear()
        self._written = time.monotonic()


@contextmanager
def marking(context: dg.AssetExecutionContext, partitions: int) -> Iterator[Marks]:
    """Marks for the length of a step."""
    marks = Marks(context, partitions)
    try:
        yield marks
    finally:
        marks.write()
