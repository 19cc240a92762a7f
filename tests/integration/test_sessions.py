"""What a session of ours costs before its first statement."""

import psycopg
import pytest

from bootstrap_assets.database import sessions


@pytest.mark.parametrize(("options", "is_read"), [("", False), ("-cstatement_timeout=9s", True)])
def test_the_view_of_all_settings_is_read_only_where_the_connection_string_may_say_otherwise(
    postgres: str, options: str, is_read: bool
) -> None:
    """Dagster makes a connection for each query, and the view costs more than the connection."""
    with psycopg.connect(postgres) as connection, psycopg.ClientCursor(connection) as cursor:
        cursor.execute(f"EXPLAIN ANALYZE {sessions.STATEMENT}", sessions.parameters(options))
        [view] = [line for (line,) in cursor if "pg_show_all_settings" in line]
    assert ("never executed" not in view) is is_read
