"""What the child may do: read, compute and answer. A parser that is led astray finds the doors shut.

Limits of the operating system hold for whatever runs in the process; the hook holds for Python's own calls. Both
are second lines: no reader in this package opens a connection, starts a program or writes a file.
"""

import os
import resource
import sys
from contextlib import suppress

_FORBIDDEN = (
    *("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"),
    *("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.startfile"),
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link", "os.symlink"),
    *("urllib.Request", "ftplib.connect", "http.client.connect", "smtplib.connect", "webbrowser.open"),
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_SPARE_BYTES = 768 * 1024**2
"""Address space beside the memory a document may take: programs, libraries and arenas."""

_SPARE_SECONDS = 30


def confine(memory_bytes: int) -> None:
    """Shut what the child does not need, for good. `memory_bytes` is what one document may take."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_AS, memory_bytes + _SPARE_BYTES)
    with suppress(OSError):
        os.nice(5)
    sys.addaudithook(_refuse)


def allow_seconds(seconds: float) -> None:
    """Let the process compute for so long from now on; the system ends it then, whatever holds it up."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    until = int(usage.ru_utime + usage.ru_stime + seconds + _SPARE_SECONDS)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def peak_bytes(usage: resource.struct_rusage) -> int:
    """The most memory that a process held at once."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _limit(kind: int, most: int) -> None:
    with suppress(OSError, ValueError):  # a lower limit is set already, or the system has none of the kind
        resource.setrlimit(kind, (most, most))


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in _FORBIDDEN:
        raise PermissionError(f"{event} is not allowed while a document is read")
    if event == "open" and len(arguments) > 2 and isinstance(arguments[2], int) and arguments[2] & _WRITING:
        raise PermissionError("no file is written while a document is read")
