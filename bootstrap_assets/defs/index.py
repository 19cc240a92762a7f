"""`reference_index`: one index over the vectors of all sources, built by itself once they are all up to date."""

from functools import partial

import dagster as dg
from pydantic import Field

from bootstrap_assets import pipeline
from bootstrap_assets.defs.about import KINDS, OWNERS, code, table, tags
from bootstrap_assets.defs.metadata import index_metadata
from bootstrap_assets.defs.resources import CorpusResource, failing_for_good
from bootstrap_assets.defs.sources import RETRY
from bootstrap_assets.embedding import versions
from bootstrap_assets.search import index
from bootstrap_assets.sources.registry import SOURCES

_IS = dg.AutomationCondition
_Condition = dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey]

DAILY = "0 4 * * *"
"""When a build that failed is asked for again, in UTC: after the schedules of the night."""


def when_all_sources_are_up_to_date() -> _Condition:
    """True once after sources changed: when none lacks a batch, is in progress, or is older than its records.
    And once a day while the last build has failed.

    `eager` and two things more. A source waits for its own records, so those must not be in progress either, nor
    have changed since the source was last filled. And the blocking checks of all sources must have passed.
    """
    outdated = _IS.any_deps_match(_IS.data_version_changed()).since(_IS.newly_updated())
    ready = (
        ~_IS.any_deps_missing()
        & ~_IS.any_deps_in_progress()
        & ~_IS.any_deps_match(_IS.any_deps_in_progress())
        & ~_IS.any_deps_match(outdated)
        & _IS.all_deps_blocking_checks_passed()
    )
    # As `since_last_handled`, but a source that was updated in the same tick as the index may be newer than it.
    handled = _IS.newly_requested() | (_IS.newly_updated() & ~_IS.any_deps_updated()) | _IS.initial_evaluation()
    changed = (_IS.newly_missing() | _IS.any_deps_updated()).since(handled)
    # Complete before anybody looked: no change would ever be seen.
    never_built = (_IS.missing() & _IS.initial_evaluation()).since(_IS.newly_requested() | _IS.newly_updated())
    # Its steps were retried already; what remains may pass in a day, and calls no provider.
    daily: _Condition = _IS.cron_tick_passed(DAILY)
    failed = (daily & _IS.execution_failed()).since(_IS.newly_requested() | _IS.newly_updated())
    return ((changed | never_built | failed) & ready & ~_IS.in_progress()).with_label("all sources are up to date")


class IndexConfig(dg.Config):
    """What may be asked of the index."""

    rebuild: bool = Field(default=False, description="Build it again even if it is in good order.")


@dg.asset(
    deps=list(SOURCES),
    group_name="index",
    description=(
        "An HNSW index over the vectors of all sources, and a full-text index over their texts and labels. It is "
        "kept while it is good, and replaced without a moment without one. The first space of vectors becomes the "
        "one that `reference_embeddings` shows and `search_reference` searches; another becomes ready beside it "
        "when it covers every record, and is searched from `bootstrap spaces promote` on.\n\n"
        "Method and parameters: [pgvector](https://github.com/pgvector/pgvector#hnsw)."
    ),
    owners=OWNERS,
    kinds=KINDS["index"],
    tags=tags("index"),
    metadata={**table("embedding_spaces"), **code(index.build)},
    automation_condition=when_all_sources_are_up_to_date(),
    retry_policy=RETRY,
)
def reference_index(
    context: dg.AssetExecutionContext, config: IndexConfig, corpus: CorpusResource
) -> dg.MaterializeResult[None]:
    """Build or keep the index, and say whether the space covers the corpus."""
    with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
        result = pipeline.build_index(open_corpus, rebuild=config.rebuild)
        version = open_corpus.database.transact(partial(versions.vectors_version, space=open_corpus.space))
    return dg.MaterializeResult(metadata=index_metadata(result), data_version=dg.DataVersion(version))


AUTOMATION = dg.AutomationConditionSensorDefinition(
    "build_index",
    target=dg.AssetSelection.assets("reference_index"),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Builds the index once all sources are up to date. On from the start: it calls no provider.",
)


@dg.definitions
def index_definitions() -> dg.Definitions:
    """The index and what builds it."""
    return dg.Definitions(assets=[reference_index], sensors=[AUTOMATION])
