"""For whom a transaction reads: row security shows it the reference corpus, and one tenant's own documents."""

from bootstrap_assets.database.connection import Connection


def act_for(connection: Connection, tenant: str | None) -> None:
    """Let what follows in this transaction see the documents of a tenant, None: those of none."""
    connection.execute("SELECT set_config('bootstrap.tenant', %s, true)", (tenant or "",))
