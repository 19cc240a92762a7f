import psycopg
import pytest
from psycopg import errors

from bootstrap_assets.errors import (
    ChecksumError,
    DatabaseUnavailable,
    DownloadInterrupted,
    FormatError,
    MassDeleteError,
    RefusedError,
    VectorError,
    is_transient,
)


@pytest.mark.parametrize(
    "error",
    [
        DatabaseUnavailable("gone"),
        DownloadInterrupted("half way"),
        psycopg.OperationalError("server closed the connection"),
        errors.AdminShutdown("terminating"),
        errors.DeadlockDetected("deadlock"),
        errors.DiskFull("no space"),
        ConnectionResetError(),
        TimeoutError(),
    ],
)
def test_what_may_pass_is_transient(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        FormatError("other schema"),
        MassDeleteError("too many"),
        ChecksumError("changed"),
        RefusedError("wrong key"),
        VectorError("not finite"),
        errors.ProgramLimitExceeded("index row size"),
        errors.UniqueViolation("twice"),
        errors.InvalidTextRepresentation("no number"),
        errors.UndefinedTable("none"),
        KeyError("a mistake of ours"),
        TypeError("another"),
    ],
)
def test_what_will_fail_again_is_permanent(error: Exception) -> None:
    assert not is_transient(error)
