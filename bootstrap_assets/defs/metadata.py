"""What a materialisation shows of itself."""

from collections.abc import Mapping, Sequence

import dagster as dg

from bootstrap_assets.corpus.load import Loaded
from bootstrap_assets.corpus.overview import Held
from bootstrap_assets.corpus.records import SAMPLE
from bootstrap_assets.embedding.fill import BatchDone, Filled
from bootstrap_assets.sample import provenance
from bootstrap_assets.search.index import Indexed
from bootstrap_assets.sources.fetch.locate import Archive

Metadata = dict[str, dg.MetadataValue]

BAR = 24
"""Characters of the longest bar."""


def counted(what: str, counts: Mapping[str, int], of: str = "records") -> dg.MetadataValue:
    """Counts as a markdown table, each with its bar."""
    longest = max(counts.values(), default=0) or 1
    rows = "\n".join(
        f"| {name} | {n:,} | {'█' * max(round(BAR * n / longest), n > 0)} |" for name, n in counts.items()
    )
    return dg.MetadataValue.md(f"| {what} | {of} | |\n|---|---:|---|\n{rows}" if counts else f"no {of}")


def archive_metadata(archives: Sequence[Archive]) -> Metadata:
    """Files with sizes and checksums."""
    rows = "\n".join(
        f"| {archive.path.name} | {archive.size:,} | `{archive.sha256[:16]}…` |" for archive in archives
    )
    return {
        "files": dg.MetadataValue.md(f"| file | bytes | sha256 |\n|---|---:|---|\n{rows}"),
        "bytes": dg.MetadataValue.int(sum(archive.size for archive in archives)),
        "origin": dg.MetadataValue.text(_archives_origin(archives)),
    }


def _archives_origin(archives: Sequence[Archive]) -> str:
    invented = [archive.path.name for archive in archives if archive.invented]
    if not invented:
        return "as given; none of them is the sample"
    which = "" if len(invented) == len(archives) else f" ({', '.join(invented)})"
    return f"{SAMPLE}{which}: {provenance.LICENCE}, {provenance.ATTRIBUTION}"


def loaded_metadata(loaded: Loaded, held: Held, seconds: float) -> Metadata:
    """Counts of documents and records, and what changed."""
    return {
        "documents": dg.MetadataValue.int(loaded.documents),
        "dagster/row_count": dg.MetadataValue.int(loaded.records),
        **held_metadata(held),
        "new": dg.MetadataValue.int(loaded.new),
        "changed": dg.MetadataValue.int(loaded.changed),
        "deleted": dg.MetadataValue.int(loaded.deleted),
        "what_changed": counted(
            "records",
            {
                "new": loaded.new,
                "changed": loaded.changed,
                "as before": loaded.unchanged,
                "deleted": loaded.deleted,
            },
        ),
        "parse_errors": dg.MetadataValue.int(loaded.errors),
        "parse_warnings": dg.MetadataValue.int(loaded.warnings),
        "archive_unchanged": dg.MetadataValue.bool(loaded.unchanged_archive),
        "seconds": dg.MetadataValue.float(round(seconds, 2)),
        "records_per_second": _pace(loaded.records, seconds),
    }


def held_metadata(held: Held) -> Metadata:
    """Where the records come from, how many there are by granularity and, where there are labels, by label."""
    metadata = {
        "origin": dg.MetadataValue.text(held.origin),
        "by_granularity": counted("granularity", held.by_granularity),
    }
    return metadata | ({"by_label": counted("label", held.by_label)} if held.by_label else {})


def batch_metadata(done: BatchDone) -> Metadata:
    """Texts of one batch: all, those embedded in this run, dead letters."""
    return {
        "batch_texts": dg.MetadataValue.int(done.texts),
        "batch_embedded": dg.MetadataValue.int(done.embedded),
        "batch_failed": dg.MetadataValue.int(done.failed),
    }


def source_metadata(filled: Filled, source: str, held: Held, beside: str) -> Metadata:
    """What is told of a whole source beside what is told of its batch `beside`."""
    told = f"All of {source} and this run; only batch_… is of batch {beside} alone."
    return {"about": dg.MetadataValue.text(told), **filled_metadata(filled, source, held)}


def filled_metadata(filled: Filled, source: str, held: Held) -> Metadata:
    """What a run over batches embedded, what it cost, and how to retry what failed."""
    return {
        "status": dg.MetadataValue.text(filled.status),
        "dagster/row_count": dg.MetadataValue.int(filled.embedded_records),
        **held_metadata(held),
        "failures": dg.MetadataValue.int(filled.errors),
        **_how_to_retry(filled, source),
        "texts_embedded": dg.MetadataValue.int(filled.texts),
        "texts_already_there": dg.MetadataValue.int(filled.already),
        "texts_pooled": dg.MetadataValue.int(filled.pooled),
        "texts": counted("texts", {"embedded now": filled.texts, "already there": filled.already}, of="texts"),
        "tokens": dg.MetadataValue.int(filled.tokens),
        "requests": dg.MetadataValue.int(filled.requests),
        "dollars": dg.MetadataValue.float(round(filled.cost, 6)),
        "seconds": dg.MetadataValue.float(round(filled.seconds, 2)),
        "texts_per_second": _pace(filled.texts, filled.seconds),
        "records_per_second": _pace(filled.records, filled.seconds),
    }


def _pace(count: int, seconds: float) -> dg.MetadataValue:
    return dg.MetadataValue.float(round(count / seconds, 1) if seconds else 0.0)


def _how_to_retry(filled: Filled, source: str) -> Metadata:
    if not filled.errors:
        return {}
    commands = (
        f"`bootstrap failures list --source {source}`, then `bootstrap failures retry --source {source}`, "
        "or the job `retry_failures`"
    )
    return {"retry_failures": dg.MetadataValue.md(commands)}


def indexed_metadata(indexed: Indexed) -> Metadata:
    """What became of the index."""
    return {
        "action": dg.MetadataValue.text(indexed.action),
        "space": dg.MetadataValue.text(indexed.space),
        "vectors": dg.MetadataValue.int(indexed.vectors),
        "dagster/row_count": dg.MetadataValue.int(indexed.vectors),
        "seconds": dg.MetadataValue.float(round(indexed.seconds, 2)),
        "promoted": dg.MetadataValue.bool(indexed.promoted),
        "records_without_vector": dg.MetadataValue.int(indexed.uncovered),
    } | _how_to_promote(indexed)


def _how_to_promote(indexed: Indexed) -> Metadata:
    if not indexed.ready:
        return {}
    command = f"`bootstrap spaces promote {indexed.number}`, or the job `promote_space`"
    return {"promote_space": dg.MetadataValue.md(command)}
