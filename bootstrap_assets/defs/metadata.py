"""The metadata of materialisations."""

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


def count_table(what: str, counts: Mapping[str, int], of: str = "records") -> dg.MetadataValue:
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
    samples = [archive.path.name for archive in archives if archive.invented]
    if not samples:
        return "as given; none of them is the sample"
    which = "" if len(samples) == len(archives) else f" ({', '.join(samples)})"
    return f"{SAMPLE}{which}: {provenance.LICENCE}, {provenance.ATTRIBUTION}"


def load_metadata(load: Loaded, contents: Held, seconds: float) -> Metadata:
    """Counts of documents and records, and what changed."""
    return {
        "documents": dg.MetadataValue.int(load.documents),
        "dagster/row_count": dg.MetadataValue.int(load.records),
        **contents_metadata(contents),
        "new": dg.MetadataValue.int(load.new),
        "changed": dg.MetadataValue.int(load.changed),
        "deleted": dg.MetadataValue.int(load.deleted),
        "what_changed": count_table(
            "records",
            {
                "new": load.new,
                "changed": load.changed,
                "as before": load.unchanged,
                "deleted": load.deleted,
            },
        ),
        "parse_errors": dg.MetadataValue.int(load.errors),
        "parse_warnings": dg.MetadataValue.int(load.warnings),
        "archive_unchanged": dg.MetadataValue.bool(load.unchanged_archive),
        "seconds": dg.MetadataValue.float(round(seconds, 2)),
        "records_per_second": _pace(load.records, seconds),
    }


def contents_metadata(contents: Held) -> Metadata:
    """Where the records come from, how many there are by granularity and, where there are labels, by label."""
    metadata = {
        "origin": dg.MetadataValue.text(contents.origin),
        "by_granularity": count_table("granularity", contents.by_granularity),
    }
    return metadata | ({"by_label": count_table("label", contents.by_label)} if contents.by_label else {})


def batch_metadata(result: BatchDone) -> Metadata:
    """Texts of one batch: all, those embedded in this run, dead letters."""
    return {
        "batch_texts": dg.MetadataValue.int(result.texts),
        "batch_embedded": dg.MetadataValue.int(result.embedded),
        "batch_failed": dg.MetadataValue.int(result.failed),
    }


def source_metadata(fill: Filled, source: str, contents: Held, beside: str) -> Metadata:
    """Metadata of a whole source, shown next to those of its batch `beside`."""
    about = f"All of {source} and this run; only batch_… is of batch {beside} alone."
    return {"about": dg.MetadataValue.text(about), **filled_metadata(fill, source, contents)}


def filled_metadata(fill: Filled, source: str, contents: Held) -> Metadata:
    """What a run over batches embedded, what it cost, and how to retry what failed."""
    return {
        "status": dg.MetadataValue.text(fill.status),
        "dagster/row_count": dg.MetadataValue.int(fill.embedded_records),
        **contents_metadata(contents),
        "failures": dg.MetadataValue.int(fill.errors),
        **_how_to_retry(fill, source),
        "texts_embedded": dg.MetadataValue.int(fill.texts),
        "texts_already_there": dg.MetadataValue.int(fill.already),
        "texts_pooled": dg.MetadataValue.int(fill.pooled),
        "texts": count_table("texts", {"embedded now": fill.texts, "already there": fill.already}, of="texts"),
        "tokens": dg.MetadataValue.int(fill.tokens),
        "requests": dg.MetadataValue.int(fill.requests),
        "dollars": dg.MetadataValue.float(round(fill.cost, 6)),
        "seconds": dg.MetadataValue.float(round(fill.seconds, 2)),
        "texts_per_second": _pace(fill.texts, fill.seconds),
        "records_per_second": _pace(fill.records, fill.seconds),
    }


def _pace(count: int, seconds: float) -> dg.MetadataValue:
    return dg.MetadataValue.float(round(count / seconds, 1) if seconds else 0.0)


def _how_to_retry(fill: Filled, source: str) -> Metadata:
    if not fill.errors:
        return {}
    commands = (
        f"`bootstrap failures list --source {source}`, then `bootstrap failures retry --source {source}`, "
        "or the job `retry_failures`"
    )
    return {"retry_failures": dg.MetadataValue.md(commands)}


def index_metadata(result: Indexed) -> Metadata:
    """What became of the index."""
    return {
        "action": dg.MetadataValue.text(result.action),
        "space": dg.MetadataValue.text(result.space),
        "vectors": dg.MetadataValue.int(result.vectors),
        "dagster/row_count": dg.MetadataValue.int(result.vectors),
        "seconds": dg.MetadataValue.float(round(result.seconds, 2)),
        "promoted": dg.MetadataValue.bool(result.promoted),
        "records_without_vector": dg.MetadataValue.int(result.uncovered),
    } | _how_to_promote(result)


def _how_to_promote(result: Indexed) -> Metadata:
    if not result.ready:
        return {}
    command = f"`bootstrap spaces promote {result.number}`, or the job `promote_space`"
    return {"promote_space": dg.MetadataValue.md(command)}
