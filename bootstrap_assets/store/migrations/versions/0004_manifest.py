"""What a load parsed, to compare with what is stored."""

from bootstrap_assets.store.migrations import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the manifest of a source's last load."""
    run_sql(__file__, "up")


def downgrade() -> None:
    """Take it away again."""
    run_sql(__file__, "down")
