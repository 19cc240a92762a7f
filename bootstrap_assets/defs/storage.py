"""Dagster's run and schedule storage in PostgreSQL, in the schema that is its own. Named in dagster.yaml.

The connection string cannot name a schema: it could in libpq's `options`, a startup parameter that PgBouncer
refuses. So each new connection is sent there by a statement.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import dagster as dg
import sqlalchemy
from dagster_postgres import PostgresRunStorage, PostgresScheduleStorage

from bootstrap_assets.database import sessions
from bootstrap_assets.database.libpq import forget_environment
from bootstrap_assets.database.schema import DAGSTER_SCHEMA
from bootstrap_assets.defs.environment import refuse
from bootstrap_assets.defs.launcher import this_process
from bootstrap_assets.defs.private import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    CODE_LOCATION_TAG,
    PARTITION_NAME_TAG,
    SINGLETON_REPOSITORY_NAME,
    ConfigurableClassData,
    DagsterEvent,
    RegisteredCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import dagster_url, load_settings


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
    def config_type(cls) -> dict[str, Any]:
        """What dagster.yaml may say; it says nothing, for the environment does."""
        autocreate = dg.Field(bool, is_required=False, default_value=True)
        return {
            "postgres_url": dg.Field(dg.StringSource, is_required=False),
            "should_autocreate_tables": autocreate,
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Any:
        """Made from dagster.yaml."""
        _keep_to_our_server()
        return cls(  # type: ignore[call-arg]
            inst_data=inst_data,
            postgres_url=config_value.get("postgres_url") or dagster_url() or refuse(),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
        )


CODE_LOCATION = "bootstrap_assets"
"""The name of the code location, in workspace.yaml and [tool.dg] too."""


class RunStorage(InItsSchema, PostgresRunStorage):
    """PostgresRunStorage in its schema, in which every run says where it belongs and which batches it covers."""

    def add_run(self, dagster_run: dg.DagsterRun) -> dg.DagsterRun:
        """Store a new run."""
        return super().add_run(of_one_range(at_home(dagster_run)))

    def handle_run_event(self, run_id: str, event: DagsterEvent, update_timestamp: datetime | None = None) -> None:
        """Store what became of a run; of one that begins also in which process, which is this one."""
        super().handle_run_event(run_id, event, update_timestamp)
        if event.event_type is dg.DagsterEventType.RUN_START and event.pid:
            self.add_run_tags(run_id, this_process(event.pid))


def at_home(run: dg.DagsterRun) -> dg.DagsterRun:
    """A run with the code location that its job is in.

    Dagster leaves that out where nobody launched it (`bootstrap run`, `dagster job execute`), and then its
    timeline and lists by job know nothing of the run.
    """
    if run.remote_job_origin is not None:
        return run
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(CODE_LOCATION), SINGLETON_REPOSITORY_NAME)
    run = run.with_job_origin(repository.get_job_origin(run.job_name))
    return run.with_tags({**run.tags, CODE_LOCATION_TAG: CODE_LOCATION})


def of_one_range(run: dg.DagsterRun) -> dg.DagsterRun:
    """A run over one batch that was chosen, without the range of all batches that is a tag of its job."""
    if PARTITION_NAME_TAG not in run.tags:
        return run
    ranges = (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
    return run.with_tags({name: value for name, value in run.tags.items() if name not in ranges})


class ScheduleStorage(InItsSchema, PostgresScheduleStorage):
    """PostgresScheduleStorage in its schema."""


def _keep_to_our_server() -> None:
    """Dagster's own commands, in a shell whose PG* variables are for another server than the embedded one."""
    with suppress(ConfigurationError):  # reported by whatever needs the settings
        if load_settings().database_url is None:
            forget_environment()


def _enter_schema(connection: Any, _record: object) -> None:
    sessions.require_utf8(connection.get_parameter_status("server_encoding"), connection.info.dbname)
    connection.set_client_encoding("UTF8")  # psycopg2 would not notice it from a statement
    parameters = sessions.parameters(connection.info.options)
    was, connection.autocommit = connection.autocommit, True  # a rollback would undo it
    with connection.cursor() as cursor:
        cursor.execute(f"{sessions.STATEMENT}; {_ENTER}", {**parameters, "schema": DAGSTER_SCHEMA})
    connection.autocommit = was


# Dagster writes an event per batch: it need not wait for the disk each time. A crash of the server, not of a run,
# could lose the last of them; the corpus itself says what is done.
_ENTER = "SELECT set_config('search_path', %(schema)s, false), set_config('synchronous_commit', 'off', false)"
