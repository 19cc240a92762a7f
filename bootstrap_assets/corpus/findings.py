"""What a parser noticed: errors are dead letters, warnings are findings."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from bootstrap_assets.corpus.records import (
    Finding,
    Severity,
    document_id,
)
from bootstrap_assets.corpus.scope import Scope
from bootstrap_assets.corpus.staging import bounded
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.texts.content import clean_text, content_hash

statement = statements_of(__name__)

MAX_PLACE = 600
"""Bytes of a finding's place that are stored: it shares an index entry with a source id."""


def _bounded_place(place: str) -> str:
    stored = place.encode()
    if len(stored) <= MAX_PLACE:
        return place
    return f"{stored[: MAX_PLACE - 17].decode(errors='ignore')}~{content_hash(place).hex()[:16]}"


def keep_findings(connection: Connection, scope: Scope, findings: list[tuple[UUID | None, Finding]]) -> None:
    """Put a scope's findings in the place of the load before's; dead letters that are gone are resolved."""
    connection.execute(scope.of(statement("forget_findings")), scope.parameters)
    with connection.cursor() as cursor:
        for name, severity in (("record_failure", Severity.ERROR), ("record_finding", Severity.WARNING)):
            cursor.executemany(statement(name), list(_finding_rows(scope, findings, severity)))
    for name in ("resolve_failures", "resolve_vanished"):
        connection.execute(scope.of(statement(name)), scope.parameters)


def _finding_rows(
    scope: Scope, findings: list[tuple[UUID | None, Finding]], severity: Severity
) -> Iterator[dict[str, Any]]:
    for document, finding in findings:
        if finding.severity is severity:
            yield {
                "source": finding.source,
                "document_id": document or _document_of(scope, finding),
                "source_id": None if finding.source_id is None else bounded(clean_text(finding.source_id)),
                "class": finding.kind,
                "message": clean_text(finding.message),
                "place": _bounded_place(clean_text(finding.place)),
            }


def _document_of(scope: Scope, finding: Finding) -> UUID | None:
    """The document of a finding that came with none: the one it names, else the scope's first."""
    if not scope.documents:
        return None
    return document_id(
        scope.source, finding.source_id if finding.source_id in scope.documents else scope.documents[0]
    )
