"""ContractNLI: non-disclosure agreements with, for 17 hypotheses, a label and the spans that are its evidence.

The official layout is `contract-nli/{train,dev,test}.json`. `NotMentioned` has no span, so the choices of a
contract are kept in its metadata too.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bootstrap_assets.corpus.records import (
    MOST_DEPTH,
    Document,
    Finding,
    Granularity,
    ParsedDocument,
    Record,
    storable,
)
from bootstrap_assets.errors import ForeignFileError, FormatError
from bootstrap_assets.sources.contract_nli.spans import (
    NAME,
    Annotation,
    Wordings,
    error,
    read_annotations,
    segments,
    span_records,
    warning,
)
from bootstrap_assets.sources.fetch.archive import Archive
from bootstrap_assets.sources.json_input import Malformed, load_json, member, read_text, zip_or_nothing
from bootstrap_assets.sources.sections import UniqueIds, whole_and_sections
from bootstrap_assets.sources.spec import Label, Parsed, Remote, Source, Teaching
from bootstrap_assets.sources.strays import Strays
from bootstrap_assets.texts.content import clean_text, content_hash

HOMEPAGE = "https://stanfordnlp.github.io/contract-nli/"
OFFICIAL = "https://stanfordnlp.github.io/contract-nli/resources/contract-nli.zip"
SPLITS = ("train", "dev", "test")
HYPOTHESES = tuple(str(n) for n in (1, 2, 3, 4, 5, 7, 8, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20))
"""Numbers of the 17 hypotheses."""


def parse(paths: Sequence[Path], options: Mapping[str, Any]) -> Parsed:
    """Read the official zip, or single files of its kind, one split at a time.

    Raises ArchiveError or FormatError where a file is damaged or not the official one.
    """
    reader = _Reader()
    strays = Strays(NAME, (remote.filename for remote in SOURCE.remotes))
    for path in paths:
        with strays.aside(path):
            yield from _parse_path(path, reader)
    if not reader.splits:
        strays.refuse()
        raise FormatError(f"{NAME}: no train.json, dev.json or test.json among the archives; see {OFFICIAL}")
    for split in SPLITS:
        if split not in reader.splits:
            message = f"there is no {split}.json: its contracts are not in the corpus"
            place = ", ".join(path.name for path in paths)
            yield warning("missing_split", message, place)
    yield from strays.findings()


@dataclass(slots=True)
class _Reader:
    """What is remembered from file to file: ids given, contracts seen, splits met."""

    ids: UniqueIds = field(default_factory=UniqueIds)
    digests: set[bytes] = field(default_factory=set)
    splits: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _File:
    """One open file: where it is, which split it is, and the wording of its hypotheses."""

    place: str
    split: str
    wordings: Wordings


def _parse_path(path: Path, reader: _Reader) -> Parsed:
    with zip_or_nothing(path, _refuse_foreign) as archive:
        names = [path.name] if archive is None else _split_names(archive)
        for name in names:
            split = Path(name).stem.lower()
            place = path.name if archive is None else f"{path.name}: {name}"
            text, findings = read_text(path, archive, name, NAME)
            yield from findings
            try:
                yield from _parse_file(text, place, split, reader)
            except ForeignFileError as problem:
                alone = sum(Path(other).stem.lower() == split for other in names) == 1
                if split in SPLITS and alone:  # by its name it should be what it is not
                    raise FormatError(str(problem)) from problem
                if archive is None:
                    raise
                yield warning("stray_file", f"this file is left out: {problem}", place)


def _split_names(archive: Archive) -> list[str]:
    """The members that are a split by their names, in the order of the splits."""
    names = [name for name in archive.names() if name.lower().endswith(".json")]
    return [name for split in SPLITS for name in names if Path(name).stem.lower() == split]


def _refuse_foreign(archive: Archive) -> None:
    if not _split_names(archive):
        raise ForeignFileError(
            f"{archive.path.name}: holds none of train.json, dev.json, test.json (it holds {archive.listing()});"
            f" the official ContractNLI archive is {OFFICIAL}"
        )


def _parse_file(text: str, place: str, split: str, reader: _Reader) -> Parsed:
    _refuse_lines(text, place)
    try:
        data, findings = load_json(text, place, NAME)
    except FormatError as problem:
        if '"annotation_sets"' in text or '"documents"' in text:
            raise
        raise ForeignFileError(str(problem)) from problem
    yield from findings
    del text
    _refuse_reexport(data, place)
    try:
        documents = member(data, "documents", list, place)
        labels = member(data, "labels", dict, place)
    except Malformed as problem:
        raise ForeignFileError(f"{problem}; the official ContractNLI archive is {OFFICIAL}") from problem
    file = _File(place, split, {clean_text(key): _wording(value) for key, value in labels.items()})
    reader.splits.add(split)
    good = 0
    problems: list[Finding] = []
    for number, raw in enumerate(documents):
        try:
            entry = _document(raw, f"{place}: documents[{number}]", file, reader)
        except Malformed as problem:
            problems.append(error("malformed", problem.problem, problem.place))
            yield problems[-1]
            continue
        good += isinstance(entry, ParsedDocument)
        yield entry
    if problems and not good:
        raise FormatError(f"{problems[0].place}: {problems[0].message}; no document in this file can be read")


def _document(raw: object, place: str, file: _File, reader: _Reader) -> ParsedDocument | Finding:
    identity = _identity(raw, place)
    text = clean_text(member(raw, "text", str, place))
    if not text.strip():
        return error("empty_text", "the contract's text is empty", place, identity)
    sets = member(raw, "annotation_sets", list, place) if "annotation_sets" in _keys(raw) else []
    spans = member(raw, "spans", list, place)
    losses: list[str] = []
    digest = content_hash(f"{identity}\x1f{text}\x1f{storable(sets, [])!r}")
    if digest in reader.digests:
        message = "this contract was read before, with the same labels: taken once"
        return warning("duplicate_document", message, place, identity)
    reader.digests.add(digest)
    source_id = reader.ids.take_document(identity, text)
    annotations, findings = read_annotations(sets, place)
    document = _make_document(raw, source_id, text, file, annotations, spans, losses)
    records = whole_and_sections(document)
    if source_id != identity:
        message = f"another contract has the id {identity!r}: this one is kept as {source_id!r}"
        findings.append(warning("duplicate_id", message, place, source_id))
    findings += [
        warning("unstorable_value", f"{what}: PostgreSQL cannot hold that, so it is left out", place, source_id)
        for what in losses
    ]
    for annotation in annotations:
        more, problems = span_records(document, spans, annotation, file.wordings)
        records += more
        findings += problems
    return ParsedDocument(document, tuple(_with_split(records, file.split)), tuple(findings))


def _make_document(
    raw: object,
    source_id: str,
    text: str,
    file: _File,
    annotations: list[Annotation],
    spans: list[object],
    losses: list[str],
) -> Document:
    keys = _keys(raw)
    name = keys.get("file_name")
    url = keys.get("url")
    extras = {key: _extra(key, keys.get(key), losses) for key in ("file_name", "document_type")}
    return Document(
        source=NAME,
        source_id=source_id,
        title=clean_text(name) if isinstance(name, str) and name.strip() else source_id,
        text=text,
        licence=SOURCE.licence,
        attribution=SOURCE.attribution,
        url=clean_text(url) if isinstance(url, str) and url.strip() else HOMEPAGE,
        metadata={
            **{key: value for key, value in extras.items() if value is not None},
            "split": file.split,
            "labels": {f"{annotation.key}{annotation.suffix}": annotation.choice for annotation in annotations},
            "spans": segments(spans, len(text)),
        },
    )


def _extra(key: str, value: object, losses: list[str]) -> Any:
    """A value for the metadata; `losses` gets what cannot be kept of it."""
    problems: list[str] = []
    result = storable(value, problems, MOST_DEPTH - 1)  # the metadata itself is a level
    losses += [f"{key} is {problem}" if result is None else f"{key} holds {problem}" for problem in problems]
    return result


def _with_split(records: list[Record], split: str) -> Iterator[Record]:
    for record in records:
        yield replace(record, metadata={**record.metadata, "split": split})


def _identity(raw: object, place: str) -> str:
    value = _keys(raw).get("id")
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as pandas writes whole numbers
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not str(value).strip():
        raise Malformed(place, "the key 'id' is missing or is neither a number nor a text")
    return clean_text(str(value).strip())


def _keys(raw: object) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}


def _wording(value: object) -> tuple[str, str]:
    """Short description and hypothesis of one label; empty where the file does not give them."""
    texts = [_keys(value).get(key) for key in ("short_description", "hypothesis")]
    category, hypothesis = (clean_text(text) if isinstance(text, str) else "" for text in texts)
    return category, hypothesis


def _refuse_lines(text: str, place: str) -> None:
    first = text.lstrip()[:1_000_000].split("\n", 1)[0]
    if place.lower().endswith(".parquet"):
        raise ForeignFileError(_not_official(place, "Parquet"))
    if place.lower().endswith(".jsonl") or re.match(r'\{\s*"(?:premise|hypothesis|label)"', first):
        raise ForeignFileError(_not_official(place, "JSON Lines"))


def _refuse_reexport(data: object, place: str) -> None:
    if isinstance(data, list):
        raise ForeignFileError(_not_official(place, "one JSON list"))
    if isinstance(data, dict) and {"premise", "hypothesis"} & set(data):
        raise ForeignFileError(_not_official(place, "one object of premises and hypotheses"))


def _not_official(place: str, shape: str) -> str:
    return (
        f"{place}: this is not the official ContractNLI file but a re-export from a hub ({shape}; such files"
        f" have premise, hypothesis and label, and no contracts with spans). The official archive is {OFFICIAL}"
    )


SOURCE = Source(
    name=NAME,
    title="ContractNLI",
    description="Non-disclosure agreements with labelled evidence for 17 hypotheses",
    homepage=HOMEPAGE,
    licence="CC BY 4.0",
    attribution="Yuta Koreeda and Christopher D. Manning, 2021",
    remotes=(Remote("contract-nli.zip", OFFICIAL),),
    parse=parse,
    version=3,
    labels=HYPOTHESES,
    teaching=Teaching(Label.HYPOTHESIS, Granularity.SPAN),
)
