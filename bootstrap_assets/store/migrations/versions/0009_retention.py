"""The ledger in work that does not grow with its history, and what is old summed up and pruned."""

from bootstrap_assets.store.migrations import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the sums, and indexes for what is asked of the ledger."""
    run_sql(__file__, "up")


def downgrade() -> None:
    """Take them away, and with them the sums of what was pruned."""
    run_sql(__file__, "down")
