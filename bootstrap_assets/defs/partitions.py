"""The batches as partitions. All sources share them, so that one run can materialise everything."""

import dagster as dg

from bootstrap_assets.embedding.batches import batch_keys
from bootstrap_assets.settings import load_settings

KEYS = batch_keys(load_settings().batches)
BATCHES = dg.StaticPartitionsDefinition(KEYS)

ALL_BATCHES = {"dagster/asset_partition_range_start": KEYS[0], "dagster/asset_partition_range_end": KEYS[-1]}
"""Tags that make a run cover every batch."""
