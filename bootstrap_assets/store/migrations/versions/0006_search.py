"""Hybrid search as SQL functions, and what they need to know of the corpus."""

from bootstrap_assets.store.migrations import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add `search_reference` and its statistics of words."""
    run_sql(__file__, "up")


def downgrade() -> None:
    """Take them away again."""
    run_sql(__file__, "down")
