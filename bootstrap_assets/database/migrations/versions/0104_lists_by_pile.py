"""A search reads so much of each pile's lists, and more where few of the texts pass its filters."""

from bootstrap_assets.database.migrations import run_sql

revision = "0104"
down_revision = "0103"


def upgrade() -> None:
    """Replace the function."""
    run_sql(__file__, "up")


def downgrade() -> None:
    """Nothing: the function has the same signature, and 0103 is as well served by it."""
    run_sql(__file__, "down")
