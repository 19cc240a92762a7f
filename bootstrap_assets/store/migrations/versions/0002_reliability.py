"""Dead letters by space, the ledger as rate limiter and budget, circuit breakers, stale batches."""

from bootstrap_assets.store.migrations import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add what reliability needs."""
    run_sql(__file__, "up")


def downgrade() -> None:
    """Take it away again; dead letters of the embedding stage go, for 0001 cannot tell them apart."""
    run_sql(__file__, "down")
