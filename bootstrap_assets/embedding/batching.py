"""The number of batches that the corpus is divided into: one for all processes, kept in the database."""

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import ConfigurationError

statement = statements_of(__name__)


def require(connection: Connection, batches: int) -> None:
    """Raise ConfigurationError where the corpus is divided into another number; the first to come sets it."""
    if current(connection) is None:
        connection.execute(statement("keep_batching"), {"batches": batches})
    check(connection, batches)


def check(connection: Connection, batches: int) -> None:
    """Raise ConfigurationError where the corpus is divided into another number. Writes nothing."""
    number = current(connection)
    if number not in (None, batches):
        raise ConfigurationError(
            f"BOOTSTRAP_BATCHES is {batches}, but this corpus is divided into {number} batches: set it to "
            f"{number}, or let `bootstrap db batches` divide the corpus anew (no vector is lost)"
        )


def current(connection: Connection) -> int | None:
    """The number in use; None before the first run."""
    row = connection.execute(statement("batching")).fetchone()
    return int(row[0]) if row else None


def divide(connection: Connection, batches: int) -> None:
    """Divide the corpus into a new number of batches. Vectors stay; the next run finds which are complete."""
    connection.execute(statement("divide_batching"), {"batches": batches})
    connection.execute(statement("forget_batches"))
