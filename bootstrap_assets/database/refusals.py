"""Tells a server that refuses a connection, which is not tried again, from one that does not answer."""

import re

import psycopg
from psycopg.conninfo import make_conninfo

from bootstrap_assets.errors import BootstrapError, DatabaseRefused, DatabaseUnavailable

_FROM_SERVER = re.compile(r": \w+:  ")
"""A message of the server's own, `FATAL:  …` in whichever language it speaks; libpq's have no severity."""

_FOR_NOW = re.compile(
    r"too many|not currently accepting|remaining connection slots|shutting down|starting up|recovery|"
    r"query_wait_timeout|server_login_retry|server login has been failing|cannot connect to server|"
    r"server conn crashed"
)
"""What passes by itself, besides a server that is starting: it is full, an administrator keeps everybody out for a
while, or a proxy waits for the server behind it."""

_UNMET = re.compile(
    r"certificate|does not support (SSL|GSSAPI)|private key file|could not load|no SSL error|"
    r"invalid \S+ value|bad value for|definition of service|service file|could not match|weak sslmode|requirepeer|"
    r"could not parse network address|socket path .* too long"
)
"""What libpq, OpenSSL or psycopg say when a connection cannot be made in the way that was asked for."""


def classify(url: str, place: str, error: Exception) -> BootstrapError:
    """The error of a failed connection, as one of ours; `place` names the server for people."""
    line = one_line(error)
    if _FROM_SERVER.search(str(error)):
        if _FOR_NOW.search(line) or _is_starting(url):
            return DatabaseUnavailable(f"PostgreSQL at {place} takes no connection now: {line}{_advice(line)}")
        return DatabaseRefused(f"PostgreSQL at {place} refuses the connection: {line}")
    if _UNMET.search(line):
        return DatabaseRefused(f"no connection to PostgreSQL at {place} as the connection string wants it: {line}")
    return DatabaseUnavailable(f"no answer from PostgreSQL at {place}: {line}")


def _is_starting(url: str) -> bool:
    """Whether the server says that it starts or stops: libpq reads its SQLSTATE, which knows no language."""
    conninfo = make_conninfo(url, connect_timeout=5)
    return psycopg.pq.PGconn.ping(conninfo.encode()) == psycopg.pq.Ping.REJECT


def _advice(line: str) -> str:
    if "too many" not in line and "slots" not in line:
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
