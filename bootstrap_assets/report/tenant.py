"""A tenant's documents on the page: how far they are, which failed and why, and what they are like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.documents import opened, states, tenants
from bootstrap_assets.documents.opened import Label
from bootstrap_assets.documents.states import DocumentState
from bootstrap_assets.labels import documents as readings
from bootstrap_assets.labels.documents import Entry

LABELS = 20
"""Labels that are shown, the most frequent first."""

READINGS = 50
"""Documents of which the page says what they hold."""

FAILURES = 50
"""Failed documents that are shown."""


@dataclass(frozen=True, slots=True)
class TenantDocuments:
    """`stages`: documents by stage; `labels`: what passages are like; `readings`: what documents hold, by name."""

    tenant: str
    stages: dict[str, int]
    documents: Sequence[DocumentState]
    labels: Sequence[Label]
    readings: Mapping[str, Sequence[Entry]]

    @property
    def failures(self) -> list[DocumentState]:
        """The documents that failed, by name."""
        return [document for document in self.documents if document.stage == "failed"]

    @property
    def passages(self) -> int:
        """Passages of all documents."""
        return sum(document.passages or 0 for document in self.documents)


def read(connection: Connection, tenant: str) -> TenantDocuments:
    """What the page tells of a tenant; ConfigurationError where there is none of that name."""
    tenants.require(connection, tenant)
    documents = states.listing(connection, tenant=tenant)
    return TenantDocuments(
        tenant,
        states.count_by_stage(connection, tenant),
        documents,
        opened.labels_of_tenant(connection, tenant, most=LABELS),
        _readings(connection, documents),
    )


def _readings(connection: Connection, documents: Sequence[DocumentState]) -> dict[str, Sequence[Entry]]:
    """Of the first documents that were read, for the page stays one that can be opened."""
    complete = [state for state in documents if state.stage == "complete"][:READINGS]
    entries = {state.name: readings.of_document(connection, state.document_id) for state in complete}
    return {name: labels for name, labels in entries.items() if labels}
