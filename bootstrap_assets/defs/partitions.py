"""The batches as partitions. All sources share them, so that one run can materialise everything.

How many there are is a setting, read when the definitions are built and not when a module is imported; a process
keeps to the number it began with.
"""

from functools import cache

import dagster as dg

from bootstrap_assets.embedding.batches import batch_keys
from bootstrap_assets.settings import load_settings


@cache
def batches() -> dg.StaticPartitionsDefinition:
    """A partition for each batch."""
    return dg.StaticPartitionsDefinition(batch_keys(load_settings().batches))


def all_batches() -> dict[str, str]:
    """Tags that make a run cover every batch."""
    keys = batches().get_partition_keys()
    return {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}


def count() -> int:
    """How many batches there are."""
    return len(batches().get_partition_keys())
