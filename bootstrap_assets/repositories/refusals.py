"""What git's complaints mean: an error with a class, in words that hold no secret."""

import re
from urllib.parse import unquote

from bootstrap_assets.errors import BootstrapError
from bootstrap_assets.repositories.addresses import Address
from bootstrap_assets.repositories.errors import (
    CloneTimeoutError,
    DamagedError,
    DeniedError,
    NoCommitError,
    NoRepositoryError,
    NotARepositoryError,
    TooMuchError,
    UnreachableError,
)

_MEANINGS: tuple[tuple[str, type[BootstrapError], str], ...] = (
    (
        r"operation too slow|operation timed out|connection timed out|timed? ?out",
        CloneTimeoutError,
        "nothing came for too long",
    ),
    (
        r"authentication failed|could not read (username|password)|terminal prompts disabled|error: 40[13]\b"
        r"|permission denied|host key verification failed|dubious ownership|access denied|denied to",
        DeniedError,
        "access is denied",
    ),
    (
        r"error: 404\b|repository .*not found|does not exist|no such (device|file)|project you were looking for",
        NoRepositoryError,
        "there is no repository",
    ),
    (
        r"not our ref|couldn't find remote ref|unadvertised object|no such remote ref|remote ref .* not found"
        r"|expected commit type",
        NoCommitError,
        "the repository has no such commit",
    ),
    (
        r"not appear to be a git repository|not valid: is this a git repository|not a git repository"
        r"|invalid (server|content)|not a valid|shallow capabilities|smart http|expected .*service",
        NotARepositoryError,
        "this is no git repository, or its server is too old",
    ),
    (
        r"error: 3\d\d\b|unable to update url base|redirect",
        DeniedError,
        "the server redirects to another address, which is not followed: give that one",
    ),
    (
        r"could not resolve host|failed to connect|couldn't connect|could not connect|connection (was )?refused"
        r"|connection (was )?reset"
        r"|error: (408|425|429|5\d\d)\b|rpc failed|early eof|unexpected disconnect|hung up|ssl_error_syscall"
        r"|no route"
        r"|network is unreachable|\.lock|resource temporarily|recv failure|send failure|empty reply"
        r"|transfer closed"
        r"|no space left|cannot allocate|gnutls|premature|short read",
        UnreachableError,
        "the server cannot be reached, or broke off",
    ),
    (r"certificate|ssl|tls", DeniedError, "there is no trust in the server's certificate"),
    (
        r"fsck|bad object|corrupt|missing (blob|tree|commit)|did not receive expected object|index-pack"
        r"|invalid tree"
        r"|unpack",
        DamagedError,
        "objects of the repository are damaged or missing",
    ),
    (r"too large|exceeds", TooMuchError, "the repository is too large"),
)
"""Patterns over what git says, in the order in which they count; git speaks English here (LC_ALL=C)."""

_LONGEST = 300  # characters of git's own words
_USER = re.compile(r"(\w+://)[^/\s@]+@")


def refusal(complaint: bytes, status: int, address: Address | None, secret: str) -> BootstrapError:
    """The error for what git complained of. `status` is negative where a signal ended it."""
    words = _words(complaint, secret)
    where = address.host if address and address.host else "the folder"
    for pattern, error, meaning in _MEANINGS:
        if re.search(pattern, words, re.IGNORECASE):
            return error(f"{meaning} ({where}: {words})")
    ended = f"git was ended by signal {-status}" if status < 0 else f"git failed with status {status}"
    return DamagedError(f"{ended} ({where}: {words or 'it said nothing'})")


def _words(complaint: bytes, secret: str) -> str:
    """What matters of a complaint, on one line, without users, passwords and control characters."""
    lines = complaint.decode("utf-8", "replace").replace("\r", "\n").split("\n")
    telling = [line for line in lines if re.match(r"(fatal|error|remote|ERROR|ssh|warning|.*denied)", line)]
    line = " ".join("; ".join(telling or lines[-3:]).split())
    line = _USER.sub(r"\1", "".join(letter if letter.isprintable() else "?" for letter in line))
    for part in {secret, unquote(secret)} - {""}:
        line = line.replace(part, "***")
    return line[:_LONGEST]
