"""The database as the work needs it: with this version's schema, brought up here or by somebody else."""

from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import connect, database_url, existing_database_url
from bootstrap_assets.errors import SchemaError
from bootstrap_assets.settings import Settings


def ready_database_url(settings: Settings) -> str:
    """The connection string of a database that has this version's schema; it is started and migrated if need be.

    With BOOTSTRAP_MIGRATE=never nothing is changed: SchemaError where it has another schema, or none.
    """
    if settings.migrate == "never":
        return _unchanged(existing_database_url(settings))
    url = database_url(settings)
    schema.upgrade(url)
    return url


def _unchanged(url: str) -> str:
    with connect(url) as connection:
        if schema.current(connection) is None:
            raise SchemaError(
                "the database has no schema of this package, and BOOTSTRAP_MIGRATE is `never`: "
                "run `bootstrap db upgrade`"
            )
        schema.require_current(connection)
    return url
