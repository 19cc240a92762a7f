"""What a materialisation shows of itself."""

from collections.abc import Sequence

import dagster as dg

from bootstrap_assets.fill import BatchDone, Filled
from bootstrap_assets.pipeline import Archive
from bootstrap_assets.store.corpus import Loaded
from bootstrap_assets.store.index import Indexed

Metadata = dict[str, dg.MetadataValue]


def archive_metadata(archives: Sequence[Archive]) -> Metadata:
    """Files with sizes and checksums."""
    rows = "\n".join(
        f"| {archive.path.name} | {archive.size:,} | `{archive.sha256[:16]}…` |" for archive in archives
    )
    return {
        "files": dg.MetadataValue.md(f"| file | bytes | sha256 |\n|---|---|---|\n{rows}"),
        "bytes": dg.MetadataValue.int(sum(archive.size for archive in archives)),
    }


def loaded_metadata(loaded: Loaded) -> Metadata:
    """Counts of documents and records, and what changed."""
    grains = "\n".join(f"| {grain} | {count:,} |" for grain, count in loaded.by_granularity.items())
    return {
        "documents": dg.MetadataValue.int(loaded.documents),
        "dagster/row_count": dg.MetadataValue.int(loaded.records),
        "by_granularity": dg.MetadataValue.md(f"| granularity | records |\n|---|---|\n{grains}"),
        "new": dg.MetadataValue.int(loaded.new),
        "changed": dg.MetadataValue.int(loaded.changed),
        "deleted": dg.MetadataValue.int(loaded.deleted),
        "parse_errors": dg.MetadataValue.int(loaded.errors),
        "parse_warnings": dg.MetadataValue.int(loaded.warnings),
        "archive_unchanged": dg.MetadataValue.bool(loaded.unchanged_archive),
    }


def batch_metadata(done: BatchDone) -> Metadata:
    """Texts of one batch."""
    return {
        "texts": dg.MetadataValue.int(done.texts),
        "embedded": dg.MetadataValue.int(done.embedded),
        "failed": dg.MetadataValue.int(done.failed),
    }


def filled_metadata(filled: Filled, source: str) -> Metadata:
    """What a run over batches embedded, what it cost, and how to retry what failed."""
    return {
        "status": dg.MetadataValue.text(filled.status),
        "failures": dg.MetadataValue.int(filled.errors),
        **_how_to_retry(filled, source),
        "texts_embedded": dg.MetadataValue.int(filled.texts),
        "texts_already_there": dg.MetadataValue.int(filled.already),
        "texts_pooled": dg.MetadataValue.int(filled.pooled),
        "tokens": dg.MetadataValue.int(filled.tokens),
        "requests": dg.MetadataValue.int(filled.requests),
        "dollars": dg.MetadataValue.float(round(filled.cost, 6)),
        "seconds": dg.MetadataValue.float(round(filled.seconds, 2)),
    }


def _how_to_retry(filled: Filled, source: str) -> Metadata:
    if not filled.errors:
        return {}
    commands = f"`bootstrap failures list --source {source}`, then `bootstrap failures retry --source {source}`"
    return {"retry_failures": dg.MetadataValue.md(commands)}


def indexed_metadata(indexed: Indexed) -> Metadata:
    """What became of the index."""
    return {
        "action": dg.MetadataValue.text(indexed.action),
        "space": dg.MetadataValue.text(indexed.space),
        "vectors": dg.MetadataValue.int(indexed.vectors),
        "seconds": dg.MetadataValue.float(round(indexed.seconds, 2)),
        "promoted": dg.MetadataValue.bool(indexed.promoted),
        "records_without_vector": dg.MetadataValue.int(indexed.uncovered),
    }
