"""Dagster's run and schedule storage in PostgreSQL, in the schema that is its own. Named in dagster.yaml.

The connection string cannot name a schema: it could in libpq's `options`, a startup parameter that PgBouncer
refuses. So each new connection is sent there by a statement.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import sqlalchemy
from dagster._serdes import ConfigurableClassData
from dagster_postgres import PostgresRunStorage, PostgresScheduleStorage
from dagster_postgres.utils import pg_url_from_config

from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import load_settings
from bootstrap_assets.store.libpq import forget_environment
from bootstrap_assets.store.schema import DAGSTER_SCHEMA


class InItsSchema:
    """A storage all of whose connections are in Dagster's schema, of every engine that it makes for itself.

    The classes of dagster-postgres make engines, and connect, in `__init__` and in `optimize_for_webserver`, and
    keep them as `_engine`.
    """

    @property
    def _engine(self) -> sqlalchemy.Engine:
        engine: sqlalchemy.Engine = self.__dict__["engine"]
        return engine

    @_engine.setter
    def _engine(self, engine: sqlalchemy.Engine) -> None:
        # Before SQLAlchemy's own listener, which asks the first connection what its schema is.
        sqlalchemy.event.listen(engine, "connect", _enter_schema, insert=True)
        self.__dict__["engine"] = engine

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Any:
        """Made from dagster.yaml."""
        _keep_to_our_server()
        return cls(  # type: ignore[call-arg]
            inst_data=inst_data,
            postgres_url=pg_url_from_config(config_value),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
        )


class RunStorage(InItsSchema, PostgresRunStorage):
    """PostgresRunStorage in its schema."""


class ScheduleStorage(InItsSchema, PostgresScheduleStorage):
    """PostgresScheduleStorage in its schema."""


def _keep_to_our_server() -> None:
    """Dagster's own commands, in a shell whose PG* variables are for another server than the embedded one."""
    with suppress(ConfigurationError):  # told by whoever needs the settings
        if load_settings().database_url is None:
            forget_environment()


def _enter_schema(connection: Any, _record: object) -> None:
    was, connection.autocommit = connection.autocommit, True  # a rollback would undo it
    with connection.cursor() as cursor:
        cursor.execute(_ENTER, (DAGSTER_SCHEMA,))
    connection.autocommit = was


# Dagster writes an event per batch: it need not wait for the disk each time. A crash of the server, not of a run,
# could lose the last of them; the corpus itself says what is done.
_ENTER = "SELECT set_config('search_path', %s, false), set_config('synchronous_commit', 'off', false)"
