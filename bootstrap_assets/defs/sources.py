"""Three assets for each source of the registry: its archive, its records, and its vectors by batch."""

import time
from collections.abc import Iterator, Sequence
from functools import partial

import dagster as dg

from bootstrap_assets import pipeline
from bootstrap_assets.corpus import overview
from bootstrap_assets.defs.about import KINDS, OWNERS, code, describe, kinds_of_vectors, links, table, tags
from bootstrap_assets.defs.marks import marking
from bootstrap_assets.defs.metadata import archive_metadata, load_metadata, source_metadata
from bootstrap_assets.defs.partitions import batches, count
from bootstrap_assets.defs.resources import CorpusResource, failing_for_good
from bootstrap_assets.embedding import versions
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.fetch import locate, shared_lock
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.sources.spec import Source

RETRY = dg.RetryPolicy(max_retries=3, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


def archive_version(archives: Sequence[locate.Archive]) -> str:
    """The version of what was published: its checksums."""
    return "-".join(archive.sha256[: overview.VERSION_LENGTH] for archive in archives)


def _fetch(corpus: CorpusResource, run_id: str, source: Source) -> list[locate.Archive]:
    """The archives of a source; what other hosts have too is held to the lock in the database."""
    settings, force = corpus.settings(), corpus.force_refresh
    if not locate.is_shared(settings):
        return locate.fetch(settings, source, force=force)
    with corpus.open(run_id) as open_corpus:
        return shared_lock.fetch(open_corpus.database, settings, source, force=force)


def archive_asset(*, source: Source) -> dg.AssetsDefinition:
    """`<source>_archive`: the files as published."""

    @dg.asset(
        name=f"{source.name}_archive",
        group_name="archives",
        description=describe(source, "The archives, as published: downloaded once, checked, kept."),
        owners=OWNERS,
        kinds=KINDS["archives"],
        tags=tags("archives", source),
        metadata={**links(source), **code(locate.fetch)},
        retry_policy=RETRY,
    )
    def archive(context: dg.AssetExecutionContext, corpus: CorpusResource) -> dg.MaterializeResult[None]:
        with failing_for_good(context):
            archives = _fetch(corpus, context.run.run_id, source)
        version = dg.DataVersion(archive_version(archives))
        return dg.MaterializeResult(metadata=archive_metadata(archives), data_version=version)

    return archive


def records_asset(*, source: Source) -> dg.AssetsDefinition:
    """`<source>_records`: documents, records and texts in PostgreSQL."""

    @dg.asset(
        name=f"{source.name}_records",
        deps=[f"{source.name}_archive"],
        group_name="records",
        description=describe(
            source,
            "Documents (`reference_documents`), labelled records (`reference_records`) and distinct texts "
            "(`reference_texts`), brought into line with the archives in one transaction.",
        ),
        owners=OWNERS,
        kinds=KINDS["records"],
        tags=tags("records", source),
        metadata={**links(source), **table("reference_records"), **code(source.parse, pipeline.load)},
        code_version=str(source.version),
        retry_policy=RETRY,
    )
    def records(context: dg.AssetExecutionContext, corpus: CorpusResource) -> dg.MaterializeResult[None]:
        start = time.monotonic()
        with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
            archives = shared_lock.fetch(open_corpus.database, open_corpus.settings, source)
            load = pipeline.load(open_corpus, source, archives, allow_deletes=corpus.allow_deletes)
            contents = open_corpus.database.transact(partial(overview.holdings, source=source.name))
            version = open_corpus.database.transact(partial(overview.records_version, source=source.name))
        metadata = load_metadata(load, contents, time.monotonic() - start)
        return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(version))

    return records


def backfill_policy() -> dg.BackfillPolicy:
    """How a backfill is cut into runs: one over all its batches, or one for each BOOTSTRAP_RUN_BATCHES of them."""
    batches_of_a_run = load_settings().run_batches
    if batches_of_a_run is None:
        return dg.BackfillPolicy.single_run()
    return dg.BackfillPolicy.multi_run(max_partitions_per_run=batches_of_a_run)


def source_asset(*, source: Source) -> dg.AssetsDefinition:
    """`<source>`: the vectors, in batches. Each batch is marked as materialised as soon as it is complete."""

    @dg.asset(
        name=source.name,
        deps=[f"{source.name}_records"],
        group_name="sources",
        description=describe(
            source,
            f"A vector for every distinct text, in {count()} batches by content hash: a changed record touches "
            "one batch. Read them in the view `reference_embeddings`.",
        ),
        owners=OWNERS,
        kinds=kinds_of_vectors(),
        tags=tags("sources", source),
        metadata={**links(source), **table("reference_embeddings"), **code(pipeline.embed)},
        partitions_def=batches(),
        pool="provider",
        backfill_policy=backfill_policy(),
        retry_policy=RETRY,
    )
    def vectors(context: dg.AssetExecutionContext, corpus: CorpusResource) -> Iterator[dg.MaterializeResult[None]]:
        numbers = [int(key) for key in context.partition_keys]
        with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
            transact, name = open_corpus.database.transact, source.name
            of_batches = transact(
                partial(versions.batch_versions, space=open_corpus.space, source=name, count=count())
            )
            with marking(context, of_batches) as marks:
                fill = pipeline.embed(open_corpus, source, batches=numbers, on_batch=marks.add)
            contents = transact(partial(overview.holdings, source=name))
        last = context.partition_keys[-1]
        metadata = source_metadata(fill, name, contents, last)
        context.add_asset_metadata(metadata, partition_key=last)  # that of the output would be every batch's
        yield dg.MaterializeResult()
        marks.confirm(numbers, metadata)

    return vectors


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
