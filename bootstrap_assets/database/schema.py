"""The schema's version: checks of the server, migrations up and down under an advisory lock."""

import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from bootstrap_assets.database.connection import Connection, advisory_lock, connect, is_pooled_by_transaction
from bootstrap_assets.database.locks import LOCK_SECONDS, PAUSE
from bootstrap_assets.database.namesakes import require_ours
from bootstrap_assets.database.search_path import OUR_SCHEMA
from bootstrap_assets.errors import ConfigurationError, DatabaseBusy, SchemaError

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_TABLE = "bootstrap_schema_version"
DAGSTER_SCHEMA = "bootstrap_dagster"
"""Where Dagster keeps its runs, events and schedules; defs/storage.py sends it there."""
MIN_POSTGRES = 15
MIN_PGVECTOR = (0, 8, 4)
"""The first release with the fixes to parallel HNSW builds, vacuum and graph repair (pgvector changelog)."""

POOLED = (
    "BOOTSTRAP_DATABASE_URL leads through a proxy that pools transactions (PgBouncer: pool_mode = transaction): "
    "the session locks that keep two runs apart do not hold there; name the server itself, or a pool with "
    "pool_mode = session. Searching and looking work through both"
)

LOCK_PATIENCE = 60.0
"""Seconds for which a migration tries to get its locks, a moment at a time, so that no reader queues behind it."""

_LOCK = 0x626F6F74  # "boot": held while migrating


def current(connection: Connection) -> str | None:
    """The database's schema version, None for an empty one."""
    query = f"SELECT to_regclass(quote_ident(({OUR_SCHEMA})) || '.' || %s) IS NOT NULL"
    row = connection.execute(query, (VERSION_TABLE,)).fetchone()
    if not row or not row[0]:
        return None
    version = connection.execute(
        sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(VERSION_TABLE))
    ).fetchone()
    return str(version[0]) if version else None


def upgrade(url: str, revision: str = "head") -> str | None:
    """Check the server and bring its schema up; returns the version. Does nothing where it is up to date."""
    with connect(url) as connection:
        check_server(connection)
        version = current(connection)
        if version == (head() if revision == "head" else revision):
            return version
        _refuse_unknown(version)
    _migrate(url, "upgrade", revision)
    with connect(url) as connection:
        return current(connection)


def downgrade(url: str, revision: str) -> None:
    """Bring the schema down to a version; `base` drops all tables of this package and their data."""
    with connect(url) as connection:
        check_server(connection)
        _refuse_unknown(current(connection))
    _migrate(url, "downgrade", revision)


def reset(url: str) -> None:
    """Drop all tables of this package, whichever version made them, with their data, and make them again."""
    with connect(url) as connection:
        version = current(connection)
        if version is not None and version < min(_version_numbers()):
            require_ours(connection)
            query = sql.SQL("UPDATE {} SET version_num = %s").format(sql.Identifier(VERSION_TABLE))
            connection.execute(query, (head(),))
    if version is not None:
        downgrade(url, "base")
    upgrade(url)


def check_server(connection: Connection) -> None:
    """Raise SchemaError where the server is too old, read-only, or has no usable pgvector.

    ConfigurationError behind a proxy that pools transactions.
    """
    major = connection.info.server_version // 10_000
    if major < MIN_POSTGRES:
        raise SchemaError(f"PostgreSQL {major} is too old: {MIN_POSTGRES} or newer is needed")
    if is_pooled_by_transaction(connection):
        raise ConfigurationError(POOLED)
    _require_writing(connection)
    row = connection.execute(
        "SELECT default_version, installed_version FROM pg_available_extensions WHERE name = 'vector'"
    ).fetchone()
    if row is None:
        raise SchemaError("this PostgreSQL server has no pgvector: install the extension `vector` on it")
    _check_pgvector(available=row[0], present=row[1])


def _require_writing(connection: Connection) -> None:
    standby, reading = connection.execute(_READING).fetchone() or (False, False)
    if standby:
        raise SchemaError("this PostgreSQL server is a standby, which can only be read: name the primary")
    if reading:
        raise SchemaError(
            "this session may only read: the connection string's options set default_transaction_read_only"
        )


def require_current(connection: Connection) -> None:
    """Raise SchemaError unless the schema is the one this package knows."""
    version = current(connection)
    if version == head():
        return
    _refuse_unknown(version)
    if version is None:
        raise SchemaError("the database holds no corpus yet: `bootstrap run` fills it")
    raise SchemaError(f"the database has schema {version}, an older one: run `bootstrap db upgrade`")


def ensure_schema(connection: Connection, name: str) -> None:
    """Make a schema where there is none. One made by an administrator will do: the role then needs no CREATE.

    SchemaError, with what an administrator has to run, where the role may not make it, or no tables in it.
    """
    row = connection.execute(_SCHEMA_RIGHTS, (name,)).fetchone()
    role, usable = row or ("", None)
    if usable:
        return
    remedy = "GRANT USAGE, CREATE ON SCHEMA {0} TO {1}"
    if usable is None:
        remedy = "CREATE SCHEMA {0} AUTHORIZATION {1}"
        with suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(name)))
            return
    command = sql.SQL(remedy).format(sql.Identifier(name), sql.Identifier(role)).as_string(connection)
    raise SchemaError(f"the role {role} may make no tables in a schema {name}: {_ASK} `{command}`")


def empty_schema(connection: Connection, name: str) -> None:
    """Drop all tables of a schema, which stays: the role may not be allowed to make it again."""
    rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (name,)).fetchall()
    if rows:
        tables = sql.SQL(", ").join(sql.Identifier(name, table) for (table,) in rows)
        connection.execute(sql.SQL("DROP TABLE {} CASCADE").format(tables))


@cache
def head() -> str:
    """The newest schema version this package knows."""
    return max(_version_numbers())


def _version_numbers() -> set[str]:
    return {path.name.split("_")[0] for path in _versions()}


def _versions() -> list[Path]:
    return sorted((Path(__file__).parent / "migrations" / "versions").glob("[0-9]*.py"))


def _refuse_unknown(version: str | None) -> None:
    numbers = _version_numbers()
    if version is not None and version < min(numbers):
        raise SchemaError(
            f"the database has schema {version}, of a version before the first release, whose tables were others: "
            "empty it with `bootstrap db reset`, then `bootstrap run`"
        )
    if version is not None and version not in numbers:
        raise SchemaError(
            f"the database has schema {version}, newer than this version of bootstrap-assets knows ({head()}): "
            "update bootstrap-assets"
        )


def _check_pgvector(*, available: str, present: str | None) -> None:
    minimum = ".".join(map(str, MIN_PGVECTOR))
    if present is None and _parts(available) < MIN_PGVECTOR:
        raise SchemaError(f"the server offers pgvector {available}: {minimum} or newer is needed")
    if present is not None and _parts(present) < MIN_PGVECTOR:
        how = "run `ALTER EXTENSION vector UPDATE`" if _parts(available) >= MIN_PGVECTOR else "update it"
        raise SchemaError(f"the database has pgvector {present}: {minimum} or newer is needed; {how}")


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())


def _migrate(url: str, direction: str, revision: str) -> None:
    until = time.monotonic() + LOCK_PATIENCE
    with connect(url, autocommit=True) as guard:
        _require_rights(guard)
        advisory_lock(guard, _LOCK)
        if direction == "upgrade":
            _create_extension(guard)
        while not _try_to_migrate(url, direction, revision):
            if time.monotonic() > until:
                raise DatabaseBusy(
                    f"cannot {direction} the schema: other transactions have used its tables for "
                    f"{LOCK_PATIENCE:.0f} s without a break (pg_stat_activity names them); end them, or try again"
                )
            time.sleep(PAUSE)


def _try_to_migrate(url: str, direction: str, revision: str) -> bool:
    """Migrate; False where somebody held a lock for longer than others may queue behind us."""
    # Alembic and SQLAlchemy take half a second to import, and most commands find nothing to migrate.
    import sqlalchemy
    from alembic import command
    from alembic.util import CommandError

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: connect(url), poolclass=sqlalchemy.pool.NullPool
    )
    config = _config()
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_SECONDS}s'")
            connection.commit()
            config.attributes["connection"] = connection
            getattr(command, direction)(config, revision)
    except CommandError as error:
        raise SchemaError(f"cannot {direction} the schema to {revision!r}: {error}") from None
    except (psycopg.errors.LockNotAvailable, sqlalchemy.exc.OperationalError) as error:
        if isinstance(getattr(error, "orig", error), psycopg.errors.LockNotAvailable):
            return False
        raise
    finally:
        engine.dispose()
    return True


def _require_rights(connection: Connection) -> None:
    row = connection.execute(_RIGHTS).fetchone()
    role, database, namespace, temporary, create = row or ("", "", None, True, True)
    if namespace is None:
        raise SchemaError(f"{role} may use no schema of its search_path: {_ASK} `GRANT USAGE ON SCHEMA ...`")
    other = connection.execute(_OTHER_CORPUS).fetchone()
    if other:
        raise SchemaError(
            f"the schema {namespace} has no corpus, and cannot have one: the extension vector is in the schema "
            f"{other[0]}, where another corpus is. Name another database, or leave the schema {namespace} out"
        )
    rights = [] if temporary else [sql.SQL("TEMPORARY ON DATABASE {}").format(sql.Identifier(database))]
    if not create:
        rights.append(sql.SQL("CREATE ON SCHEMA {}").format(sql.Identifier(namespace)))
    if rights:
        grants = [sql.SQL("GRANT {} TO {}").format(what, sql.Identifier(role)) for what in rights]
        statements = "; ".join(grant.as_string(connection) for grant in grants)
        raise SchemaError(f"the role {role} lacks rights: {_ASK} `{statements}`")


_ASK = "have an administrator run (docs/external-postgres.md)"
_READING = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean"
_RIGHTS = """
SELECT current_user, current_database(), current_schema(),
       has_database_privilege(current_database(), 'TEMPORARY'),
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)
"""

# What the session looks into for the type vector alone: database/search_path.py.
_OTHER_CORPUS = """
SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = 'bootstrap_schema_version'
  AND quote_ident(n.nspname) = split_part(current_setting('search_path'), ', pg_temp, ', 2)
"""

_SCHEMA_RIGHTS = """
SELECT current_user, (
    SELECT has_schema_privilege(oid, 'USAGE') AND has_schema_privilege(oid, 'CREATE')
    FROM pg_namespace WHERE nspname = %s)
"""


def _create_extension(connection: Connection) -> None:
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except psycopg.errors.InsufficientPrivilege:
        raise SchemaError(
            "this role may not create the extension: have an administrator run "
            "`CREATE EXTENSION vector` in this database once"
        ) from None


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))  # ConfigParser fills in what follows a %
    return config
