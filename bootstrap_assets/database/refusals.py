"""Why a server lets nobody in, told apart from no answer: what somebody has to change is not tried again."""

import re

import psycopg
from psycopg.conninfo import make_conninfo

from bootstrap_assets.errors import BootstrapError, DatabaseRefused, DatabaseUnavailable

_ANSWERED = re.compile(r": \w+:  ")
"""A message of the server's own, `FATAL:  …` in whichever language it speaks; libpq's have no severity."""

_FOR_NOW = re.compile(
    r"too many|not currently accepting|remaining connection slots|shutting down|starting up|recovery|"
    r"query_wait_timeout|server_login_retry|server login has been failing|cannot connect to server|"
    r"server conn crashed"
)
"""What passes by itself, besides a server that just starts: it is full, an administrator keeps everybody out for a
while, or a proxy waits for the server behind."""

_AS_ASKED = re.compile(
    r"certificate|does not support (SSL|GSSAPI)|private key file|could not load|no SSL error|"
    r"invalid \S+ value|bad value for|definition of service|service file|could not match|weak sslmode|requirepeer|"
    r"could not parse network address|socket path .* too long"
)
"""What libpq, OpenSSL or psycopg say of a connection that is not to be had as it was asked for."""


def classify(url: str, place: str, error: Exception) -> BootstrapError:
    """The error of a connection that was not made, as one of ours; `place` is the server for people."""
    said = one_line(error)
    if _ANSWERED.search(str(error)):
        if _FOR_NOW.search(said) or _is_starting(url):
            return DatabaseUnavailable(f"PostgreSQL at {place} takes no connection now: {said}{_advice(said)}")
        return DatabaseRefused(f"PostgreSQL at {place} refuses the connection: {said}")
    if _AS_ASKED.search(said):
        return DatabaseRefused(f"no connection to PostgreSQL at {place} as the connection string wants it: {said}")
    return DatabaseUnavailable(f"no answer from PostgreSQL at {place}: {said}")


def _is_starting(url: str) -> bool:
    """Whether the server says that it starts or stops: libpq reads its SQLSTATE, which knows no language."""
    conninfo = make_conninfo(url, connect_timeout=5)
    return psycopg.pq.PGconn.ping(conninfo.encode()) == psycopg.pq.Ping.REJECT


def _advice(said: str) -> str:
    if "too many" not in said and "slots" not in said:
        return ""
    return (
        "; a run takes up to BOOTSTRAP_EMBED_WORKERS + 8 connections: raise the role's or database's CONNECTION "
        "LIMIT or max_connections, or set fewer workers"
    )


def one_line(error: Exception) -> str:
    """An error in one line, without a password that a connection string in it may carry."""
    line = " ".join(str(error).split())
    line = re.sub(r"(://[^:/@\s]+:)[^@\s]+@|(password=)\S+", r"\1\2***", line)
    return line.removeprefix("connection failed: ")
