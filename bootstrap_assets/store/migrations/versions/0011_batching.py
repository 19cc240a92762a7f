"""The number of batches that the corpus is divided into, kept in the database."""

from bootstrap_assets.store.migrations import run_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the table."""
    run_sql(__file__, "up")


def downgrade() -> None:
    """Drop it again."""
    run_sql(__file__, "down")
