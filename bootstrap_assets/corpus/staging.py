"""What a load stages: documents, records and texts as the parser yields them, in a file until they are merged.

Parsing takes minutes, and merging a moment: nothing of the database is held while a parser works, and what was
parsed can be merged again where the database fails meanwhile. What a few documents give stays in memory.
"""

import hashlib
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from bootstrap_assets.corpus.overlaps import most_shared
from bootstrap_assets.corpus.records import (
    Document,
    Finding,
    Granularity,
    ParsedDocument,
    Record,
    Severity,
    storable,
    unstorable,
)
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.copy import copy_temporary
from bootstrap_assets.errors import FormatError
from bootstrap_assets.texts.content import content_hash, estimate_tokens

MAX_SOURCE_ID = 500
"""Characters of a source id that are stored; a longer one ends in its hash, for an index entry has a limit."""


_FLUSH_CHARACTERS = 4_000_000

_IN_MEMORY = 8_000_000  # bytes


WHOLE = (Granularity.DOCUMENT, Granularity.TEMPLATE)
"""Records that are a document, not a part of one."""


class Staging:
    """Collects rows in a file of its own, a few megabytes at a time, and copies them into the staging tables.

    `documents` are source ids of those that came, `findings` have the id of the document that they are of, if any.
    """

    def __init__(self, source: str) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - until it is closed
        self._source = source
        self._texts: set[bytes] = set()
        self._rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _STAGES}
        self._characters = 0
        self.records = 0
        self.digest = 0
        self.documents: list[str] = []
        self.findings: list[tuple[UUID | None, Finding]] = []

    def add(self, entry: ParsedDocument | Finding) -> None:
        """Stage a document with its records, or keep a finding."""
        if isinstance(entry, Finding):
            self.findings.append((None, entry))
            return
        name, of = entry.document.source_id, entry.document.id
        self.documents.append(name)
        self.findings.extend((of, finding) for finding in entry.findings)
        if (problem := unstorable(entry)) is not None:
            message = f"{problem}, which PostgreSQL cannot store: the document is left out"
            self.findings.append((of, Finding(self._source, Severity.ERROR, "unstorable", message, name, name)))
            return
        lost: list[str] = []
        self._add_document(entry.document, lost)
        for record, section in zip(entry.records, _around(entry.records), strict=True):
            self._add_record(record, section, lost)
        for what in dict.fromkeys(lost):
            message = f"the metadata holds {what}, which jsonb cannot: null stands in its place"
            finding = Finding(self._source, Severity.WARNING, "unstorable_value", message, name, name)
            self.findings.append((of, finding))
        if self._characters > _FLUSH_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        """Write what is collected to the file. A text that comes again after this is staged again."""
        for table, rows in self._rows.items():
            pickle.dump((table, rows), self._file)
            rows.clear()
        self._texts.clear()
        self._characters = 0

    def copy(self, connection: Connection) -> None:
        """Copy all of it into the staging tables; FormatError where two entries have one id."""
        for table, rows in self._pieces():
            columns, types = _STAGES[table]
            try:
                copy_temporary(connection, table, columns, types, rows)
            except psycopg.errors.UniqueViolation as error:
                raise FormatError(
                    f"{self._source}: two entries have one id: {error.diag.message_detail}"
                ) from None

    def _pieces(self) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
        end = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < end:
            yield pickle.load(self._file)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _add_document(self, document: Document, lost: list[str]) -> None:
        self._characters += len(document.text)
        self._rows["stage_documents"].append(
            (
                document.id,
                bounded(document.source_id),
                document.title,
                document.text,
                document.licence,
                document.attribution,
                document.url,
                Jsonb(storable(document.metadata, lost)),
                content_hash(document.text),
            )
        )

    def _add_record(self, record: Record, section: Record | None, lost: list[str]) -> None:
        self.records += 1
        text, name = self._add_text(record.content), bounded(record.source_id)
        self.digest ^= digest_of(record, name, text)
        self._rows["stage_records"].append(
            (
                record.id,
                record.document_id,
                text,
                name,
                record.granularity.value,
                record.section_path,
                record.category,
                record.hypothesis_id,
                record.hypothesis,
                record.nli_label.value if record.nli_label else None,
                record.char_start,
                record.char_end,
                Jsonb(storable(record.metadata, lost)),
                content_hash(section.content) if section else None,
            )
        )

    def _add_text(self, text: str) -> bytes:
        digest = content_hash(text)
        if digest in self._texts:
            return digest
        self._texts.add(digest)
        self._characters += len(text)
        self._rows["stage_texts"].append((digest, text, estimate_tokens(text)))
        return digest


@contextmanager
def stage(
    source: str,
    entries: Iterable[ParsedDocument | Finding],
    on_records: Callable[[int], None] = lambda _records: None,
) -> Iterator[Staging]:
    """Stage what a parser yields, without a database. `on_records` is called with the number of records so far."""
    staging = Staging(source)
    try:
        for entry in entries:
            staging.add(entry)
            on_records(staging.records)
        staging.flush()
        yield staging
    finally:
        staging.close()


_STAGES: Mapping[str, tuple[list[str], list[str]]] = {
    "stage_documents": (
        "id source_id title raw_text licence attribution url metadata content_hash".split(),
        "uuid text text text text text text jsonb bytea".split(),
    ),
    "stage_texts": ("content_hash content tokens".split(), "bytea text int4".split()),
    "stage_records": (
        (
            "id document_id content_hash source_id granularity section_path category hypothesis_id hypothesis "
            "nli_label char_start char_end metadata section_hash"
        ).split(),
        "uuid uuid bytea text text text text int4 text text int4 int4 jsonb bytea".split(),
    ),
}


def digest_of(record: Record, source_id: str, text: bytes) -> int:
    """64 bits of what must not be lost of a record: id, document, place, labels and the hash of its text.

    The SQL function `bootstrap_stored` computes the same from the stored rows.
    """
    label = record.nli_label.value if record.nli_label else None
    parts = (
        *(record.id, record.document_id, text.hex(), source_id, record.granularity.value, record.section_path),
        *(record.category, record.hypothesis_id, record.hypothesis, label, record.char_start, record.char_end),
    )
    line = "\x1f".join("" if part is None else str(part) for part in parts)
    digest = hashlib.md5(line.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], signed=True)


def _around(records: Sequence[Record]) -> list[Record | None]:
    """For each record of a document the section that holds most of it; None for a whole one, or without any."""
    sections = [record for record in records if record.granularity is Granularity.SECTION]
    places = [(section.char_start or 0, section.char_end or 0) for section in sections]
    parts = [
        (record.char_start, record.char_end or record.char_start)
        if record.granularity not in WHOLE and record.char_start is not None
        else (0, 0)
        for record in records
    ]
    return [None if index is None else sections[index] for index in most_shared(parts, places)]


def bounded(source_id: str) -> str:
    """A source id as it is stored: one that is too long ends in its hash."""
    if len(source_id) <= MAX_SOURCE_ID:
        return source_id
    return f"{source_id[: MAX_SOURCE_ID - 17]}~{content_hash(source_id).hex()[:16]}"
