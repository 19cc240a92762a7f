"""Tenants' documents: an asset for each stage, a partition for each tenant; what is to be done is in the rows."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from bootstrap_assets.defs.about import OWNERS, code, table
from bootstrap_assets.defs.resources import CorpusResource, failing_for_good
from bootstrap_assets.defs.sources import RETRY
from bootstrap_assets.documents import connections, stages, states
from bootstrap_assets.documents.extraction import extractor
from bootstrap_assets.documents.passages import passages_of
from bootstrap_assets.documents.stages import Processed
from bootstrap_assets.documents.steps import CHUNK, CONNECT, EMBED, EXTRACT, Step

TENANTS_NAME = "tenants"
TENANTS = dg.DynamicPartitionsDefinition(name=TENANTS_NAME)

SHOWN = 20
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
            dg.AssetCheckSpec(
                CHECK, asset=name, description=f"Whether each document of the tenant is {step.done}."
            )
        ],
        **more,
    )
    return make


@_asset(
    EXTRACT,
    "document_text",
    "The text of each document with the place of each part in its file (`document_extractions`). One that cannot be "
    "read fails alone.",
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
    "A vector for each distinct passage; none is paid for twice, over all tenants. The document can be searched now.",
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
    "What each passage is like in the reference corpus, with label and score (`reference_connections`).",
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
    with failing_for_good(context), corpus.open(context.run.run_id) as opened:
        if again:
            opened.database.transact(partial(states.connect_again, tenant=tenant))
        processed = stages.run(opened, tenant, step)
        counts = opened.database.transact(partial(states.count_by_stage, tenant=tenant))
        failures = opened.database.transact(partial(states.failures_in, tenant=tenant, step=step))
    yield dg.MaterializeResult(metadata=_metadata(processed, counts), check_results=[_verdict(tenant, failures)])


def _metadata(processed: Processed, counts: dict[str, int]) -> dict[str, Any]:
    about: dict[str, Any] = {
        "documents": processed.done,
        "failed": len(processed.failed),
        "seconds": round(processed.seconds, 2),
        "stages": dg.MetadataValue.json(counts),
    }
    if processed.filled:
        about |= {
            "texts": processed.filled.texts,
            "tokens": processed.filled.tokens,
            "dollars": processed.filled.cost,
        }
    return about


def _verdict(tenant: str, failures: dict[str, str]) -> dg.AssetCheckResult:
    lines = [f"* `{name}`: {reason}" for name, reason in list(failures.items())[:SHOWN]]
    more = [f"* and {len(failures) - SHOWN} more"] if len(failures) > SHOWN else []
    about: dict[str, Any] = {"failed": len(failures)}
    if failures:
        about["documents"] = dg.MetadataValue.md("\n".join([*lines, *more]))
        about["retry"] = f"bootstrap documents retry --tenant {tenant}"
    return dg.AssetCheckResult(
        check_name=CHECK, passed=not failures, severity=dg.AssetCheckSeverity.WARN, metadata=about
    )


PROCESS = dg.define_asset_job(
    "process_documents",
    selection=dg.AssetSelection.assets("document_text", "document_passages", "document_embeddings"),
    partitions_def=TENANTS,
    description="Text, passages and vectors of a tenant's documents: whatever they lack. May spend money.",
)

CONNECTING = dg.define_asset_job(
    "connect_documents",
    selection=dg.AssetSelection.assets("document_connections"),
    partitions_def=TENANTS,
    description="What a tenant's passages are like in the reference corpus. Calls no provider.",
)


@dg.definitions
def document_definitions() -> dg.Definitions:
    """The assets of documents and their jobs."""
    return dg.Definitions(
        assets=[document_text, document_passages, document_embeddings, document_connections],
        jobs=[PROCESS, CONNECTING],
    )
