"""What a parser noticed: errors are dead letters, warnings are findings."""

from collections.abc import Iterator
from typing import Any

from bootstrap_assets.corpus.records import (
    Finding,
    Severity,
)
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


def keep_findings(connection: Connection, source: str, findings: list[Finding]) -> None:
    """Put a source's findings in the place of the load before's; dead letters that are gone are resolved."""
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
                "source_id": None if finding.source_id is None else bounded(clean_text(finding.source_id)),
                "class": finding.kind,
                "message": clean_text(finding.message),
                "place": _bounded_place(clean_text(finding.place)),
            }
