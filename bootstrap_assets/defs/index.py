"""`reference_index`: one index over the vectors of all sources."""

import dagster as dg

from bootstrap_assets import pipeline
from bootstrap_assets.defs.metadata import indexed_metadata
from bootstrap_assets.defs.resources import CorpusResource, failing_for_good
from bootstrap_assets.defs.sources import RETRY
from bootstrap_assets.sources.registry import SOURCES


@dg.asset(
    deps=list(SOURCES),
    group_name="index",
    description="HNSW index over the vectors of all sources, and full-text index over their texts.",
    kinds={"postgres"},
    retry_policy=RETRY,
)
def reference_index(context: dg.AssetExecutionContext, corpus: CorpusResource) -> dg.MaterializeResult[None]:
    """Build or keep the index, and promote the space when it covers the corpus."""
    with failing_for_good(), corpus.open(context.run.run_id) as opened:
        indexed = pipeline.build_index(opened)
    return dg.MaterializeResult(metadata=indexed_metadata(indexed))
