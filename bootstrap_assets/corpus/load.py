"""The records stage: all documents, records and texts of a source change in one transaction.

Rows are staged by binary COPY as the parser yields them, then merged: what is new is inserted, what changed is
updated, what vanished is deleted, and a guard stops a parse that would delete too much.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bootstrap_assets.corpus.findings import keep_findings
from bootstrap_assets.corpus.records import (
    Finding,
    ParsedDocument,
    Severity,
)
from bootstrap_assets.corpus.staging import Cut, Staging
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import MassDeleteError

statement = statements_of(__name__)

DELETE_GUARD = 0.20
"""The largest share of a source's records that a parse may delete without being told to."""


CHANGE_EXCERPT = 1_000
"""Characters of a changed record's text that are kept, before and after."""


_MERGE_LOCK = 0x6D657267  # "merg": one merge at a time, so that two sources never race for a shared text


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
    staging = Staging(connection, source, cut)
    for entry in parsed:
        staging.add(entry)
        on_records(staging.records)
    staging.flush()
    connection.execute(statement("analyze_staging"))
    lock_merges(connection)  # before the guard counts: another load of this source may be about to commit
    _guard(connection, source, staging.records, allow_deletes=allow_deletes)
    merged = _merge(connection, source)
    merged.parsed, merged.digest = staging.records, staging.digest
    keep_findings(connection, source, staging.findings)
    merged.errors = sum(finding.severity is Severity.ERROR for finding in staging.findings)
    merged.warnings = len(staging.findings) - merged.errors
    return merged


def lock_merges(connection: Connection) -> None:
    """Let no load change the corpus until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MERGE_LOCK,))


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
