"""What SIGINT and SIGTERM do to a command that pays: the first lets it end well, the second ends it at once."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bootstrap_assets.cli.console import errors
from bootstrap_assets.errors import StoppedError
from bootstrap_assets.stopping import Stop

STOPPING = "\nstopping: what is in flight is finished and kept; once more stops at once"
STOPPED = "stopped: what was embedded is kept, the same command goes on from there"
AT_ONCE = "stopped at once: the same command goes on with what is stored"


class Signalled(BaseException):
    """SIGINT or SIGTERM came."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def raising_signals() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into Signalled."""

    def come(number: int, _frame: object) -> None:
        raise Signalled(number)

    before = {number: signal.signal(number, come) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stopping_signals() -> Iterator[Stop]:
    """A stop that the first signal sets; the work in the block ends with StoppedError then, the command too."""
    stop = Stop()
    came: list[int] = []

    def come(number: int, _frame: object) -> None:
        came.append(number)
        if len(came) > 1:
            errors.print(AT_ONCE, soft_wrap=True)
            os._exit(128 + number)
        errors.print(STOPPING, soft_wrap=True)
        stop.set()

    before = {number: signal.signal(number, come) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    except StoppedError:
        if not came:
            raise
        errors.print(STOPPED, soft_wrap=True)
        sys.exit(128 + came[0])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
