"""The extractor's child process, seen from the parent: started, asked, watched and ended."""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import psutil

from bootstrap_assets.documents.extraction.confinement import peak_bytes
from bootstrap_assets.documents.extraction.frames import LENGTH, write_frame
from bootstrap_assets.documents.extraction.model import Limits, Reason

_LOOK = 0.2
DOCUMENTS_PER_CHILD = 500
"""After so many a child is replaced, so that what a parser leaks does not add up."""

_KEPT_SHARE = 0.5
"""Share of the memory limit that a child may hold between two documents."""

_START_SECONDS = 60.0

_BYTES_PER_CHARACTER = 16
"""Most bytes of an answer for each character a text may have: the text in JSON, and its positions."""

_CHUNK = 1024**2

_VARIABLES = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

_MODULE = "bootstrap_assets.documents.extraction.worker"


class ChildLost(Exception):
    """The child died or had to be ended. The message goes on from the file's name."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ChildDiedBefore(ChildLost):
    """The child had died before it took the request: no fault of the document's, which another can read."""


class Child:
    """A child process, and what has come from it so far."""

    def __init__(self, limits: Limits) -> None:
        self.documents = 0
        self._has_begun = False
        self._memory_bytes = limits.memory_bytes
        self._most_bytes = _BYTES_PER_CHARACTER * limits.characters
        self._buffer = bytearray()
        # The system counts for a child what its parent held when it was made.
        self._inherited = peak_bytes(resource.getrusage(resource.RUSAGE_SELF))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _MODULE, str(limits.memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={name: text for name, text in os.environ.items() if name in _VARIABLES},
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        os.set_blocking(self._answers.fileno(), False)
        try:
            self._await_start()
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def is_worn(self) -> bool:
        """Whether it is time for another: after many documents, or one whose memory it did not give back."""
        if self.documents >= DOCUMENTS_PER_CHILD:
            return True
        with suppress(psutil.Error):
            return bool(psutil.Process(self.pid).memory_info().rss > self._memory_bytes * _KEPT_SHARE)
        return True

    def ask(self, request: dict[str, Any]) -> None:
        """Send a request."""
        self.documents += 1
        self._has_begun = False
        with suppress(BrokenPipeError):  # `receive` says how it died
            write_frame(self._requests, request)  # type: ignore[arg-type]

    def receive(self, seconds: float) -> dict[str, Any] | None:
        """Its next answer, None if none comes within that time. Raises ChildLost if it died."""
        if message := self._next():
            return message
        if not select.select([self._answers], [], [], seconds)[0]:
            return None
        piece = self._answers.read(_CHUNK)
        if piece == b"":
            raise self._death()
        self._buffer += piece or b""
        return self._next()

    def require_memory(self, most: int) -> None:
        """Raise ChildLost where it holds more memory than it may."""
        with suppress(psutil.Error):
            if psutil.Process(self.pid).memory_info().rss > most:
                raise ChildLost(Reason.TOO_MUCH_MEMORY, too_much_memory(most))

    def end(self) -> None:
        """End it at once, whatever it does."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        with suppress(OSError):
            self._requests.close()
        self._answers.close()

    def _await_start(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            select.select([self._answers], [], [], _LOOK)
            piece = self._answers.read(_CHUNK)
            if piece == b"":
                raise ChildLost(Reason.CRASHED, "is not read: the process that reads documents does not start")
            self._buffer += piece or b""
            if self._pop() is not None:
                return
        raise ChildLost(Reason.CRASHED, "is not read: the process that reads documents does not start in time")

    def _next(self) -> dict[str, Any] | None:
        while (message := self._pop()) is not None:
            self._has_begun = True
            if "progress" not in message:
                return message
        return None

    def _pop(self) -> dict[str, Any] | None:
        """The next whole message, None while there is none."""
        if len(self._buffer) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._buffer)
        if length > self._most_bytes:
            raise ChildLost(Reason.TOO_LARGE, "gives more text than is taken: divide it into several files")
        end = LENGTH.size + length
        if len(self._buffer) < end:
            return None
        try:
            message: dict[str, Any] = json.loads(self._buffer[LENGTH.size : end])
        except ValueError:
            raise ChildLost(
                Reason.CRASHED, "made its reader answer nonsense: it is damaged or malicious"
            ) from None
        del self._buffer[:end]
        return message

    def _death(self) -> ChildLost:
        _pid, status, usage = os.wait4(self.pid, 0)
        code = self._process.returncode = os.waitstatus_to_exitcode(status)
        if peak_bytes(usage) > max(self._memory_bytes, self._inherited):
            return ChildLost(Reason.TOO_MUCH_MEMORY, too_much_memory(self._memory_bytes))
        if not self._has_begun:
            return ChildDiedBefore(Reason.CRASHED, "was not read: the process for it was ended from outside")
        if -code == signal.SIGXCPU:
            return ChildLost(Reason.TOO_SLOW, "takes more time than a document may: divide it, or raise the limit")
        cause = f"signal {-code}" if code < 0 else f"code {code}"
        message = (
            f"made its reader crash ({cause}): it is damaged or malicious; print it to a new PDF, or save it again"
        )
        return ChildLost(Reason.CRASHED, message)


def too_much_memory(most: int) -> str:
    """What is said of a document that takes more bytes of memory than it may; it goes on from the file's name."""
    return f"takes more than {most // 1024**2:,} MiB of memory to read: divide it, or raise the limit"
