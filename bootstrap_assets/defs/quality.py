"""`reference_quality`: figures of the corpus that is searched, for Dagster to draw over time."""

from functools import partial

import dagster as dg

from bootstrap_assets.defs.about import KINDS, OWNERS, code, table, tags
from bootstrap_assets.defs.metadata import quality_metadata
from bootstrap_assets.defs.partitions import KEYS
from bootstrap_assets.defs.resources import CorpusResource, failing_for_good
from bootstrap_assets.defs.sources import RETRY
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.store import checks


@dg.asset(
    deps=["reference_index"],
    group_name="quality",
    description=(
        "How good the corpus is: the index's recall against an exact search, and for each source its records, "
        "those with a vector, and its dead letters. Changes nothing; Dagster plots its figures over time."
    ),
    owners=OWNERS,
    kinds=KINDS["quality"],
    tags=tags("quality"),
    metadata={**table("reference_embeddings"), **code(checks.recall, checks.coverage)},
    retry_policy=RETRY,
)
def reference_quality(context: dg.AssetExecutionContext, corpus: CorpusResource) -> dg.MaterializeResult[None]:
    """Ask the database what the checks ask, and tell the figures."""
    with failing_for_good(), corpus.open(context.run.run_id) as opened:
        transact, space = opened.database.transact, opened.space
        found = transact(partial(checks.recall, space=space))
        covered = {
            name: transact(partial(checks.coverage, space=space, source=name, count=len(KEYS))) for name in SOURCES
        }
        dead = {name: transact(partial(checks.errors, space=space, source=name)) for name in SOURCES}
    return dg.MaterializeResult(metadata=quality_metadata(found, covered, dead))
