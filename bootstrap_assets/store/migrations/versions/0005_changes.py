"""What changed in a source since its previous version."""

from bootstrap_assets.store.migrations import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the changes of a source's last load."""
    run_sql(__file__, "up")


def downgrade() -> None:
    """Take them away again."""
    run_sql(__file__, "down")
