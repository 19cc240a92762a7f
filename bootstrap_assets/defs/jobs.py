"""Jobs. `bootstrap` materialises everything in one run, over every batch."""

import dagster as dg

from bootstrap_assets.defs.partitions import ALL_BATCHES

EXECUTOR = dg.multiprocess_executor.configured(
    {
        "max_concurrent": 2,
        "start_method": {"forkserver": {"preload_modules": ["bootstrap_assets.definitions"]}},
    }
)


@dg.definitions
def jobs() -> dg.Definitions:
    """The jobs, and the executor of every run: two steps at once, in processes forked from a warm one."""
    return dg.Definitions(
        jobs=[
            dg.define_asset_job(
                "bootstrap",
                selection=dg.AssetSelection.all(),
                description="Archives, records, vectors of every batch, then the index.",
                tags=ALL_BATCHES,
            )
        ],
        executor=EXECUTOR,
    )
