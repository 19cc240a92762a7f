"""The corpus, the state of the work, and the ledger."""

from bootstrap_assets.store.migrations import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    run_sql(__file__, "up")


def downgrade() -> None:
    """Drop everything, the vectors of all spaces included."""
    run_sql(__file__, "down")
