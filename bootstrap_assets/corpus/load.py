"""The records stage: all documents, records and texts of a scope change in one transaction.

A scope is a whole source or some documents of it. Rows are staged as the parser yields them, copied, then merged:
what is new is inserted, what changed is updated, what vanished is deleted, and a guard stops a parse that would
delete too much. Work grows with the scope and what it changes, not with the corpus.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from psycopg import Cursor

from bootstrap_assets.corpus.findings import keep_findings
from bootstrap_assets.corpus.records import (
    Finding,
    ParsedDocument,
    Severity,
)
from bootstrap_assets.corpus.scope import Scope
from bootstrap_assets.corpus.staging import Staging, stage
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import FormatError, MassDeleteError

statement = statements_of(__name__)

DELETE_GUARD = 0.20
"""The largest share of a scope's records that a parse may delete without being told to."""


CHANGE_EXCERPT = 1_000
"""Characters of a changed record's text that are kept, before and after."""


_MERGE_LOCK = 0x6D657267  # "merg": shared by all loads, held alone by who decides on the whole corpus

_SOURCE_LOCK = 0x736F7572  # "sour": with the source; shared by loads of some of its documents

_DOCUMENT_LOCK = 0x646F6375  # "docu": with the document

MOST_LOCKS = 100
"""Documents that are locked one by one; a load of more of them excludes other loads of the source. A server has
room for some thousands of locks."""


MUCH, MUCH_OF = 1_000, 0.2
"""Records, and the share of those that there were, that change the plans of statements."""


@dataclass(slots=True)
class Loaded:
    """What the records stage did to a scope, and what the scope holds now.

    `parsed` and `digest` are what the parser yielded: the number of records, and the exclusive or of the
    digests of each. What is stored must come to the same. `records_before` and `digest_before` are those of a
    scope of some documents as they were stored before.
    """

    parsed: int = 0
    digest: int = 0
    records_before: int = 0
    digest_before: int = 0
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


def counts(connection: Connection, scope: Scope) -> Loaded:
    """What is in the corpus of a scope now."""
    totals = Loaded()
    for documents, granularity, records in connection.execute(
        scope.of(statement("count_corpus")), scope.parameters
    ):
        totals.documents = documents
        totals.by_granularity[granularity] = records
        totals.records += records
    return totals


def load(
    connection: Connection,
    entries: Iterable[ParsedDocument | Finding],
    scope: Scope,
    *,
    allow_deletes: bool = False,
) -> Loaded:
    """Bring a scope's rows to what `entries` say: they are staged first, then stored (see `store`)."""
    with stage(scope.source, entries) as staging:
        return store(connection, staging, scope, allow_deletes=allow_deletes)


def store(connection: Connection, staging: Staging, scope: Scope, *, allow_deletes: bool = False) -> Loaded:
    """Bring a scope's rows to what was staged, in the transaction of `connection`; no other row changes.

    Raises MassDeleteError, before anything changed, where more than DELETE_GUARD of the scope's records would go;
    FormatError where what was staged is not all of the scope. To the end of the transaction another load of the
    same source, or of one of the same documents, waits, and one that brings the same new text. Words and orphaned
    texts follow in transactions of their own: `settlement.settle`.
    """
    connection.execute(statement("create_staging"))
    staging.copy(connection)
    connection.execute(statement("settle_staging"))
    _lock(connection, scope)  # before the guard counts: another load of the scope may be about to commit
    _keep_within(connection, scope)
    _guard(connection, scope, staging.records, allow_deletes=allow_deletes)
    before = _stored(connection, scope)
    result = _merge(connection, scope)
    result.records_before, result.digest_before = before
    result.parsed, result.digest = staging.records, staging.digest
    keep_findings(connection, scope, staging.findings)
    result.errors = sum(finding.severity is Severity.ERROR for _, finding in staging.findings)
    result.warnings = len(staging.findings) - result.errors
    return result


def analyze(connection: Connection, outcome: Loaded) -> None:
    """Tell the planner of a load that brought much: else it reads all records where some thousand are wanted."""
    came = outcome.new + outcome.changed + outcome.deleted
    [rows] = connection.execute(statement("analyzed_records")).fetchone() or (0,)
    if came > max(MUCH, MUCH_OF * rows):
        connection.execute(statement("analyze"))


def lock_merges(connection: Connection) -> None:
    """Let no load change the corpus until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MERGE_LOCK,))


def _lock(connection: Connection, scope: Scope) -> None:
    """Exclude other loads of what the scope holds."""
    connection.execute(statement("share_merges"), {"key": _MERGE_LOCK})
    one_by_one = scope.documents is not None and len(scope.documents) <= MOST_LOCKS
    source = statement("share_source" if one_by_one else "lock_source")
    connection.execute(source, {"key": _SOURCE_LOCK, "source": scope.source})
    if one_by_one:
        connection.execute(statement("lock_documents"), scope.parameters | {"key": _DOCUMENT_LOCK})


def _keep_within(connection: Connection, scope: Scope) -> None:
    row = None if scope.whole else connection.execute(statement("beyond_scope"), scope.parameters).fetchone()
    if row:
        raise FormatError(f"{scope}: {row[0]} belongs to another document")


def _guard(connection: Connection, scope: Scope, parsed: int, *, allow_deletes: bool) -> None:
    row = connection.execute(scope.of(statement("count_vanishing")), scope.parameters).fetchone()
    before, vanishing = row or (0, 0)
    refused = refusal(str(scope), parsed, before, vanishing)
    if refused and not allow_deletes:
        raise refused


def _stored(connection: Connection, scope: Scope) -> tuple[int, int]:
    """Records of some documents and their digest; of a whole source nobody needs it, and it takes a while."""
    if scope.whole:
        return 0, 0
    row = connection.execute(scope.of(statement("stored_of_scope")), scope.parameters).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def refusal(scope: str, parsed: int, before: int, vanishing: int) -> MassDeleteError | None:
    """What the guard says where `vanishing` of the `before` records of a scope would be deleted."""
    if vanishing <= DELETE_GUARD * before:
        return None
    return MassDeleteError(
        f"{scope}: the archive holds {parsed} records, and {vanishing} of the {before} in the corpus are "
        f"not among them. That is more than {DELETE_GUARD:.0%}, so nothing was changed. "
        "If it is meant, run again with --allow-deletes."
    )


def _merge(connection: Connection, scope: Scope) -> Loaded:
    parameters = scope.parameters

    def execute(name: str) -> Cursor[tuple[Any, ...]]:
        return connection.execute(scope.of(statement(name)), parameters)

    execute("remember_gone")
    connection.execute(statement("analyze_gone"))
    connection.execute(scope.of(statement("remember_changes")), parameters | {"excerpt": CHANGE_EXCERPT})
    execute("forget_changes")
    texts_new = _merge_texts(connection)
    execute("merge_documents")
    new, changed = execute("merge_records").fetchone() or (0, 0)
    deleted = execute("delete_vanished_records").rowcount
    execute("delete_vanished_documents")
    result = counts(connection, scope)
    result.new, result.changed, result.deleted, result.texts_new = new, changed, deleted, texts_new
    return result


def _merge_texts(connection: Connection) -> int:
    """Insert the texts that are new, and hold all that the scope came to have until the transaction ends.

    One that was there is gone again where it was an orphan: then it is inserted anew. Returns how many were new.
    """
    arrivals = connection.execute(statement("remember_come")).rowcount
    connection.execute(statement("analyze_come"))
    inserted, locked = 0, -1
    while locked < arrivals:
        inserted += connection.execute(statement("merge_texts")).rowcount
        locked = connection.execute(statement("hold_texts")).rowcount
    return inserted
