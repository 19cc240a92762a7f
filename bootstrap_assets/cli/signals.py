"""What SIGINT, SIGTERM and SIGHUP do to a command that spends money: one lets it finish, a second ends it at once.

SIGHUP comes when the terminal is closed; under `nohup` it is ignored, and stays so.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from bootstrap_assets.cli.console import errors
from bootstrap_assets.errors import StoppedError
from bootstrap_assets.stopping import Stop

STOPPING = "\nstopping: what is in flight is finished and kept; once more stops at once"
STOPPED = "stopped: what was embedded is kept, the same command goes on from there"
AT_ONCE = "stopped at once: the same command goes on with what is stored"


class Signalled(BaseException):
    """SIGINT, SIGTERM or SIGHUP came."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def raising_signals() -> Iterator[None]:
    """Turn these signals into Signalled."""

    def on_signal(number: int, _frame: object) -> None:
        raise Signalled(number)

    with _handling(on_signal):
        yield


@contextmanager
def stopping_signals(within: float | None = None) -> Iterator[Stop]:
    """A stop that the first signal sets; the work in the block ends with StoppedError then, the command too.

    `within`: seconds after which the command ends at once, whatever is in flight.
    """
    stop = Stop()
    numbers: list[int] = []

    def on_signal(number: int, _frame: object) -> None:
        numbers.append(number)
        if len(numbers) > 1:
            _tell(AT_ONCE)
            os._exit(128 + number)
        stop.set()
        if within:
            signal.signal(signal.SIGALRM, lambda _number, _frame: on_signal(number, None))
            signal.setitimer(signal.ITIMER_REAL, within)
        _tell(STOPPING)

    with _handling(on_signal):
        try:
            yield stop
        except StoppedError:
            if not numbers:
                raise
            signal.setitimer(signal.ITIMER_REAL, 0)
            _tell(STOPPED)
            sys.exit(128 + numbers[0])


@contextmanager
def _handling(on_signal: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(message: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        errors.print(message, soft_wrap=True)
