"""The whole schema."""

from bootstrap_assets.database.migrations import run_sql

revision = "0103"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    run_sql(__file__, "up")


def downgrade() -> None:
    """Drop everything, vectors included."""
    run_sql(__file__, "down")
