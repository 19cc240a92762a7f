"""The embedded server's connection string, and libpq's environment variables, which are for other servers.

Whatever a connection string does not say, libpq takes from PGHOST, PGSERVICE, PGOPTIONS and some forty others.
Not all of them can be answered by the string itself (PGSERVICE, PGTZ), so a process that uses the embedded server
drops them. For a server of the user's own they hold: there they may carry its password or its certificates.
"""

import os
from pathlib import Path
from urllib.parse import quote_from_bytes

_OTHERS = ("PG_COLOR", "PG_COLORS")
"""How programs print, not where they connect."""


def forget_environment() -> None:
    """Drop libpq's variables from this process, for its own connections and for the programs that it starts."""
    for name in [name for name in os.environ if name.startswith("PG") and name not in _OTHERS]:
        os.environ.pop(name, None)


def socket_url(folder: Path, port: int, database: str) -> str:
    """The connection string of a database behind the socket in that folder, whatever signs are in its path."""
    return f"postgresql://postgres:@/{database}?host={quote_from_bytes(os.fsencode(folder))}&port={port}"
