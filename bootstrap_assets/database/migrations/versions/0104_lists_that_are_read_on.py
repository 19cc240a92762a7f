"""A search with a filter that few texts pass reads more of the lists of words."""

from bootstrap_assets.database.migrations import run_sql

revision = "0104"
down_revision = "0103"


def upgrade() -> None:
    """Replace the function."""
    run_sql(__file__, "up")


def downgrade() -> None:
    """Nothing: the function has the same signature, and 0103 stays able to use it."""
    run_sql(__file__, "down")
