"""Asset checks. What they ask stands in corpus/checks.py; when an answer is bad, and how bad, in verdicts.py.

Three sets (on a source's records, on its vectors, on the index), each one step of a run. A blocking check that
fails keeps what is downstream from running, so that a bad state does not reach the index.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial

import dagster as dg
from pydantic import Field

from bootstrap_assets.defs import verdicts
from bootstrap_assets.defs.resources import CorpusResource, failing_for_good
from bootstrap_assets.defs.sources import RETRY
from bootstrap_assets.embedding import completeness
from bootstrap_assets.search.recall import MIN_RECALL, RECALL_AT, RECALL_QUERIES
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.sources.spec import Source


class RecordsCheckConfig(dg.Config):
    """How thoroughly a source's records are checked."""

    parse_again: bool = Field(
        default=False,
        description="Parse the archives again and compare record by record, not only with what the load "
        "recorded; only where the archives at hand are those that were loaded. Nothing is downloaded.",
    )


Answer = Callable[[], dg.AssetCheckResult]


def records_checks(*, source: Source) -> dg.AssetChecksDefinition:
    """The checks of `<source>_records`: nothing lost, offsets exact, and labels where the source has them."""
    descriptions = {
        "no_record_lost": "Every record that the archives held when they were loaded is in the corpus.",
        "offsets_exact": "The document's `raw_text[char_start:char_end]` is each record's text.",
    }
    if source.labels:
        descriptions["labels_present"] = f"All {len(source.labels)} labels of the official data set occur."

    @dg.multi_asset_check(
        name=f"{source.name}_records_checks",
        specs=_specs(f"{source.name}_records", descriptions, blocking={"no_record_lost"}),
        can_subset=True,
        retry_policy=RETRY,
    )
    def check_records(
        context: dg.AssetCheckExecutionContext, config: RecordsCheckConfig, corpus: CorpusResource
    ) -> Iterator[dg.AssetCheckResult]:
        with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
            answers = {
                "no_record_lost": partial(
                    verdicts.no_record_lost, open_corpus, source, parse_again=config.parse_again
                ),
                "offsets_exact": partial(verdicts.offsets_exact, open_corpus, source),
                "labels_present": partial(verdicts.labels_present, open_corpus, source),
            }
            results = _ask(context, f"{source.name}_records", answers)
        yield from results

    return check_records


def vectors_checks(*, source: Source) -> dg.AssetChecksDefinition:
    """The checks of `<source>`: vectors complete and sane, few errors."""
    descriptions = {
        "vectors_complete": "Every record has a vector or is a dead letter. A run over some batches answers for "
        "those: records of others without a vector are a warning.",
        "vectors_sane": "Every vector is finite and of unit length.",
        "error_rate": f"Dead letters are at most {completeness.WARN_ABOVE:.0%} of the records "
        f"(above {completeness.ERROR_ABOVE:.0%} it is an error).",
    }

    @dg.multi_asset_check(
        name=f"{source.name}_checks",
        specs=_specs(source.name, descriptions, blocking={"vectors_complete", "vectors_sane"}),
        can_subset=True,
        retry_policy=RETRY,
    )
    def check_vectors(
        context: dg.AssetCheckExecutionContext, corpus: CorpusResource
    ) -> Iterator[dg.AssetCheckResult]:
        with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
            answers = {
                "vectors_complete": partial(
                    verdicts.vectors_complete, open_corpus, source, batches_of(context.run.tags)
                ),
                "vectors_sane": partial(verdicts.vectors_sane, open_corpus, source),
                "error_rate": partial(verdicts.error_rate, open_corpus, source),
            }
            results = _ask(context, source.name, answers)
        yield from results

    return check_vectors


@dg.multi_asset_check(
    name="reference_index_checks",
    specs=[
        dg.AssetCheckSpec(
            "index_valid", asset="reference_index", description="There is an index, and it is valid."
        ),
        dg.AssetCheckSpec(
            "index_complete",
            asset="reference_index",
            description="Every record of the corpus has a vector in the space, or is a dead letter.",
        ),
        dg.AssetCheckSpec(
            "recall",
            asset="reference_index",
            description=f"The index finds at least {MIN_RECALL:.0%} of the true nearest {RECALL_AT} "
            f"(mean over {RECALL_QUERIES} vectors of the corpus, against an exact search).",
        ),
    ],
    can_subset=True,
    retry_policy=RETRY,
)
def check_index(context: dg.AssetCheckExecutionContext, corpus: CorpusResource) -> Iterator[dg.AssetCheckResult]:
    """The checks of the index."""
    with failing_for_good(context), corpus.open(context.run.run_id) as open_corpus:
        answers = {
            "index_valid": partial(verdicts.index_valid, open_corpus),
            "index_complete": partial(verdicts.index_complete, open_corpus),
            "recall": partial(verdicts.recall, open_corpus),
        }
        results = _ask(context, "reference_index", answers)
    yield from results


def batches_of(tags: Mapping[str, str]) -> range | None:
    """The batches that a run is over, by its tags; None where it says nothing of partitions."""
    one = tags.get("dagster/partition")  # Dagster prefers it too: a job's own tags always name all batches
    first, last = (one or tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
    return range(int(first), int(last) + 1) if first and last else None


def _specs(asset: str, descriptions: Mapping[str, str], *, blocking: Collection[str]) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(name, asset=asset, description=what, blocking=name in blocking)
        for name, what in descriptions.items()
    ]


def _ask(
    context: dg.AssetCheckExecutionContext, asset: str, answers: Mapping[str, Answer]
) -> list[dg.AssetCheckResult]:
    """The results of the checks that are wanted, under their names."""
    names = {key.name for key in context.selected_asset_check_keys}
    return [
        answer()._replace(check_name=name, asset_key=dg.AssetKey(asset))
        for name, answer in answers.items()
        if name in names
    ]


@dg.definitions
def check_definitions() -> dg.Definitions:
    """The checks of every source in the registry, and of the index."""
    checks = [make(source=source) for source in SOURCES.values() for make in (records_checks, vectors_checks)]
    return dg.Definitions(asset_checks=[*checks, check_index])
