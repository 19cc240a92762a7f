"""Where our names are looked up: in our own schema alone, whatever else is in the role's search_path.

Statements name our tables without a schema, since the user decides which one it is. A table of the same name in a
schema that comes first, or a temporary one, would be read, written or dropped in place of ours.
"""

from typing import Any

import psycopg

OUR_SCHEMA = """
SELECT coalesce((
    SELECT ours.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace ours ON ours.oid = c.relnamespace
    WHERE c.oid = pg_catalog.to_regclass('bootstrap_schema_version') AND pg_catalog.quote_ident(ours.nspname)
        <> pg_catalog.split_part(pg_catalog.current_setting('search_path'), ', pg_temp, ', 2)
), pg_catalog.current_schema())
"""
"""Where our tables are, or will be made. What sessions.py added for the type vector may hold another corpus."""

# Of our schema, then of the vector type; temporary tables last. Nothing where the schema was not made yet.
_KEEP = """
SELECT pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ', pg_catalog.quote_ident(ours.nspname), (
           SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e
           JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'
       ), 'pg_temp'), %(local)s)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace ours ON ours.oid = c.relnamespace
WHERE c.oid = pg_catalog.to_regclass('bootstrap_schema_version')
  AND pg_catalog.quote_ident(ours.nspname)
      <> pg_catalog.split_part(pg_catalog.current_setting('search_path'), ', pg_temp, ', 2)
  AND (%(local)s OR pg_catalog.pg_backend_pid() = %(backend)s)
"""


def keep_to_our_schema(connection: psycopg.Connection[tuple[Any, ...]], *, local: bool = False) -> None:
    """Look names up in our own schema from now on; `local`: until the transaction ends.

    Behind a proxy only `local` does anything: the proxy may give the session to somebody else after each
    transaction, with the search_path that it was left.
    """
    parameters = {"local": local, "backend": connection.info.backend_pid}  # a proxy's is one of its own making
    connection.execute(_KEEP, parameters, prepare=False)
