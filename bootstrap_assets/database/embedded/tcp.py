"""The embedded server on a port, where somebody asks for it: of this machine alone, and with a password.

The socket stays what it is, open to the owner. The port is there until the server stops: a copy of a home, or one
that starts after a reboot, does not contend for it. Password and rules lie in the data folder, closed to others.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from bootstrap_assets.database.embedded.programs import Account

HOST = "127.0.0.1"
ROLE = "postgres"

_RULES = f"local all all trust\nhost all all {HOST}/32 scram-sha-256\n"
"""Who may in (pg_hba.conf). initdb's own rules would let everybody of the machine in by TCP."""


def options(data: Path, account: Account | None) -> tuple[str, ...]:
    """What the server is started with to be on a port; the rules are written for it."""
    rules = data / "bootstrap.hba"
    _write(rules, _RULES, account)
    return ("-h", HOST, "-c", f"hba_file={rules}")


def port_of(url: str) -> int | None:
    """The port that the server behind a connection string listens on; None where it has its socket alone."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT current_setting('port')::int WHERE current_setting('listen_addresses') <> ''"
        ).fetchone()
    return int(row[0]) if row else None


def lock_up(url: str, data: Path, account: Account | None) -> None:
    """Give the role the password of its data folder, made where there is none. The server sees it scrambled."""
    secret = _password(data) or secrets.token_urlsafe(24)
    _write(data / _PASSWORD, f"{secret}\n", account)
    with psycopg.connect(url) as connection:
        scrambled = connection.pgconn.encrypt_password(secret.encode(), ROLE.encode(), b"scram-sha-256").decode()
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
        connection.execute(statement.format(sql.Identifier(ROLE), sql.Literal(scrambled)))


def address(data: Path, port: int, database: str) -> str:
    """The connection string by TCP, with the password."""
    return f"postgresql://{ROLE}:{quote(_password(data), safe='')}@{HOST}:{port}/{database}"


_PASSWORD = "bootstrap.password"


def _password(data: Path) -> str:
    with suppress(FileNotFoundError):
        return (data / _PASSWORD).read_text().strip()
    return ""


def _write(path: Path, text: str, account: Account | None) -> None:
    """Write a file that its owner alone may read, from its first moment on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        if account:
            os.fchown(file.fileno(), *account)
        file.write(text)
