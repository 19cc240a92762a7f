"""ContractNLI's annotations: from a contract's choices and span numbers to *span* records."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bootstrap_assets.corpus.records import Document, Finding, Granularity, NliLabel, Record, Severity
from bootstrap_assets.sources.json_input import Malformed, member
from bootstrap_assets.texts.content import clean_text

NAME = "contract_nli"

Wordings = Mapping[str, tuple[str, str]]
"""For each hypothesis key of a file ("nda-11"): its short description and its wording."""

_LABELS = {label.value: label for label in NliLabel}


@dataclass(frozen=True, slots=True)
class Annotation:
    """The choice of one annotation set for one hypothesis; `suffix` tells a second set from the first."""

    key: str
    suffix: str
    choice: str
    spans: list[object]
    place: str


def read_annotations(sets: list[object], place: str) -> tuple[list[Annotation], list[Finding]]:
    """All annotations of a contract, of all its sets, and an error for each that cannot be read."""
    annotations: list[Annotation] = []
    findings: list[Finding] = []
    for number, annotation_set in enumerate(sets):
        where = f"{place}.annotation_sets[{number}]"
        suffix = "" if number == 0 else f"@{number + 1}"
        try:
            for name, raw in member(annotation_set, "annotations", dict, where).items():
                key = clean_text(name)
                annotation = _annotation(key, suffix, raw, f"{where}.annotations.{key}", findings)
                annotations += [annotation] if annotation else []
        except Malformed as problem:
            findings.append(error("malformed", problem.problem, problem.place))
    return annotations, findings


def _annotation(key: str, suffix: str, raw: object, place: str, findings: list[Finding]) -> Annotation | None:
    try:
        choice = clean_text(member(raw, "choice", str, place))
        has_spans = isinstance(raw, dict) and "spans" in raw
        return Annotation(key, suffix, choice, member(raw, "spans", list, place) if has_spans else [], place)
    except Malformed as problem:
        findings.append(error("malformed", problem.problem, problem.place))
        return None


def span_records(
    document: Document, spans: list[object], annotation: Annotation, wordings: Wordings
) -> tuple[list[Record], list[Finding]]:
    """The *span* records of one annotation, and what is wrong with it. `spans` are the contract's offsets."""
    source_id = f"{document.source_id}#{annotation.key}{annotation.suffix}"
    findings: list[Finding] = []
    if annotation.key not in wordings:
        message = f"the file gives no wording for hypothesis {annotation.key!r}: kept without"
        findings.append(warning("unknown_hypothesis", message, annotation.place, source_id))
    label = _LABELS.get(annotation.choice)
    if label is None:
        message = f"unknown choice {annotation.choice!r}; its {len(annotation.spans)} spans are left out"
        return [], [*findings, error("unknown_choice", message, annotation.place, source_id)]
    records: dict[int, Record] = {}
    for index in annotation.spans:
        place = f"{annotation.place}.spans: {index!r}"
        offsets = _offsets(spans, index, len(document.text))
        if isinstance(offsets, str) or not isinstance(index, int):
            findings.append(error("span_out_of_range", str(offsets), place, source_id))
        elif index in records:
            findings.append(warning("duplicate_span", "the same span twice: taken once", place, source_id))
        else:
            records[index] = _record(document, annotation, label, index, offsets, wordings)
            if not records[index].content.strip():
                # The official dev set has one; it is a label like any other.
                findings.append(warning("blank_span", "the span holds only white space", place, source_id))
    return list(records.values()), findings


def _record(
    document: Document,
    annotation: Annotation,
    label: NliLabel,
    index: int,
    offsets: tuple[int, int],
    wordings: Wordings,
) -> Record:
    category, hypothesis = wordings.get(annotation.key, ("", ""))
    number = re.search(r"(\d{1,9})\Z", annotation.key)
    return Record(
        source=NAME,
        source_id=f"{document.source_id}#{annotation.key}:{index}{annotation.suffix}",
        document_id=document.id,
        granularity=Granularity.SPAN,
        content=document.text[slice(*offsets)],
        char_start=offsets[0],
        char_end=offsets[1],
        category=category or None,
        hypothesis_id=int(number[1]) if number else None,
        hypothesis=hypothesis or None,
        nli_label=label,
    )


def segments(spans: list[object], length: int) -> list[tuple[int, int]]:
    """Offsets of all the pieces that the data set cut a contract into; annotators chose evidence among these."""
    pairs = (_offsets(spans, index, length) for index in range(len(spans)))
    return [offsets for offsets in pairs if not isinstance(offsets, str)]


def _offsets(spans: list[object], index: object, length: int) -> tuple[int, int] | str:
    """The character offsets of a span, or what is wrong with them."""
    if type(index) is not int or not 0 <= index < len(spans):
        return f"there is no span {index!r}; the contract has {len(spans)}"
    span = spans[index]
    if not isinstance(span, list) or len(span) != 2 or any(type(offset) is not int for offset in span):
        return f"span {index} is not a pair of offsets: {str(span)[:60]}"
    start, end = span
    if not 0 <= start < end <= length:
        return f"span {index} goes from {start} to {end} in a text of {length} characters"
    return start, end


def error(kind: str, message: str, place: str, source_id: str | None = None) -> Finding:
    """A finding that costs a record its place in the corpus."""
    return Finding(NAME, Severity.ERROR, kind, message, place, source_id)


def warning(kind: str, message: str, place: str, source_id: str | None = None) -> Finding:
    """A finding that is only reported."""
    return Finding(NAME, Severity.WARNING, kind, message, place, source_id)
