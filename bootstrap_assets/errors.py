"""Errors, each with a class: transient ones are worth another attempt, permanent ones are not."""

import psycopg


class BootstrapError(Exception):
    """Base of every error this package raises on purpose; its message is written for the user."""


class TransientError(BootstrapError):
    """The same call may succeed later: time-outs, lost connections, 429, 5xx."""


class PermanentError(BootstrapError):
    """The same call will fail again until somebody changes something."""


class ConfigurationError(PermanentError):
    """A setting is missing, malformed or contradicts another."""


class ArchiveError(PermanentError):
    """An archive is damaged, unsafe to read, or not an archive at all."""


class FormatError(PermanentError):
    """An archive is sound but does not hold what its source officially publishes."""


class DownloadError(PermanentError):
    """The server refused the file for good (for instance 404)."""


class DownloadInterrupted(TransientError):
    """The server failed, was too slow, or stopped half way; the part that came is kept."""


class ChecksumError(PermanentError):
    """A downloaded file differs from the checksum recorded when it was first used."""


class DatabaseUnavailable(TransientError):
    """PostgreSQL does not answer."""


class SchemaError(PermanentError):
    """The database lacks pgvector, is too old, or has a newer schema than this package knows."""


class MassDeleteError(PermanentError):
    """A parse would delete more of a source than the guard allows."""


class RefusedError(PermanentError):
    """An embedding provider refused a request: wrong key, unknown model, a text that is too long."""


class VectorError(PermanentError):
    """A provider's vectors fail a check: count, dimension, finite values, norm."""


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later. What is not known to pass is permanent, our own mistakes too."""
    if isinstance(error, TransientError):
        return True
    if isinstance(error, psycopg.errors.ProgramLimitExceeded):
        return False
    return isinstance(error, (psycopg.OperationalError, psycopg.InternalError, OSError))
