"""What the corpus is made of: documents, records and findings. Pure values, no input or output.

Ids come from (source, source id) alone, so running again changes none of them. Hashes come from the
text alone, so one text under several labels is several records and one text.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from bootstrap_assets.texts.content import UNSTORABLE, clean_text

NAMESPACE = UUID("6f2b1a0e-7c54-4e0b-9a51-8f5d2c3e4b17")
"""Namespace of every id in the corpus (uuid5). Changing it would change every foreign key in the field."""

INVENTED = "invented"
"""Key in the metadata of documents, and of their records, that were made up: those of the sample."""

SAMPLE = "sample, invented"
"""What is said of such documents wherever they are shown."""

MOST_DEPTH = 64
"""How deep a document's metadata may be nested."""

_MOST_BITS = 10_000  # Python writes integers of up to 4,300 digits, jsonb of some more


class Granularity(StrEnum):
    """How much of a document a record covers."""

    DOCUMENT = "document"
    TEMPLATE = "template"
    SECTION = "section"
    CLAUSE = "clause"
    SPAN = "span"
    PASSAGE = "passage"


class NliLabel(StrEnum):
    """The three labels of ContractNLI, spelt as its files spell them."""

    ENTAILMENT = "Entailment"
    CONTRADICTION = "Contradiction"
    NOT_MENTIONED = "NotMentioned"


class Severity(StrEnum):
    """An error costs a record its place in the corpus; a warning is only reported."""

    ERROR = "error"
    WARNING = "warning"


def storable(value: object, lost: list[str], depth: int = MOST_DEPTH) -> Any:
    """A JSON value as PostgreSQL's jsonb can hold it: keys and values, at any depth.

    Texts are cleaned. What jsonb cannot hold (NaN, infinities, numbers of thousands of digits, what is nested too
    deep, what is no JSON) becomes null, and `lost` is called with what it was.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, int) and value.bit_length() <= _MOST_BITS:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, (list, tuple, Mapping)):
        if depth == 0:
            lost.append(f"a value nested deeper than {MOST_DEPTH} levels")
            return None
        if isinstance(value, Mapping):
            return {clean_text(str(key)): storable(item, lost, depth - 1) for key, item in value.items()}
        return [storable(item, lost, depth - 1) for item in value]
    lost.append("a number of thousands of digits" if isinstance(value, int) else repr(value)[:80])
    return None


def document_id(source: str, source_id: str) -> UUID:
    """The stable id of a document, from source and source id."""
    return uuid5(NAMESPACE, f"document\x1f{source}\x1f{source_id}")


@dataclass(frozen=True, slots=True)
class Document:
    """One contract, template or file, whole.

    `text` is its plain text; offsets of its records point into it. `source_id` is unique in its source.
    """

    source: str
    source_id: str
    title: str
    text: str
    licence: str
    attribution: str
    url: str
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> UUID:
        """Stable id, from source and source id."""
        return document_id(self.source, self.source_id)


@dataclass(frozen=True, slots=True)
class Record:
    """What a piece of text *is*: its place in a document and its label.

    Where `char_start` is given, `document.text[char_start:char_end] == content`.
    """

    source: str
    source_id: str
    document_id: UUID
    granularity: Granularity
    content: str
    char_start: int | None = None
    char_end: int | None = None
    section_path: str | None = None
    category: str | None = None
    hypothesis_id: int | None = None
    hypothesis: str | None = None
    nli_label: NliLabel | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> UUID:
        """Stable id, from source and source id."""
        return uuid5(NAMESPACE, f"record\x1f{self.source}\x1f{self.source_id}")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a parser noticed.

    `kind` is a short stable word for the class of the finding (`offset_mismatch`, `empty_text`, …);
    `place` names the file and the place in it; `source_id` is the record or document concerned, if any.
    """

    source: str
    severity: Severity
    kind: str
    message: str
    place: str
    source_id: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document with all its records and what was noticed while parsing it: what a parser yields."""

    document: Document
    records: tuple[Record, ...]
    findings: tuple[Finding, ...] = ()


def unstorable(parsed: ParsedDocument) -> str | None:
    """What of a document or its records PostgreSQL could not store, in words; None where all is well."""
    document = parsed.document
    texts: list[tuple[str, str | None]] = [
        (name, getattr(document, name)) for name in ("source_id", "title", "text", "licence", "attribution", "url")
    ]
    for record in parsed.records:
        texts += [
            (name, getattr(record, name))
            for name in ("source_id", "content", "section_path", "category", "hypothesis")
        ]
        for name in ("char_start", "char_end", "hypothesis_id"):
            number = getattr(record, name)
            if number is not None and not -(2**31) <= number < 2**31:
                return f"{name} of the record {record.source_id!r} is {str(number)[:40]}, beyond an integer"
    for name, text in texts:
        if text is not None and UNSTORABLE.search(text):
            return f"{name} holds a NUL or a lone surrogate"
    return None
