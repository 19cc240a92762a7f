"""Search that finds words as people write them, under any search path, with scores that mean something."""

from bootstrap_assets.store.migrations import run_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Normalise words, and make the search's functions anew."""
    run_sql(__file__, "up")


def downgrade() -> None:
    """Take the functions and the words back to what they were."""
    run_sql(__file__, "down")
