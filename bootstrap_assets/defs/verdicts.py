"""When an answer of corpus/checks.py is bad, how bad, and how that is put to a person."""

from collections.abc import Collection, Sequence
from functools import partial
from uuid import UUID

import dagster as dg

from bootstrap_assets.corpus import checks, overview
from bootstrap_assets.corpus.records import ParsedDocument
from bootstrap_assets.defs.partitions import count
from bootstrap_assets.embedding import completeness
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import DownloadInterrupted, PermanentError
from bootstrap_assets.search import index
from bootstrap_assets.search.recall import MIN_RECALL, measure_recall
from bootstrap_assets.sources import reading
from bootstrap_assets.sources.fetch import locate
from bootstrap_assets.sources.fetch.locate import Archive
from bootstrap_assets.sources.spec import Source

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


def no_record_lost(corpus: Corpus, source: Source, *, parse_again: bool = False) -> dg.AssetCheckResult:
    """Records that were loaded, or that the archives hold, against those stored.

    The archives are parsed only where they are those that were loaded; nothing is downloaded for a check.
    """
    archives = loaded_archives(corpus, source) if parse_again else []
    records = manifest(corpus, source, archives) if archives else None
    lost = corpus.database.transact(partial(checks.lost, source=source.name, manifest=records))
    message = _comparison(lost, anew=bool(archives))
    if parse_again and lost.is_known and not archives:
        message += " The archives at hand are not those loaded: they were not parsed anew."
    return dg.AssetCheckResult(
        passed=lost.ok,
        severity=ERROR if lost.is_known else WARN,
        description=message,
        metadata={
            "expected": lost.expected,
            "stored": lost.stored,
            **_offenders("missing", lost.missing),
            **_offenders("surplus", lost.surplus),
        },
    )


def _comparison(lost: checks.Lost, *, anew: bool) -> str:
    if not lost.is_known:
        return (
            f"{lost.stored:,} records are stored; what was parsed is not known, as after an upgrade: load "
            "the source again."
        )
    against = "parsed anew from the archives" if anew else "parsed at the last load"
    differ = "" if lost.same else " Some are not as they were parsed: a place, a label or a text differs."
    return f"{lost.stored:,} records are stored; {lost.expected:,} were {against}.{differ}"


def loaded_archives(corpus: Corpus, source: Source) -> list[Archive]:
    """The archives at hand where they are those that the records were parsed from, else none."""
    fingerprint = corpus.database.transact(partial(checks.loaded_from, source=source.name))
    if fingerprint is None:
        return []
    try:
        archives = locate.at_hand(corpus.settings, source) or []
    except (PermanentError, DownloadInterrupted):  # no such folder, nothing in it, a damaged file
        return []
    return archives if reading.fingerprint_of(source, _options(corpus, source), archives) == fingerprint else []


def manifest(corpus: Corpus, source: Source, archives: Sequence[Archive]) -> dict[UUID, str]:
    """The records that archives hold: ids and source ids."""
    entries = source.parse([archive.path for archive in archives], _options(corpus, source))
    documents = (entry for entry in entries if isinstance(entry, ParsedDocument))
    return {record.id: record.source_id for document in documents for record in document.records}


def offsets_exact(corpus: Corpus, source: Source) -> dg.AssetCheckResult:
    """Whether records stand in their documents where they say."""
    offsets = corpus.database.transact(partial(checks.offsets, source=source.name))
    return dg.AssetCheckResult(
        passed=not offsets.wrong,
        severity=ERROR,
        description=f"{len(offsets.wrong):,} of {offsets.checked:,} records differ from the text at their place.",
        metadata={"checked": offsets.checked, **_offenders("wrong", offsets.wrong)},
    )


def labels_present(corpus: Corpus, source: Source) -> dg.AssetCheckResult:
    """Labels that no record carries: an error in the official data, a warning in other data."""
    known_labels = source.labels
    labels = corpus.database.transact(partial(checks.labels, source=source.name, expected=known_labels))
    origin = corpus.database.transact(overview.invented).get(source.name)
    official = origin is None and corpus.settings.data == "official"
    return dg.AssetCheckResult(
        passed=not labels.missing,
        severity=ERROR if official else WARN,
        description=f"{len(known_labels) - len(labels.missing)} of {len(known_labels)} labels occur"
        + ("." if official else f" ({origin or 'the data of a folder'}, which may rightly hold fewer)."),
        metadata={"labels": len(labels.records), **_offenders("missing", labels.missing)},
    )


def vectors_complete(
    corpus: Corpus, source: Source, batches: Collection[int] | None = None
) -> dg.AssetCheckResult:
    """Records without vector or dead letter: an error in the batches of the run, else a warning."""
    read_coverage = partial(
        completeness.coverage, space=corpus.space, source=source.name, count=count(), batches=batches
    )
    coverage = corpus.database.transact(read_coverage)
    return dg.AssetCheckResult(
        passed=coverage.ok,
        severity=ERROR if coverage.missing else WARN,
        description=f"{coverage.embedded:,} of {coverage.records:,} records have a vector; "
        f"{len(coverage.missing):,} lack one and are no dead letter"
        + (
            f", and {len(coverage.elsewhere):,} in batches that this run was not over."
            if coverage.elsewhere
            else "."
        ),
        metadata={
            "records": coverage.records,
            "embedded": coverage.embedded,
            "space": corpus.space.name,
            **_offenders("missing", coverage.missing),
            **_offenders("missing_in_other_batches", coverage.elsewhere),
        },
    )


def vectors_sane(corpus: Corpus, source: Source) -> dg.AssetCheckResult:
    """Vectors that are not of unit length."""
    bad = corpus.database.transact(partial(completeness.insane, space=corpus.space, source=source.name))
    return dg.AssetCheckResult(
        passed=not bad,
        severity=ERROR,
        description=f"{len(bad):,} records have a vector that is not finite or not of unit length.",
        metadata=_offenders("insane", [f"{name}: length {length:.4g}" for name, length in bad.items()]),
    )


def error_rate(corpus: Corpus, source: Source) -> dg.AssetCheckResult:
    """Dead letters against records."""
    errors = corpus.database.transact(partial(completeness.errors, space=corpus.space, source=source.name))
    return dg.AssetCheckResult(
        passed=errors.rate <= completeness.WARN_ABOVE,
        severity=ERROR if errors.rate > completeness.ERROR_ABOVE else WARN,
        description=f"{len(errors.letters):,} of {errors.records:,} records are dead letters ({errors.rate:.2%})."
        + (f" `bootstrap failures list --source {source.name}` says why." if errors.letters else ""),
        metadata={
            "error_rate": errors.rate,
            "dead_letters": len(errors.letters),
            **_offenders("which", [f"{number} ({kind}): {name or '?'}" for number, name, kind in errors.letters]),
        },
    )


def index_valid(corpus: Corpus) -> dg.AssetCheckResult:
    """Whether the index is there and whole."""
    state = corpus.database.transact(partial(index.index_state, space=corpus.space))
    what = "is valid" if state.valid else "is invalid: build it anew" if state.exists else "does not exist"
    return dg.AssetCheckResult(
        passed=state.valid,
        severity=ERROR,
        description=f"The index of {corpus.space.name} {what}.",
        metadata={"exists": state.exists, "valid": state.valid, "vectors": state.vectors},
    )


def index_complete(corpus: Corpus) -> dg.AssetCheckResult:
    """Whether the index covers the corpus."""
    state = corpus.database.transact(partial(index.index_state, space=corpus.space))
    return dg.AssetCheckResult(
        passed=not state.uncovered,
        severity=ERROR,
        description=f"{state.uncovered:,} records have neither vector nor dead letter in {corpus.space.name}.",
        metadata={"vectors": state.vectors, "uncovered": state.uncovered},
    )


def recall(corpus: Corpus) -> dg.AssetCheckResult:
    """Recall of the index against an exact search."""
    result = corpus.database.transact(partial(measure_recall, space=corpus.space))
    worst = [f"{digest.hex()[:16]}…: {share:.0%}" for digest, share in result.worst]
    return dg.AssetCheckResult(
        passed=result.mean >= MIN_RECALL,
        severity=ERROR,
        description=f"Recall@{result.k} is {result.mean:.3f} over {len(result.shares)} queries; "
        f"{MIN_RECALL} is wanted.",
        metadata={"recall": result.mean, "queries": len(result.shares), **_offenders("worst", worst)},
    )


def _offenders(what: str, names: Sequence[str]) -> dict[str, dg.MetadataValue]:
    """How many, and the first of them, as a list; nothing where there are none."""
    if not names:
        return {}
    more = f"\n* … and {len(names) - checks.EXAMPLES:,} more" if len(names) > checks.EXAMPLES else ""
    items = "\n".join(f"* `{name}`" for name in names[: checks.EXAMPLES])
    return {what: dg.MetadataValue.md(items + more), f"{what}_count": dg.MetadataValue.int(len(names))}


def _options(corpus: Corpus, source: Source) -> dict[str, object]:
    return corpus.settings.source_options.get(source.name, {}) | dict(source.options)
