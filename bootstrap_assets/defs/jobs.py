"""Jobs. `bootstrap` materialises everything in one run, over every batch."""

import dagster as dg

from bootstrap_assets.defs.partitions import ALL_BATCHES

WARM = ["bootstrap_assets.definitions"]
"""Modules that the process which steps are forked from has imported."""


def executor() -> dg.ExecutorDefinition:
    """Two steps at once, each in a process of its own, forked from a warm one."""
    start = {"forkserver": {"preload_modules": WARM}}
    return dg.multiprocess_executor.configured({"max_concurrent": 2, "start_method": start})


@dg.definitions
def jobs() -> dg.Definitions:
    """The jobs, and the executor of every run."""
    return dg.Definitions(
        jobs=[
            dg.define_asset_job(
                "bootstrap",
                selection=dg.AssetSelection.all(),
                description="Archives, records, vectors of every batch, then the index.",
                tags=ALL_BATCHES,
            )
        ],
        executor=executor(),
    )
