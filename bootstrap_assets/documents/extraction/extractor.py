"""Extraction in a child process: whatever a file does to its parser, this process goes on.

    with Extractor() as extractor:
        document = extractor.extract(path)

One child reads many documents, one after another; it is replaced after a crash, after a limit, and after some
hundred documents. It ends with this process, however that ends.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from bootstrap_assets.documents.extraction.confinement import peak_bytes
from bootstrap_assets.documents.extraction.frames import LENGTH, write_frame
from bootstrap_assets.documents.extraction.model import ExtractedDocument, Limits, Reason, from_json
from bootstrap_assets.errors import PermanentError, StoppedError
from bootstrap_assets.stopping import Stop

DOCUMENTS_PER_CHILD = 500
"""After so many a child is replaced, so that what a parser leaks does not add up."""

HEARTBEAT_SECONDS = 30.0
"""Seconds between two calls of the heartbeat while a document is read."""

_LOOK = 0.2
_KEPT_SHARE = 0.5
"""Share of the memory limit that a child may hold between two documents."""

_START_SECONDS = 60.0
_BYTES_PER_CHARACTER = 16
"""Most bytes of an answer for each character a text may have: the text in JSON, and its positions."""

_CHUNK = 1024**2
_KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_MODULE = "bootstrap_assets.documents.extraction.worker"


class ExtractionFailure(PermanentError):
    """A document gave no text. The message names the file and says what to do; `reason` says the kind."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Extractor:
    """Reads documents in a child process of its own. Not for several threads at once."""

    def __init__(self, limits: Limits | None = None, *, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self.limits = limits or Limits()
        self._heartbeat_seconds = heartbeat_seconds
        self._child: _Child | None = None

    def __enter__(self) -> "Extractor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The number of the child, None while there is none."""
        return self._child.pid if self._child else None

    def extract(
        self,
        path: Path,
        *,
        password: str | None = None,
        sha256: str | None = None,
        heartbeat: Callable[[], None] = lambda: None,
        stop: Stop | None = None,
    ) -> ExtractedDocument:
        """The document in a file. `sha256` (hex): what its bytes must be, where that is known.

        `heartbeat` is called every `heartbeat_seconds` meanwhile. Raises ExtractionFailure, and StoppedError once
        `stop` is set. Either way the next document can be read at once.
        """
        child = self._ready_child()
        is_done = False
        try:
            child.ask(path, password, sha256, self.limits)
            answer = self._await(child, heartbeat, stop or Stop())
            is_done = True
        except _ChildLost as lost:
            raise ExtractionFailure(lost.reason, f"{shown_name(path)} {lost}") from None
        finally:
            if not is_done or child.is_worn():
                self.close()
        return self._document(answer, path)

    def close(self) -> None:
        """End the child, where there is one."""
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def _ready_child(self) -> "_Child":
        if self._child is None or not self._child.is_alive():
            self.close()
            self._child = _Child(self.limits)
        return self._child

    def _await(self, child: "_Child", heartbeat: Callable[[], None], stop: Stop) -> dict[str, Any]:
        """The child's answer. Raises _ChildLost where it dies or passes a limit, StoppedError on request."""
        begin = beat = time.monotonic()
        while (answer := child.receive(_LOOK)) is None:
            now = time.monotonic()
            if stop.is_set():
                raise StoppedError
            if now - begin > self.limits.seconds:
                seconds = f"{self.limits.seconds:,.0f} s"
                raise _ChildLost(Reason.TOO_SLOW, f"was not read within {seconds}: divide it, or raise the limit")
            child.require_memory(self.limits.memory_bytes)
            if now - beat >= self._heartbeat_seconds:
                beat = now
                heartbeat()
        return answer

    def _document(self, answer: dict[str, Any], path: Path) -> ExtractedDocument:
        if "document" in answer:
            try:
                return from_json(answer["document"])
            except (KeyError, TypeError, ValueError):
                self.close()
                message = f"{shown_name(path)} made its reader answer nonsense: it is damaged or malicious"
                raise ExtractionFailure(Reason.CRASHED, message) from None
        reason = Reason(answer["reason"])
        message = answer["message"] or _too_much_memory(self.limits.memory_bytes)
        if reason is Reason.TOO_MUCH_MEMORY:
            self.close()
        raise ExtractionFailure(reason, f"{shown_name(path)} {message}")


def shown_name(path: Path, most: int = 80) -> str:
    """A file's name in one line, however long it is and whatever stands in it."""
    name = "".join(letter if letter.isprintable() else "�" for letter in path.name)
    return name if len(name) <= most else f"{name[: most - 21]}…{name[-20:]}"


class _ChildLost(Exception):
    """The child died or had to be ended. The message goes on from the file's name."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Child:
    """A child process, and what has come from it so far."""

    def __init__(self, limits: Limits) -> None:
        self.documents = 0
        self._memory_bytes = limits.memory_bytes
        self._most_bytes = _BYTES_PER_CHARACTER * limits.characters
        self._buffer = bytearray()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _MODULE, str(limits.memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={name: text for name, text in os.environ.items() if name in _KEPT},
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

    def ask(self, path: Path, password: str | None, sha256: str | None, limits: Limits) -> None:
        """Send a request."""
        self.documents += 1
        request = {"path": str(path.absolute()), "password": password, "sha256": sha256, "limits": asdict(limits)}
        with suppress(BrokenPipeError):  # `receive` says how it died
            write_frame(self._requests, request)  # type: ignore[arg-type]

    def receive(self, seconds: float) -> dict[str, Any] | None:
        """Its next answer, None if none comes within that time. Raises _ChildLost if it died."""
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
        """Raise _ChildLost where it holds more memory than it may."""
        with suppress(psutil.Error):
            if psutil.Process(self.pid).memory_info().rss > most:
                raise _ChildLost(Reason.TOO_MUCH_MEMORY, _too_much_memory(most))

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
                raise ExtractionFailure(Reason.CRASHED, "the process that reads documents does not start")
            self._buffer += piece or b""
            if self._pop() is not None:
                return
        raise ExtractionFailure(Reason.CRASHED, "the process that reads documents does not start in time")

    def _next(self) -> dict[str, Any] | None:
        while (message := self._pop()) is not None:
            if "progress" not in message:
                return message
        return None

    def _pop(self) -> dict[str, Any] | None:
        """The next whole message, None while there is none."""
        if len(self._buffer) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._buffer)
        if length > self._most_bytes:
            raise _ChildLost(Reason.TOO_LARGE, "gives more text than is taken: divide it into several files")
        end = LENGTH.size + length
        if len(self._buffer) < end:
            return None
        try:
            message: dict[str, Any] = json.loads(self._buffer[LENGTH.size : end])
        except ValueError:
            raise _ChildLost(
                Reason.CRASHED, "made its reader answer nonsense: it is damaged or malicious"
            ) from None
        del self._buffer[:end]
        return message

    def _death(self) -> _ChildLost:
        _pid, status, usage = os.wait4(self.pid, 0)
        code = self._process.returncode = os.waitstatus_to_exitcode(status)
        if peak_bytes(usage) > self._memory_bytes:
            return _ChildLost(Reason.TOO_MUCH_MEMORY, _too_much_memory(self._memory_bytes))
        if -code == signal.SIGXCPU:
            return _ChildLost(
                Reason.TOO_SLOW, "takes more time than a document may: divide it, or raise the limit"
            )
        cause = f"signal {-code}" if code < 0 else f"code {code}"
        message = (
            f"made its reader crash ({cause}): it is damaged or malicious; print it to a new PDF, or save it again"
        )
        return _ChildLost(Reason.CRASHED, message)


def _too_much_memory(most: int) -> str:
    return f"takes more than {most // 1024**2:,} MiB of memory to read: divide it, or raise the limit"
