"""Marks a batch's partition as materialised while its run still goes on, with the version of its content.

Marks are written together, at most every second: one by one they would cost more than the embedding.

Dagster gives all partitions that a step materialises one data version, and writes that when the step's output is
stored, over the marks. So the marks are written once more after the output: the last word on a batch is its own.
An asset's page shows its latest mark, whichever batch that is of: so the last one describes the whole source too.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from bootstrap_assets.defs.metadata import Metadata, batch_metadata
from bootstrap_assets.defs.private import (
    DagsterEvent,
    DagsterEventBatchMetadata,
    DataVersion,
    build_data_version_tags,
    generate_event_batch_id,
    get_code_version,
    get_input_provenance_data,
)
from bootstrap_assets.embedding.batches import batch_key
from bootstrap_assets.embedding.fill import BatchDone

Context = dg.AssetExecutionContext | dg.OpExecutionContext

EVERY = 1.0
"""Seconds that a mark may wait for others."""


class Marks:
    """The marks of one step. Where the step fails, `marking` writes what has been collected."""

    def __init__(self, context: Context, versions: Sequence[str], asset: str | None = None) -> None:
        self._versions = versions
        if isinstance(context, dg.AssetExecutionContext):
            self._step = context.op_execution_context.get_step_execution_context()
            self._asset = context.asset_key
            self._code = get_code_version(self._asset, self._step)
            self._inputs = get_input_provenance_data(self._asset, self._step)
        else:
            self._step = context.get_step_execution_context()
            self._asset = dg.AssetKey(asset or "")
            self._code, self._inputs = context.run_id, {}
        self._results: dict[int, BatchDone] = {}
        self._waiting: list[dg.AssetMaterialization] = []
        self._last_write = time.monotonic()

    def add(self, result: BatchDone) -> None:
        """Mark the partition of a batch that is complete."""
        self._results[result.batch] = result
        self._waiting.append(self._mark(result))
        if time.monotonic() - self._last_write >= EVERY:
            self.write()

    def add_empty(self, batches: Iterable[int]) -> None:
        """Mark the batches that have no text: nothing else is said of them."""
        for batch in sorted(set(batches) - self._results.keys()):
            self.add(BatchDone(batch, 0, 0, 0))

    def confirm(self, batches: Iterable[int], of_source: Metadata) -> None:
        """Mark batches once more, those without texts too: to be called after the step's output was stored.

        The last of them carries the metadata of the whole source.
        """
        results = [self._results.get(batch, BatchDone(batch, 0, 0, 0)) for batch in sorted(batches)]
        self._waiting = [self._mark(batch) for batch in results[:-1]]
        self._waiting += [self._mark(batch, of_source) for batch in results[-1:]]
        self.write()

    def write(self) -> None:
        """Write the marks that wait, as one batch of events."""
        batch = generate_event_batch_id()  # type: ignore[no-untyped-call]
        for number, mark in enumerate(self._waiting, 1):
            DagsterEvent.asset_materialization(
                self._step, mark, DagsterEventBatchMetadata(batch, is_end=number == len(self._waiting))
            )
        self._waiting.clear()
        self._last_write = time.monotonic()

    def _mark(self, result: BatchDone, of_source: Metadata | None = None) -> dg.AssetMaterialization:
        version = DataVersion(self._versions[result.batch])
        return dg.AssetMaterialization(
            self._asset,
            partition=batch_key(result.batch, len(self._versions)),
            metadata=(of_source or {}) | batch_metadata(result),
            tags=build_data_version_tags(version, self._code, self._inputs, data_version_is_user_provided=True),
        )


@contextmanager
def marking(context: Context, versions: Sequence[str], asset: str | None = None) -> Iterator[Marks]:
    """Marks for the length of a step; `versions`: that of each batch, in order.

    The step of an asset `confirm`s them; one of a mere op names the `asset`, and `write`s the last of them.
    """
    marks = Marks(context, versions, asset)
    try:
        yield marks
    except BaseException:
        marks.write()  # otherwise the step's output marks every batch, and `confirm` gives each its version
        raise
