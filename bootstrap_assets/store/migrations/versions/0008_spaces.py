"""Functions that mean our tables whatever the caller's search_path, and what a fit was learnt of."""

from bootstrap_assets.store.migrations import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Bind the functions' bodies to our tables; add the column."""
    run_sql(__file__, "up")


def downgrade() -> None:
    """Bring back the functions as they were."""
    run_sql(__file__, "down")
