"""What each session of ours sets for itself: settings that an administrator made for a role or a database, with
other programs in mind, would otherwise end our statements or change what they mean.

By a statement once connected, in one round trip: PgBouncer refuses the startup parameter `options`.
"""

from dataclasses import dataclass
from typing import Any

from bootstrap_assets.errors import SchemaError


@dataclass(frozen=True, slots=True)
class _Setting:
    """A setting of a session; `always`: also where the connection string says otherwise."""

    name: str
    value: str
    always: bool = False


_SETTINGS = (
    # What our statements, and the drivers that read their answers, take for granted.
    _Setting("client_encoding", "UTF8", always=True),
    _Setting("standard_conforming_strings", "on", always=True),
    _Setting("backslash_quote", "safe_encoding", always=True),
    _Setting("array_nulls", "on", always=True),
    _Setting("transform_null_equals", "off", always=True),
    _Setting("gin_fuzzy_search_limit", "0", always=True),  # otherwise a search of words finds a random part
    _Setting("bytea_output", "hex", always=True),
    _Setting("extra_float_digits", "1", always=True),
    _Setting("DateStyle", "ISO, MDY", always=True),
    _Setting("IntervalStyle", "postgres", always=True),
    _Setting("TimeZone", "UTC", always=True),
    # What an administrator limits; the connection string has the last word.
    _Setting("statement_timeout", "0"),
    _Setting("lock_timeout", "0"),
    _Setting("idle_in_transaction_session_timeout", "0"),
    _Setting("transaction_timeout", "0"),  # from PostgreSQL 17 on
    _Setting("idle_session_timeout", "0"),
    _Setting("default_transaction_isolation", "read committed"),
    _Setting("default_transaction_read_only", "off"),
    _Setting("default_transaction_deferrable", "off"),
    _Setting("row_security", "on"),
    # A host that is cut off says no goodbye. Looked after by the system its leases and row locks would be kept for
    # two hours, and everybody would wait for them; so it is half a minute.
    _Setting("tcp_keepalives_idle", "10"),
    _Setting("tcp_keepalives_interval", "5"),
    _Setting("tcp_keepalives_count", "4"),
    _Setting("tcp_user_timeout", "30000"),  # milliseconds, for what was sent and is not acknowledged
)

# A setting that the server does not know is left out. Those of the connection string and of libpq's variables have
# the source `client`; the view that says so costs more than all the rest, and is read where there may be some. The
# type vector may stand in a schema that the role does not look into: it comes after
# pg_temp, by which database/search_path.py knows that a corpus which is there is not this one. That we are the
# pipeline lets the tables' owner, and nobody else, see the rows of every tenant.
STATEMENT = """
SELECT set_config(ours.name, ours.value, false)
FROM unnest(%(names)s::text[], %(values)s::text[], %(always)s::boolean[]) AS ours (name, value, always)
WHERE current_setting(ours.name, true) IS NOT NULL
  AND (ours.always OR EXISTS (SELECT FROM pg_settings s WHERE s.name = ours.name AND s.source <> 'client'))
UNION ALL
SELECT set_config('bootstrap.pipeline', 'on', false)
UNION ALL
SELECT set_config('search_path', current_setting('search_path') || ', pg_temp, ' || quote_ident(n.nspname), false)
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'vector' AND current_schema() IS NOT NULL AND n.nspname <> ALL (current_schemas(true))
"""
"""Sets them all, whichever driver sends it with `parameters`."""


def parameters(options: str) -> dict[str, Any]:
    """The parameters of STATEMENT on a connection with those libpq `options`, which alone can say otherwise."""
    return {
        "names": [setting.name for setting in _SETTINGS],
        "values": [setting.value for setting in _SETTINGS],
        "always": [setting.always or not options for setting in _SETTINGS],
    }


def require_utf8(encoding: str | None, database: str) -> None:
    """Raise SchemaError where a database has another encoding; None where a proxy does not say."""
    if encoding not in (None, "UTF8"):
        raise SchemaError(
            f"the database {database} has the encoding {encoding}, which cannot hold every text: make one with "
            f"CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8'"
        )
