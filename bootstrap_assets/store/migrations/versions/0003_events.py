"""Requests from other programs, and events that tell of them."""

from bootstrap_assets.store.migrations import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add requests, and tell listeners of events."""
    run_sql(__file__, "up")


def downgrade() -> None:
    """Take them away again; events stay."""
    run_sql(__file__, "down")
