"""Three assets for each source of the registry: its archive, its records, and its vectors by batch."""

import dagster as dg

from bootstrap_assets import pipeline
from bootstrap_assets.defs.marks import marking
from bootstrap_assets.defs.metadata import archive_metadata, filled_metadata, loaded_metadata
from bootstrap_assets.defs.partitions import BATCHES, KEYS
from bootstrap_assets.defs.resources import CorpusResource, failing_for_good
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.sources.spec import Source

RETRY = dg.RetryPolicy(max_retries=3, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


def archive_asset(*, source: Source) -> dg.AssetsDefinition:
    """`<source>_archive`: the files as published."""

    @dg.asset(
        name=f"{source.name}_archive",
        group_name="archives",
        description=f"The archives of {source.title}, as published at {source.homepage}.",
        kinds={"file"},
        metadata=_about(source),
        retry_policy=RETRY,
    )
    def archive(corpus: CorpusResource) -> dg.MaterializeResult[None]:
        with failing_for_good():
            archives = pipeline.fetch(corpus.settings(), source, force=corpus.force_refresh)
        return dg.MaterializeResult(metadata=archive_metadata(archives))

    return archive


def records_asset(*, source: Source) -> dg.AssetsDefinition:
    """`<source>_records`: documents, records and texts in PostgreSQL."""

    @dg.asset(
        name=f"{source.name}_records",
        deps=[f"{source.name}_archive"],
        group_name="records",
        description=f"Documents, labelled records and distinct texts of {source.title}, in one transaction.",
        kinds={"postgres"},
        metadata={**_about(source), "dagster/table_name": "reference_records"},
        retry_policy=RETRY,
    )
    def records(context: dg.AssetExecutionContext, corpus: CorpusResource) -> dg.MaterializeResult[None]:
        with failing_for_good(), corpus.open(context.run.run_id) as opened:
            archives = pipeline.fetch(opened.settings, source)
            loaded = pipeline.load(opened, source, archives, allow_deletes=corpus.allow_deletes)
        return dg.MaterializeResult(metadata=loaded_metadata(loaded))

    return records


def source_asset(*, source: Source) -> dg.AssetsDefinition:
    """`<source>`: the vectors, in batches. Each batch is marked as materialised as soon as it is complete."""

    @dg.asset(
        name=source.name,
        deps=[f"{source.name}_records"],
        group_name="sources",
        description=source.description,
        kinds={"postgres"},
        metadata={**_about(source), "dagster/table_name": "reference_embeddings"},
        partitions_def=BATCHES,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=RETRY,
    )
    def vectors(context: dg.AssetExecutionContext, corpus: CorpusResource) -> None:
        with failing_for_good(), corpus.open(context.run.run_id) as opened, marking(context, len(KEYS)) as marks:
            batches = [int(key) for key in context.partition_keys]
            filled = pipeline.embed(opened, source, batches=batches, on_batch=marks.add)
        context.add_output_metadata(filled_metadata(filled, source.name))

    return vectors


def _about(source: Source) -> dict[str, dg.MetadataValue]:
    return {
        "homepage": dg.MetadataValue.url(source.homepage),
        "licence": dg.MetadataValue.text(f"{source.licence}, {source.attribution}"),
    }


@dg.definitions
def source_definitions() -> dg.Definitions:
    """The assets of every source in the registry."""
    return dg.Definitions(
        assets=[
            make(source=source)
            for source in SOURCES.values()
            for make in (archive_asset, records_asset, source_asset)
        ]
    )
