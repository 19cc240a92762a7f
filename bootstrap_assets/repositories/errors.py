"""Why a repository could not be had: what may pass is worth another attempt, the rest lasts."""

from bootstrap_assets.errors import PermanentError, StoppedError, TransientError


class UnreachableError(TransientError):
    """The network, the server or a lock is in the way."""


class CloneTimeoutError(TransientError):
    """Cloning took longer than it may, or nothing came for too long."""


class AddressError(PermanentError):
    """An address that is never asked: malformed, of another protocol, private, or with a password in it."""


class NoRepositoryError(PermanentError):
    """There is no repository at the address."""


class NotARepositoryError(PermanentError):
    """There is something at the address, and it is no git repository."""


class NoCommitError(PermanentError):
    """The repository has no such commit or ref, or no commit at all."""


class DeniedError(PermanentError):
    """The server, or git itself, lets nobody in with what was given."""


class DamagedError(PermanentError):
    """Objects of the repository are missing or fail git's checks."""


class TooMuchError(PermanentError):
    """A repository goes beyond a limit: bytes, files."""


class AttemptsError(PermanentError):
    """A job ended each of the processes that worked on it, as often as it is tried."""


class CloneStoppedError(StoppedError):
    """Cloning was asked to stop; nothing is left behind."""
