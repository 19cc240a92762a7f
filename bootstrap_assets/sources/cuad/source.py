"""CUAD: commercial contracts whose clauses lawyers labelled in 41 categories."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap_assets.corpus.records import Document, Finding, Granularity, ParsedDocument, Record
from bootstrap_assets.errors import FormatError
from bootstrap_assets.sources.cuad.answers import NormalisedAnswers, locate
from bootstrap_assets.sources.cuad.contracts import (
    CATEGORIES,
    NAME,
    Answer,
    Contents,
    Contract,
    error,
    read,
    warning,
)
from bootstrap_assets.sources.sections import UniqueIds, short_hash, whole_and_sections
from bootstrap_assets.sources.spec import Label, Parsed, Remote, Source, Teaching
from bootstrap_assets.sources.strays import Strays
from bootstrap_assets.sources.text_encoding import UnknownEncoding
from bootstrap_assets.texts.content import content_hash

HOMEPAGE = "https://www.atticusprojectai.org/cuad"
OFFICIAL = "https://zenodo.org/records/4595826/files/CUAD_v1.zip"
OFFICIAL_NAMES = ("CUAD_v1.zip", "CUAD_v1.json", "CUADv1.json")

_ORDER = {category: number for number, category in enumerate(CATEGORIES)}

Key = tuple[str, bytes]
"""What makes two entries the same contract: title and hash of the text."""


def parse(paths: Sequence[Path], options: Mapping[str, Any]) -> Parsed:
    """Read CUAD in any of its shapes; a contract in several of them is taken once, with the labels of all.

    One archive at a time is in memory. Raises ArchiveError or FormatError, naming file and place.
    """
    if not paths:
        raise FormatError(f"{NAME}: no archive is given; expected CUAD_v1.zip (see {OFFICIAL})")
    labels, strays, own = _Labels(), Strays(NAME, OFFICIAL_NAMES), list[Path]()
    contents = Contents([], [])
    for path in paths:
        with strays.aside(path):
            contents = Contents([], [])  # lets go of the last archive before the next is read
            contents = read(path)
            own.append(path)
            yield from labels.take(contents)
    if not own:
        strays.refuse()
    yield from strays.findings()
    answers, misses = labels.answers.by_title(title for title, _ in labels.contracts)
    ids, keys = UniqueIds(), set[Key]()
    for path in own:
        if len(paths) > 1:
            contents = Contents([], [])
            contents = read(path)
        yield from contents.findings
        for contract in contents.contracts:
            yield from _once(contract, labels, answers, ids, keys)
    for name, place in misses:
        yield warning("unmatched_answers", f"no single contract has the title of the file {name!r}", place)


@dataclass(slots=True)
class _LabelSet:
    """The questions and answers of one contract from all archives; each answer with the number of its entry."""

    questions: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[Answer, int]] = field(default_factory=list)


class _Labels:
    """All labels of all archives, by contract; small beside the texts, which are not kept."""

    def __init__(self) -> None:
        self.contracts: dict[Key, _LabelSet] = {}
        self.answers = NormalisedAnswers()
        self._unknown: set[str] = set()
        self._entries = 0

    def take(self, contents: Contents) -> Iterator[Finding]:
        """Add an archive's labels; yields what is wrong with its table of answers."""
        keys: set[Key] = set()
        for contract in contents.contracts:
            key = _key(contract)
            if key in keys:
                message = f"the contract {contract.title!r} is in the file twice: taken once, with both's labels"
                yield warning("duplicate_contract", message, contract.place, contract.title)
            keys.add(key)
            label_set = self.contracts.setdefault(key, _LabelSet())
            for category, question in contract.questions.items():
                label_set.questions[category] = label_set.questions.get(category) or question
            self._entries += 1
            label_set.answers += [(answer, self._entries) for answer in contract.answers]
        if contents.answers_csv:
            content, place = contents.answers_csv
            try:
                yield from self.answers.add(content, place).findings(NAME, place)
            except (csv.Error, UnknownEncoding) as problem:
                yield warning("unreadable_answers", f"the table of answers is left out: {problem}", place)

    def unknown_categories(self, label_set: _LabelSet, place: str, source_id: str) -> list[Finding]:
        """A warning for each category that is not official and was not met before."""
        unknown = sorted(label_set.questions.keys() - _ORDER.keys() - self._unknown)
        self._unknown.update(unknown)
        return [
            warning("unknown_category", f"{category!r} is none of the 41 categories: kept", place, source_id)
            for category in unknown
        ]


def _once(
    contract: Contract,
    labels: _Labels,
    answers: Mapping[str, Mapping[str, str]],
    ids: UniqueIds,
    keys: set[Key],
) -> Parsed:
    """The parsed contract, unless it was yielded before or is empty."""
    key = _key(contract)
    if key in keys:
        yield from contract.findings
        return
    keys.add(key)
    if not contract.text.strip():
        yield error("empty_text", "the contract's text is empty", contract.place, contract.title)
        yield from contract.findings
        return
    source_id = ids.take_document(contract.title, contract.text)
    label_set = labels.contracts[key]
    findings = [*contract.findings, *labels.unknown_categories(label_set, contract.place, source_id)]
    if source_id != contract.title:
        message = f"another contract has the title {contract.title!r}: this one is kept as {source_id!r}"
        findings.append(warning("duplicate_title", message, contract.place, source_id))
    document = _document(contract, source_id, label_set, answers.get(contract.title, {}))
    clauses, problems = _clauses(document, label_set)
    records = (*whole_and_sections(document), *clauses)
    yield ParsedDocument(document, records, (*findings, *problems))


def _document(contract: Contract, source_id: str, label_set: _LabelSet, answers: Mapping[str, str]) -> Document:
    categories = {answer.category for answer, _ in label_set.answers}
    absent = sorted(
        label_set.questions.keys() - categories, key=lambda name: (_ORDER.get(name, len(_ORDER)), name)
    )
    return Document(
        source=NAME,
        source_id=source_id,
        title=contract.title,
        text=contract.text,
        licence=SOURCE.licence,
        attribution=SOURCE.attribution,
        url=HOMEPAGE,
        metadata={"categories_absent": absent, **({"answers": dict(sorted(answers.items()))} if answers else {})},
    )


@dataclass(frozen=True, slots=True, order=True)
class _Clause:
    start: int
    end: int
    category: str


def _clauses(document: Document, label_set: _LabelSet) -> tuple[list[Record], list[Finding]]:
    """The *clause* records of a document in the order of their offsets, and what is wrong with its answers."""
    entries: dict[_Clause, set[int]] = {}
    findings: list[Finding] = []
    for answer, entry in label_set.answers:
        clause = _place(document, answer, findings)
        if clause is None:
            continue
        in_entries = entries.setdefault(clause, set())
        if entry in in_entries:  # in another archive it is what merging is for
            message = f"the same answer is given twice for {answer.category!r}: taken once"
            findings.append(warning("duplicate_answer", message, answer.place, document.source_id))
        in_entries.add(entry)
    ids = UniqueIds()
    return [_record(document, clause, label_set.questions, ids) for clause in sorted(entries)], findings


def _place(document: Document, answer: Answer, findings: list[Finding]) -> _Clause | None:
    """Where an answer stands in the document's text; None, with an error, if it stands nowhere."""
    if not answer.text.strip():
        message = f"an answer for {answer.category!r} is empty"
        findings.append(error("empty_text", message, answer.place, document.source_id))
        return None
    span = locate(document.text, answer.text, answer.start)
    quote = f"{answer.category!r} ({answer.text[:40]!r}…)"
    if span is None:
        message = f"the answer for {quote} is not in the text, at offset {answer.start} or elsewhere"
        findings.append(error("offset_mismatch", message, answer.place, document.source_id))
        return None
    if span != (answer.start, (answer.start or 0) + len(answer.text)):
        message = f"the answer for {quote} is not at offset {answer.start} but at {span[0]}: corrected"
        findings.append(warning("offset_corrected", message, answer.place, document.source_id))
    return _Clause(*span, answer.category)


def _record(document: Document, clause: _Clause, questions: Mapping[str, str], ids: UniqueIds) -> Record:
    content = document.text[clause.start : clause.end]
    question = questions.get(clause.category)
    return Record(
        source=NAME,
        source_id=ids.take(f"{document.source_id}__{clause.category}#{short_hash(content)}"),
        document_id=document.id,
        granularity=Granularity.CLAUSE,
        content=content,
        char_start=clause.start,
        char_end=clause.end,
        category=clause.category,
        metadata={"question": question} if question else {},
    )


def _key(contract: Contract) -> Key:
    return contract.title, content_hash(contract.text)


SOURCE = Source(
    name=NAME,
    title="CUAD v1",
    description="Commercial contracts with clauses labelled in 41 categories",
    homepage=HOMEPAGE,
    licence="CC BY 4.0",
    attribution="The Atticus Project",
    remotes=(Remote("CUAD_v1.zip", OFFICIAL),),
    parse=parse,
    version=2,
    labels=CATEGORIES,
    teaching=Teaching(Label.CATEGORY, Granularity.CLAUSE),
)
