"""The records stage: all documents, records and texts of a source change in one transaction.

Rows are staged by binary COPY as the parser yields them, then merged: what is new is inserted, what changed is
updated, what vanished is deleted, and a guard stops a parse that would delete too much.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from bootstrap_assets.errors import FormatError, MassDeleteError
from bootstrap_assets.records import (
    Document,
    Finding,
    Granularity,
    ParsedDocument,
    Record,
    Severity,
    clean_text,
    content_hash,
    estimate_tokens,
    storable,
    unstorable,
)
from bootstrap_assets.store.database import Connection
from bootstrap_assets.store.overlaps import most_shared
from bootstrap_assets.store.statements import statement

DELETE_GUARD = 0.20
"""The largest share of a source's records that a parse may delete without being told to."""

PARTS_ABOVE = 4_000
"""Estimated tokens above which a text's parts are stored: below the context of every model we know."""

CHANGE_EXCERPT = 1_000
"""Characters of a changed record's text that are kept, before and after."""

MAX_SOURCE_ID = 500
"""Characters of a source id that are stored; a longer one ends in its hash, for an index entry has a limit."""

MAX_PLACE = 600
"""Bytes of a finding's place that are stored: it shares an index entry with a source id."""

_FLUSH_CHARACTERS = 4_000_000
_MERGE_LOCK = 0x6D657267  # "merg": one merge at a time, so that two sources never race for a shared text

WHOLE = (Granularity.DOCUMENT, Granularity.TEMPLATE)
"""Records that are a document, not a part of one."""

Cut = Callable[[str], Iterable[str]]
"""Cuts a text into the passages it is pooled from."""


@dataclass(slots=True)
class Loaded:
    """What the records stage did to a source.

    `parsed` and `digest` are what the parser yielded: the number of records, and the exclusive or of the
    digests of each. What is stored must come to the same.
    """

    parsed: int = 0
    digest: int = 0
    documents: int = 0
    records: int = 0
    new: int = 0
    changed: int = 0
    deleted: int = 0
    texts_new: int = 0
    errors: int = 0
    warnings: int = 0
    by_granularity: dict[str, int] = field(default_factory=dict)
    unchanged_archive: bool = False

    @property
    def unchanged(self) -> int:
        """Records that were there before, just so."""
        return self.records - self.new - self.changed


def is_loaded(connection: Connection, source: str, fingerprint: str) -> bool:
    """Whether the source's records are those of this fingerprint already."""
    row = connection.execute(statement("loaded"), {"source": source, "fingerprint": fingerprint}).fetchone()
    return bool(row and row[0])


def counts(connection: Connection, source: str) -> Loaded:
    """What is in the corpus of a source now."""
    loaded = Loaded()
    for documents, granularity, records in connection.execute(statement("count_corpus"), {"source": source}):
        loaded.documents = documents
        loaded.by_granularity[granularity] = records
        loaded.records += records
    return loaded


def load(
    connection: Connection,
    source: str,
    parsed: Iterable[ParsedDocument | Finding],
    *,
    cut: Cut,
    allow_deletes: bool = False,
    on_records: Callable[[int], None] = lambda _records: None,
) -> Loaded:
    """Bring a source's rows to what `parsed` says, in the transaction of `connection`.

    Raises MassDeleteError, before anything changed, where more than DELETE_GUARD of the source's records
    would go. `on_records` is told the number of records staged so far.
    """
    connection.execute(statement("create_staging"))
    staging = _Staging(connection, source, cut)
    for entry in parsed:
        staging.add(entry)
        on_records(staging.records)
    staging.flush()
    connection.execute(statement("analyze_staging"))
    lock_merges(connection)  # before the guard counts: another load of this source may be about to commit
    _guard(connection, source, staging.records, allow_deletes=allow_deletes)
    merged = _merge(connection, source)
    merged.parsed, merged.digest = staging.records, staging.digest
    _keep_findings(connection, source, staging.findings)
    merged.errors = sum(finding.severity is Severity.ERROR for finding in staging.findings)
    merged.warnings = len(staging.findings) - merged.errors
    return merged


def lock_merges(connection: Connection) -> None:
    """Let no load change the corpus until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MERGE_LOCK,))


class _Staging:
    """Collects rows and copies them into the staging tables, a few megabytes at a time."""

    def __init__(self, connection: Connection, source: str, cut: Cut) -> None:
        self._connection = connection
        self._source = source
        self._cut = cut
        self._texts: set[bytes] = set()
        self._rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _STAGES}
        self._characters = 0
        self.records = 0
        self.digest = 0
        self.findings: list[Finding] = []

    def add(self, entry: ParsedDocument | Finding) -> None:
        if isinstance(entry, Finding):
            self.findings.append(entry)
            return
        self.findings.extend(entry.findings)
        name = entry.document.source_id
        if (problem := unstorable(entry)) is not None:
            message = f"{problem}, which PostgreSQL cannot store: the document is left out"
            self.findings.append(Finding(self._source, Severity.ERROR, "unstorable", message, name, name))
            return
        lost: list[str] = []
        self._add_document(entry.document, lost)
        for record, section in zip(entry.records, _around(entry.records), strict=True):
            self._add_record(record, section, lost)
        for what in dict.fromkeys(lost):
            message = f"the metadata holds {what}, which jsonb cannot: null stands in its place"
            self.findings.append(Finding(self._source, Severity.WARNING, "unstorable_value", message, name, name))
        if self._characters > _FLUSH_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        for table, rows in self._rows.items():
            columns, types = _STAGES[table]
            try:
                copy_temporary(self._connection, table, columns, types, rows)
            except psycopg.errors.UniqueViolation as error:
                raise FormatError(
                    f"{self._source}: two entries have one id: {error.diag.message_detail}"
                ) from None
            rows.clear()
        self._characters = 0

    def _add_document(self, document: Document, lost: list[str]) -> None:
        self._characters += len(document.text)
        self._rows["stage_documents"].append(
            (
                document.id,
                _bounded(document.source_id),
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
        text, name = self._add_text(record.content), _bounded(record.source_id)
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
        tokens = estimate_tokens(text)
        self._rows["stage_texts"].append((digest, text, tokens))
        if tokens > PARTS_ABOVE:
            self._add_parts(digest, text)
        return digest

    def _add_parts(self, whole: bytes, text: str) -> None:
        for ordinal, part in enumerate(self._cut(text)):
            self._rows["stage_parts"].append((whole, ordinal, self._add_text(part)))


_STAGES: Mapping[str, tuple[list[str], list[str]]] = {
    "stage_documents": (
        "id source_id title raw_text licence attribution url metadata content_hash".split(),
        "uuid text text text text text text jsonb bytea".split(),
    ),
    "stage_texts": ("content_hash content tokens".split(), "bytea text int4".split()),
    "stage_parts": ("content_hash ordinal part_hash".split(), "bytea int4 bytea".split()),
    "stage_records": (
        (
            "id document_id content_hash source_id granularity section_path category hypothesis_id hypothesis "
            "nli_label char_start char_end metadata section_hash"
        ).split(),
        "uuid uuid bytea text text text text int4 text text int4 int4 jsonb bytea".split(),
    ),
}


def copy_temporary(
    connection: Connection,
    table: str,
    columns: list[str],
    types: list[str],
    rows: Iterable[tuple[Any, ...]],
) -> None:
    """Write rows into a temporary table by binary COPY."""
    command = psycopg.sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        psycopg.sql.Identifier("pg_temp", table), psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(command) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def digest_of(record: Record, source_id: str, text: bytes) -> int:
    """64 bits of what must not be lost of a record: id, document, place, labels and the hash of its text.

    The SQL function `bootstrap_stored` computes the same from the stored rows.
    """
    label = record.nli_label.value if record.nli_label else None
    parts = (
        *(record.id, record.document_id, text.hex(), source_id, record.granularity.value, record.section_path),
        *(record.category, record.hypothesis_id, record.hypothesis, label, record.char_start, record.char_end),
    )
    told = "\x1f".join("" if part is None else str(part) for part in parts)
    digest = hashlib.md5(told.encode(), usedforsecurity=False).digest()
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


def _bounded(source_id: str) -> str:
    if len(source_id) <= MAX_SOURCE_ID:
        return source_id
    return f"{source_id[: MAX_SOURCE_ID - 17]}~{content_hash(source_id).hex()[:16]}"


def _bounded_place(place: str) -> str:
    stored = place.encode()
    if len(stored) <= MAX_PLACE:
        return place
    return f"{stored[: MAX_PLACE - 17].decode(errors='ignore')}~{content_hash(place).hex()[:16]}"


def _guard(connection: Connection, source: str, parsed: int, *, allow_deletes: bool) -> None:
    row = connection.execute(statement("count_vanishing"), {"source": source}).fetchone()
    before, vanishing = row or (0, 0)
    refused = refusal(source, parsed, before, vanishing)
    if refused and not allow_deletes:
        raise refused


def refusal(source: str, parsed: int, before: int, vanishing: int) -> MassDeleteError | None:
    """What the guard says where `vanishing` of the `before` records of a source would be deleted."""
    if vanishing <= DELETE_GUARD * before:
        return None
    return MassDeleteError(
        f"{source}: the archive holds {parsed} records, and {vanishing} of the {before} in the corpus are "
        f"not among them. That is more than {DELETE_GUARD:.0%}, so nothing was changed. "
        "If it is meant, run again with --allow-deletes."
    )


def _merge(connection: Connection, source: str) -> Loaded:
    named = {"source": source}
    connection.execute(statement("remember_changes"), named | {"excerpt": CHANGE_EXCERPT})
    connection.execute(statement("forget_changes"), named)
    texts_new = connection.execute(statement("merge_texts")).rowcount
    connection.execute(statement("merge_parts"))
    connection.execute(statement("merge_documents"), named)
    new, changed = connection.execute(statement("merge_records"), named).fetchone() or (0, 0)
    deleted = connection.execute(statement("delete_vanished_records"), named).rowcount
    connection.execute(statement("delete_vanished_documents"), named)
    if deleted or changed:
        while connection.execute(statement("delete_orphaned_texts")).rowcount:
            pass  # a long text takes its parts along: they are orphans the next time round
    merged = counts(connection, source)
    merged.new, merged.changed, merged.deleted, merged.texts_new = new, changed, deleted, texts_new
    return merged


def _keep_findings(connection: Connection, source: str, findings: list[Finding]) -> None:
    named = {"source": source}
    connection.execute(statement("forget_findings"), named)
    with connection.cursor() as cursor:
        for name, severity in (("record_failure", Severity.ERROR), ("record_finding", Severity.WARNING)):
            cursor.executemany(statement(name), list(_finding_rows(findings, severity)))
    connection.execute(statement("resolve_failures"), named)
    connection.execute(statement("resolve_vanished"), named)


def _finding_rows(findings: list[Finding], severity: Severity) -> Iterator[dict[str, Any]]:
    for finding in findings:
        if finding.severity is severity:
            yield {
                "source": finding.source,
                "source_id": None if finding.source_id is None else _bounded(clean_text(finding.source_id)),
                "class": finding.kind,
                "message": clean_text(finding.message),
                "place": _bounded_place(clean_text(finding.place)),
            }
