"""`bootstrap_sharded`: what `bootstrap` does, in steps that an executor can distribute.

One step loads every source, BOOTSTRAP_SHARDS steps embed a range of batches each, one builds the index. A step
finds all it needs in the database, but for the first, which fetches the archives. After a failure "re-execute
from failure" runs the steps that failed, and they find what is left of their range.
"""

import time
from collections.abc import Sequence
from functools import partial

import dagster as dg

from bootstrap_assets import pipeline
from bootstrap_assets.corpus import overview
from bootstrap_assets.defs.jobs import job_tags
from bootstrap_assets.defs.marks import marking
from bootstrap_assets.defs.metadata import Metadata, archive_metadata, index_metadata, load_metadata
from bootstrap_assets.defs.partitions import count
from bootstrap_assets.defs.private import DataVersion, build_data_version_tags
from bootstrap_assets.defs.resources import CorpusResource, failing_for_good
from bootstrap_assets.defs.sources import RETRY, archive_version
from bootstrap_assets.embedding import versions
from bootstrap_assets.embedding.batches import ranges
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.fetch import shared_lock
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.sources.spec import Source


def batches_of(shard: int, shards: int) -> list[int]:
    """The batches of one of so many shards: a range, as long as the others or one batch shorter."""
    return [batch for batch in range(count()) if batch * shards // count() == shard]


@dg.op(retry_policy=RETRY)
def load_sources(context: dg.OpExecutionContext, corpus: CorpusResource) -> None:
    """Fetch the archives of every source, and bring its records into line with them."""
    with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
        for source in SOURCES.values():
            start = time.monotonic()
            archives = shared_lock.fetch(
                open_corpus.database, open_corpus.settings, source, force=corpus.force_refresh
            )
            load = pipeline.load(open_corpus, source, archives, allow_deletes=corpus.allow_deletes)
            contents = open_corpus.database.transact(partial(overview.holdings, source=source.name))
            version = open_corpus.database.transact(partial(overview.records_version, source=source.name))
            metadata = load_metadata(load, contents, time.monotonic() - start)
            _log(context, f"{source.name}_archive", archive_metadata(archives), archive_version(archives))
            _log(context, f"{source.name}_records", metadata, version)


def embed_shard(shard: int, shards: int) -> dg.OpDefinition:
    """The step that embeds one of so many shards."""

    @dg.op(
        name=f"embed_{shard}",
        ins={"records": dg.In(dg.Nothing)},
        retry_policy=RETRY,
        pool="provider",
        description=f"Vectors of the batches {ranges(batches_of(shard, shards))} of every source.",
    )
    def embed(context: dg.OpExecutionContext, corpus: CorpusResource) -> None:
        with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
            for source in SOURCES.values():
                _embed(context, open_corpus, source, batches_of(shard, shards))

    return embed


def _embed(context: dg.OpExecutionContext, corpus: Corpus, source: Source, batches: Sequence[int]) -> None:
    versions_of = partial(versions.batch_versions, space=corpus.space, source=source.name, count=count())
    with marking(context, corpus.database.transact(versions_of), source.name) as marks:
        fill = pipeline.embed(corpus, source, batches=batches, on_batch=marks.add)
        marks.add_empty(batches)
        marks.write()
    context.log.info(f"{source.name}: {fill.texts} texts embedded, {fill.already} had their vector")


@dg.op(ins={"vectors": dg.In(dg.Nothing)}, retry_policy=RETRY)
def build_index(context: dg.OpExecutionContext, corpus: CorpusResource) -> None:
    """Build or keep the index over the vectors of all sources."""
    with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
        result = pipeline.build_index(open_corpus)
        version = open_corpus.database.transact(partial(versions.vectors_version, space=open_corpus.space))
    _log(context, "reference_index", index_metadata(result), version)


def _log(context: dg.OpExecutionContext, asset: str, metadata: Metadata, version: str) -> None:
    """Say that an asset is there now."""
    tags = build_data_version_tags(
        DataVersion(version), context.run.run_id, {}, data_version_is_user_provided=True
    )
    context.log_event(dg.AssetMaterialization(asset, metadata=metadata, tags=tags))


def sharded_job(shards: int) -> dg.JobDefinition:
    """The job, so many shards wide."""

    @dg.job(
        name="bootstrap_sharded",
        description=f"Everything, as `bootstrap` does it, with {shards} steps that embed a range of batches each "
        "(BOOTSTRAP_SHARDS), for executors that distribute steps (BOOTSTRAP_EXECUTOR).",
        tags=job_tags("bootstrap"),
    )
    def bootstrap_sharded() -> None:
        records = load_sources()
        build_index([embed_shard(shard, shards)(records) for shard in range(shards)])

    return bootstrap_sharded


@dg.definitions
def sharded_definitions() -> dg.Definitions:
    """The job, as wide as BOOTSTRAP_SHARDS says; no wider than there are batches."""
    return dg.Definitions(jobs=[sharded_job(min(load_settings().shards, count()))])
