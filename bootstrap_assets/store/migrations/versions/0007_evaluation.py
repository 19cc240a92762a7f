"""What the evaluation keeps: vectors of what it searches beside the corpus, and the scores it compares with."""

from bootstrap_assets.store.migrations import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the two tables."""
    run_sql(__file__, "up")


def downgrade() -> None:
    """Drop them again."""
    run_sql(__file__, "down")
