"""A tenant's documents on the page: how far they are, which failed and why, and what they are like."""

from collections.abc import Sequence
from dataclasses import dataclass

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.documents import opened, states, tenants
from bootstrap_assets.documents.opened import Label
from bootstrap_assets.documents.states import DocumentState

LABELS = 20
"""Labels that are shown, the most frequent first."""

FAILURES = 50
"""Failed documents that are shown."""


@dataclass(frozen=True, slots=True)
class TenantDocuments:
    """`stages`: documents by stage; `labels`: what passages are like."""

    tenant: str
    stages: dict[str, int]
    documents: Sequence[DocumentState]
    labels: Sequence[Label]

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
    return TenantDocuments(
        tenant,
        states.count_by_stage(connection, tenant),
        states.listing(connection, tenant=tenant),
        opened.labels_of_tenant(connection, tenant, most=LABELS),
    )
