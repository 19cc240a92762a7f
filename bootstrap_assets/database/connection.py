"""Connections: one pool per process, to the embedded server or to one of the user's own."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar

import psycopg
from pgvector.psycopg import register_vector
from psycopg_pool import ConnectionPool, PoolTimeout
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential_jitter,
)

from bootstrap_assets.database import connection_string, refusals, sessions
from bootstrap_assets.database.embedded import server
from bootstrap_assets.database.search_path import keep_to_our_schema
from bootstrap_assets.errors import ConfigurationError, DatabaseUnavailable, is_transient
from bootstrap_assets.settings import Settings

Connection = psycopg.Connection[tuple[Any, ...]]
Result = TypeVar("Result")

CONNECT_TIMEOUT = 10
"""Seconds to wait for a server that does not answer."""

PATIENCE = 60.0
"""Seconds for which a transaction is tried again while the database restarts, is full, or breaks deadlocks."""


def database_url(settings: Settings) -> str:
    """The connection string: the user's server, or the embedded one, made and started if need be."""
    return _users_url(settings) or server.start(settings.root)


def existing_database_url(settings: Settings) -> str:
    """The same for what only reads: NoCorpusError where there is no embedded server yet; none is made."""
    return _users_url(settings) or server.existing(settings.root)


def _users_url(settings: Settings) -> str | None:
    secret = settings.database_url
    return connection_string.read(secret.get_secret_value()) if secret else None


_PARAMETERS: dict[str, Any] = {
    "application_name": "bootstrap-assets",
    "connect_timeout": CONNECT_TIMEOUT,
    # Notice within a minute, not the default two hours, that a server has silently gone.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


def _parameters(url: str) -> dict[str, Any]:
    """Our parameters of a connection, without those that the user's connection string says otherwise."""
    options = psycopg.conninfo.conninfo_to_dict(url)
    return {name: value for name, value in _PARAMETERS.items() if name not in options}


def connect(url: str, *, autocommit: bool = False) -> Connection:
    """A single connection outside the pool, with the settings of our sessions.

    DatabaseUnavailable where nothing answers, DatabaseRefused where the server lets nobody in with that string.
    """
    if not connection_string.is_readable(url):
        raise ConfigurationError(connection_string.UNREADABLE)
    try:
        connection = _once_more(lambda: _open(url))
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        if isinstance(error, psycopg.ProgrammingError) and error.sqlstate:
            raise  # of our statements, not of the connection string
        raise refusals.classify(url, describe(url), error) from None
    connection.autocommit = autocommit
    return connection


def _open(url: str) -> Connection:
    connection = psycopg.connect(url, autocommit=True, **_parameters(url))
    try:
        _begin_session(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _once_more(work: Callable[[], Result]) -> Result:
    """Do `work`, which makes a new connection; again if the server ends that connection meanwhile."""
    on_shutdown = retry_if_exception(lambda error: isinstance(error, psycopg.errors.AdminShutdown))
    result: Result = Retrying(retry=on_shutdown, stop=stop_after_attempt(3), reraise=True)(work)
    return result


def _begin_session(connection: Connection) -> None:
    """Give a new session, in autocommit, the settings that our statements rely on."""
    info = connection.info
    sessions.require_utf8(info.parameter_status("server_encoding"), info.dbname)
    connection.execute(sessions.STATEMENT, sessions.parameters(info.options), prepare=False)
    keep_to_our_schema(connection)


def advisory_lock(connection: Connection, key: int, more: int = 0, *, every: float = 0.1) -> None:
    """Take a session advisory lock, by polling.

    A statement that waits inside PostgreSQL holds a snapshot, and CREATE INDEX CONCURRENTLY of the process that
    has the lock would wait for that: a deadlock.
    """
    query = "SELECT pg_try_advisory_lock(%s, %s)"
    while not (connection.execute(query, (key, more)).fetchone() or (False,))[0]:
        time.sleep(every)


def backend(connection: Connection) -> int:
    """The id of the server's process that serves this connection now. Behind a proxy it may change."""
    with nullcontext() if connection.autocommit else connection.transaction():
        row = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    return int(row[0]) if row else 0


def is_proxied(connection: Connection) -> bool:
    """Whether a proxy such as PgBouncer is in between: it gives its clients a process id of its own making."""
    return backend(connection) != connection.info.backend_pid


def is_pooled_by_transaction(connection: Connection) -> bool:
    """Whether a proxy gives each transaction some server process, as PgBouncer does with pool_mode = transaction.

    Where there is no proxy this takes one query. Behind one, three more connections are opened: pooled by
    transaction they meet in one process, or one is moved between two; else each has one to itself while it lives.
    """
    try:
        if not is_proxied(connection):
            return False
        with ExitStack() as stack:
            others = [stack.enter_context(closing(_another(connection))) for _ in range(3)]
            backends = [{backend(each), backend(each)} for each in (connection, *others)]
    except psycopg.errors.ProtocolViolation as error:
        if "statement pooling" in str(error):
            return True
        raise
    return any(len(processes) > 1 for processes in backends) or len(set().union(*backends)) < len(backends)


def _another(connection: Connection) -> Connection:
    """A further connection with every parameter of this one; `info.dsn` would lack its passwords."""
    options = {option.keyword.decode(): option.val.decode() for option in connection.pgconn.info if option.val}
    return psycopg.connect(autocommit=True, **options)  # type: ignore[arg-type]


def trying_again(before_sleep: Callable[[RetryCallState], None] | None = None) -> Retrying:
    """Tries a database call again, for up to PATIENCE seconds, while the error is transient."""
    return Retrying(
        retry=retry_if_exception(is_transient),
        stop=stop_after_delay(PATIENCE),
        wait=wait_exponential_jitter(multiplier=0.1, max=5, jitter=0.2),
        before_sleep=before_sleep,
        reraise=True,
    )


def _leads_through_proxy(url: str) -> bool:
    with closing(connect(url)) as connection:
        return is_proxied(connection)


class Database:
    """A pool of connections that know the vector type. A connection taken is a transaction."""

    def __init__(self, url: str, *, size: int = 12) -> None:
        self.url = url
        # Fails at once and with a clear message; the pool itself would keep trying.
        # A statement prepared in one process is unknown in the next that a proxy may choose.
        self._is_proxied = _once_more(partial(_leads_through_proxy, url))
        options = {"prepare_threshold": None} if self._is_proxied else {}
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url,
            min_size=1,
            max_size=size,
            configure=self._configure,
            check=ConnectionPool.check_connection,  # after a restart of the server all idle ones are dead
            kwargs=_parameters(url) | options,
            open=True,
        )

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in a transaction: committed at the end, rolled back on an exception."""
        try:
            with self._pool.connection(timeout=PATIENCE) as connection:
                if self._is_proxied:
                    keep_to_our_schema(connection, local=True)
                yield connection
        except PoolTimeout as error:
            connect(self.url).close()  # says why, where it is the server that gives no connection
            raise DatabaseUnavailable(f"no free connection to {describe(self.url)}: {error}") from None

    def transact(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in a transaction of its own, and try again while the error is transient."""
        result: Result = trying_again()(self._once, work)
        return result

    def _once(self, work: Callable[[Connection], Result]) -> Result:
        with self.connection() as connection:
            return work(connection)

    def _configure(self, connection: Connection) -> None:
        connection.autocommit = True  # a transaction that is rolled back would undo the settings
        _begin_session(connection)
        connection.autocommit = False
        if psycopg.types.TypeInfo.fetch(connection, "vector") is not None:
            register_vector(connection)
        connection.commit()

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def describe(url: str) -> str:
    """A connection string for display: host, port and database, no password."""
    if not connection_string.is_readable(url):
        return "(unreadable connection string)"
    info = psycopg.conninfo.conninfo_to_dict(url)
    return f"{info.get('host', 'localhost')}:{info.get('port', 5432)}/{info.get('dbname', '')}"


def look_at_one_moment(connection: Connection) -> None:
    """Make the transaction read-only, with one snapshot of the database to its end. What it did is lost."""
    connection.rollback()  # through a proxy's pool our schema was asked for, and the snapshot taken
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    keep_to_our_schema(connection, local=True)
