"""Tenants' documents: an asset for each stage, a partition for each tenant; what is to be done is in the rows."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from bootstrap_assets.defs.about import OWNERS, code, table
from bootstrap_assets.defs.jobs import JOB_TAG
from bootstrap_assets.defs.launcher import this_host
from bootstrap_assets.defs.resources import CorpusResource, failing_for_good
from bootstrap_assets.defs.sources import RETRY
from bootstrap_assets.documents import connections, stages, states
from bootstrap_assets.documents.extraction import extractor
from bootstrap_assets.documents.passages import passages_of
from bootstrap_assets.documents.stages import Processed
from bootstrap_assets.documents.steps import CHUNK, CONNECT, EMBED, EXTRACT, Step
from bootstrap_assets.labels import documents as readings

TENANTS_NAME = "tenants"
TENANTS = dg.DynamicPartitionsDefinition(name=TENANTS_NAME)

MOST_NAMES = 20
"""Failed documents that a check names."""

CHECK = "every_document"

Results = Iterator[dg.MaterializeResult[None]]


def _asset(
    step: Step, name: str, holds: str, deps: list[str], **more: Any
) -> Callable[[Callable[..., Results]], dg.AssetsDefinition]:
    """What the assets of the four stages have in common."""
    make: Callable[[Callable[..., Results]], dg.AssetsDefinition] = dg.asset(
        name=name,
        deps=deps,
        group_name="documents",
        description=holds,
        owners=OWNERS,
        kinds={"python", "postgres"},
        tags={"stage": "documents"},
        partitions_def=TENANTS,
        retry_policy=RETRY,
        check_specs=[
            dg.AssetCheckSpec(CHECK, asset=name, description=f"Whether each document of the tenant is {step.end}.")
        ],
        **more,
    )
    return make


@_asset(
    EXTRACT,
    "document_text",
    "The text of each document with the place of each part in its file (`document_extractions`). One that cannot "
    "be read fails alone.",
    [],
    metadata={**table("document_states"), **code(extractor.Extractor)},
)
def document_text(context: dg.AssetExecutionContext, corpus: CorpusResource) -> Results:
    """Extract what was not extracted yet."""
    yield from _stage(context, corpus, EXTRACT)


@_asset(
    CHUNK,
    "document_passages",
    "Passages of each document (`reference_records`), each with its page. A changed document has only its changed "
    "passages replaced.",
    ["document_text"],
    metadata={**table("reference_records"), **code(passages_of)},
)
def document_passages(context: dg.AssetExecutionContext, corpus: CorpusResource) -> Results:
    """Cut what was not cut yet."""
    yield from _stage(context, corpus, CHUNK)


@_asset(
    EMBED,
    "document_embeddings",
    "A vector for each distinct passage; none is paid for twice, over all tenants. The document can be searched "
    "now.",
    ["document_passages"],
    pool="provider",
    metadata={**table("reference_embeddings"), **code(stages.run)},
)
def document_embeddings(context: dg.AssetExecutionContext, corpus: CorpusResource) -> Results:
    """Embed what has no vector yet."""
    yield from _stage(context, corpus, EMBED)


class ConnectConfig(dg.Config):
    """Which documents are connected."""

    again: bool = Field(default=False, description="Also those that were, as after a change of the corpus.")


@_asset(
    CONNECT,
    "document_connections",
    "What each passage is like in the reference corpus, with label and score (`reference_connections`), and what "
    "each document holds and what is missing, where scorers of labels were trained (`document_labels`).",
    ["document_embeddings"],
    metadata=code(connections.connect),
)
def document_connections(
    context: dg.AssetExecutionContext, config: ConnectConfig, corpus: CorpusResource
) -> Results:
    """Connect what is not connected yet."""
    yield from _stage(context, corpus, CONNECT, again=config.again)


def _stage(context: dg.AssetExecutionContext, corpus: CorpusResource, step: Step, *, again: bool = False) -> Any:
    tenant = context.partition_key
    with failing_for_good(context), corpus.open(context.run.run_id) as ready:
        if again:
            ready.database.transact(partial(states.connect_again, tenant=tenant))
        processed = stages.run(ready, tenant, step)
        if step is CONNECT:
            readings.read_all(ready.database, tenant, ready.stop)
        counts = ready.database.transact(partial(states.count_by_stage, tenant=tenant))
        failures = ready.database.transact(partial(states.failures_in, tenant=tenant, step=step))
    yield dg.MaterializeResult(metadata=_metadata(processed, counts), check_results=[_verdict(tenant, failures)])


def _metadata(processed: Processed, counts: dict[str, int]) -> dict[str, Any]:
    about: dict[str, Any] = {
        "documents": processed.count,
        "failed": len(processed.failed),
        "seconds": round(processed.seconds, 2),
        "stages": dg.MetadataValue.json(counts),
    }
    if processed.fill:
        about |= {
            "texts": processed.fill.texts,
            "tokens": processed.fill.tokens,
            "dollars": processed.fill.cost,
        }
    return about


def _verdict(tenant: str, failures: dict[str, str]) -> dg.AssetCheckResult:
    lines = [f"* `{name}`: {reason}" for name, reason in list(failures.items())[:MOST_NAMES]]
    more = [f"* and {len(failures) - MOST_NAMES} more"] if len(failures) > MOST_NAMES else []
    about: dict[str, Any] = {"failed": len(failures)}
    if failures:
        about["documents"] = dg.MetadataValue.md("\n".join([*lines, *more]))
        about["retry"] = f"bootstrap documents retry --tenant {tenant}"
    return dg.AssetCheckResult(
        check_name=CHECK, passed=not failures, severity=dg.AssetCheckSeverity.WARN, metadata=about
    )


def tags_for(job: str, tenant: str) -> dict[str, str]:
    """Tags of a run for one tenant: it waits for others of this job and tenant, and for no more."""
    return {JOB_TAG: f"{job}-{tenant}"}


def _for_each_tenant(job: str) -> dg.PartitionedConfig[Any]:
    return dg.PartitionedConfig(
        partitions_def=TENANTS,
        run_config_for_partition_key_fn=lambda _tenant: {},
        tags_for_partition_key_fn=partial(tags_for, job),
    )


PROCESS = dg.define_asset_job(
    "process_documents",
    selection=dg.AssetSelection.assets("document_text", "document_passages", "document_embeddings"),
    config=_for_each_tenant("process_documents"),
    tags=this_host(),
    description="Text, passages and vectors of a tenant's documents: whatever they lack. May spend money.",
)

CONNECTING = dg.define_asset_job(
    "connect_documents",
    selection=dg.AssetSelection.assets("document_connections"),
    config=_for_each_tenant("connect_documents"),
    tags=this_host(),
    description="What a tenant's passages are like in the reference corpus. Calls no provider.",
)


@dg.definitions
def document_definitions() -> dg.Definitions:
    """The assets of documents and their jobs."""
    return dg.Definitions(
        assets=[document_text, document_passages, document_embeddings, document_connections],
        jobs=[PROCESS, CONNECTING],
    )
