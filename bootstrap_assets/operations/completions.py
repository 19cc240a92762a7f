"""What the assets held when a run of Dagster last ended well: where nothing changed since, no run is needed."""

from collections.abc import Mapping

from psycopg import sql

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.schema import DAGSTER_SCHEMA
from bootstrap_assets.database.statements import statements_of

statement = statements_of(__name__)


def record(connection: Connection, run_id: str, versions: Mapping[str, str]) -> None:
    """Note that a run ended well, and the version of what it left, by name of the asset."""
    for name, version in versions.items():
        connection.execute(statement("record_completion"), {"name": name, "version": version, "run_id": run_id})


def versions(connection: Connection) -> dict[str, str]:
    """By name of the asset, the version of what its last run left; those of runs that Dagster still knows."""
    runs = f"{DAGSTER_SCHEMA}.runs"
    row = connection.execute(statement("is_table"), {"name": runs}).fetchone()
    if not row or not row[0]:
        return {}
    query = statement("completions").format(runs=sql.Identifier(*runs.split(".")))
    return dict(connection.execute(query).fetchall())
