"""Errors, each with a class: transient ones are worth another attempt, permanent ones are not."""

import errno
import socket

import psycopg


class BootstrapError(Exception):
    """Base of every error this package raises on purpose; its message is written for the user."""


class TransientError(BootstrapError):
    """The same call may succeed later: time-outs, lost connections, 429, 5xx.

    `retry_after`: seconds that the other side asked to wait, None where it did not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(BootstrapError):
    """The same call will fail again until somebody changes something."""


class ConfigurationError(PermanentError):
    """A setting is missing, malformed or contradicts another."""


class MissingExtraError(ConfigurationError):
    """What was asked for needs an extra of the package that is not installed."""


class ArchiveError(PermanentError):
    """An archive is damaged, unsafe to read, or not an archive at all."""


class NotAnArchiveError(ArchiveError):
    """A file is empty, a web page or something else that never was an archive."""


class UnreadableMemberError(ArchiveError):
    """What a sound archive holds cannot be read here: encrypted, packed by another method, another encoding."""


class FormatError(PermanentError):
    """An archive is sound but does not hold what its source officially publishes."""


class ForeignFileError(FormatError):
    """A file is sound and has nothing of its source in it: it only lies beside the source's own."""


class DownloadError(PermanentError):
    """The server refused the file for good (for instance 404)."""


class DownloadInterrupted(TransientError):
    """The server failed, was too slow, or stopped half way; the part that came is kept."""


class ChecksumError(PermanentError):
    """A downloaded file differs from the checksum recorded when it was first used."""


class DatabaseUnavailable(TransientError):
    """PostgreSQL does not answer."""


class DatabaseBusy(TransientError):
    """Other transactions hold what is to be changed."""


class DatabaseRefused(PermanentError):
    """PostgreSQL answers, and lets nobody in: a wrong password, an unknown role or database, pg_hba.conf, TLS."""


class NoCorpusError(PermanentError):
    """The home holds no database, so there is nothing to look at."""


class SchemaError(PermanentError):
    """The database lacks pgvector, is too old, not in UTF8, or has a newer schema than this package knows."""


class MassDeleteError(PermanentError):
    """A parse would delete more of a source than the guard allows."""


class RefusedError(PermanentError):
    """An embedding provider refused a request because of what stands in it."""


class TooLargeError(RefusedError):
    """A request, or a text, has more tokens or texts than the provider takes."""


class AccessError(PermanentError):
    """An embedding provider refuses this account: wrong key, no right, nothing left of a quota."""


class RateLimitedError(TransientError):
    """The provider asks to slow down."""


class ProviderError(TransientError):
    """The provider failed, or was not reached; nothing is charged for that."""


class NoAnswerError(TransientError):
    """A request was sent and no answer came back whole: it may have been charged."""


class AnswerError(TransientError):
    """An answer came that cannot be used: no JSON, another count, another dimension."""


class VectorError(PermanentError):
    """A text's vector fails a check (finite values, norm), or a space has other dimensions than its model."""


class SpaceError(PermanentError):
    """A space cannot be what was decided: it is unknown, incomplete or not indexed, or it is the one searched."""


class BreakerOpenError(PermanentError):
    """A circuit breaker is open: nothing is sent until it is reset or has cooled down."""


class LeaseLostError(PermanentError):
    """Texts are no longer leased to this process: another may be at work on them."""


class StoppedError(PermanentError):
    """The work was asked to stop; what was done is kept and the next run goes on from there."""

    def __init__(self, message: str = "stopped on request; the next run goes on from there") -> None:
        super().__init__(message)


class BudgetError(StoppedError):
    """The next request would cost more than the run was allowed."""


TRANSIENT_STATES = ("08", "25P03", "40", "53", "55", "57", "58", "XX")
"""SQLSTATEs, or their first two letters, of what may pass: lost connections, deadlocks, a full disk, a restart,
I/O errors, and PostgreSQL's "tuple concurrently updated" (PostgreSQL manual, appendix A)."""

LIMITS = {
    "25006": "the session may only read: it is a standby, or default_transaction_read_only is set",
    "25P03": "idle_in_transaction_session_timeout ended the session",
    "25P04": "transaction_timeout ended the session",
    "53300": "max_connections, or the CONNECTION LIMIT of the role or database, is reached",
    "53400": "temp_file_limit, which only a superuser sets, allows no larger temporary files",
    "55P03": "lock_timeout ended the wait for a lock",
    "57014": "statement_timeout, or an administrator (pg_cancel_backend), ended the statement",
    "57P04": "the database was dropped",
    "57P05": "idle_session_timeout ended the session",
}
"""SQLSTATEs of what a setting of the server, the role or the connection string does, with its name."""

_LASTING_STATES = ("53400", "57014", "57P04")
"""Those of the transient classes that the same work meets again."""

PASSING_NUMBERS = frozenset(
    getattr(errno, name)
    for name in (
        "EAGAIN EBUSY EINTR EIO ENOBUFS ENOSPC EDQUOT EMFILE ENFILE ENOMEM ESTALE EREMOTEIO ETXTBSY EADDRINUSE "
        "EADDRNOTAVAIL ECONNABORTED ECONNREFUSED ECONNRESET EHOSTDOWN EHOSTUNREACH ENETDOWN ENETRESET ENETUNREACH "
        "ENOTCONN EPIPE ETIMEDOUT"
    ).split()
    if hasattr(errno, name)  # not every system has all of them
)
"""Numbers of errors of the operating system that may pass: a full disk, too many open files, a lost connection.

What is missing, forbidden, or of another kind than it should be stays so until somebody changes it.
"""

ROW_STATES = ("22", "23", "44", "54", "P0")
"""SQLSTATEs of what a single row may be the reason of: its data, a constraint, a limit, a trigger."""


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later. What is not known to pass is permanent, our own mistakes too."""
    if isinstance(error, psycopg.Error):
        if error.sqlstate:
            return error.sqlstate.startswith(TRANSIENT_STATES) and error.sqlstate not in _LASTING_STATES
        return isinstance(error, psycopg.OperationalError)  # the connection broke, or was never there
    if isinstance(error, OSError):
        passing = (ConnectionError, TimeoutError, InterruptedError, BlockingIOError, socket.gaierror)
        return isinstance(error, passing) or error.errno in PASSING_NUMBERS
    return isinstance(error, TransientError)


def is_of_a_row(error: psycopg.Error) -> bool:
    """Whether one row may be the reason that a statement over many failed."""
    return bool(error.sqlstate and error.sqlstate.startswith(ROW_STATES))


def explain(error: BaseException) -> str:
    """An error in one line, for people: one that is not ours with its class, and with the setting behind it."""
    if isinstance(error, BootstrapError):
        return str(error)
    line = f"{type(error).__name__}: {' '.join(str(error).split())}"
    limit = LIMITS.get(error.sqlstate or "") if isinstance(error, psycopg.Error) else None
    return f"{limit} ({line})" if limit else line
