"""Lines on stderr as JSON, one document each, for whatever collects the logs of many hosts."""

import io
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from datetime import UTC, datetime
from typing import TextIO


class JsonLines(io.TextIOBase):
    """A stream that makes a document of each line: time, level, host, pid, run, correlation (an id of whoever
    started it, else the run's), message, and what else is known: source, batch.

    What other code prints there becomes documents too, at the level `level`.
    """

    def __init__(self, stream: TextIO, run: str, correlation: str | None = None) -> None:
        self.level = "info"
        self._stream = stream
        self._run = run
        self._correlation = correlation or run
        self._rest = ""
        self._lock = threading.Lock()

    def say(self, message: str, *, level: str | None = None, **more: str | int | None) -> None:
        """Write a document; what is None of `more` is left out."""
        document = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": level or self.level,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "run": self._run,
            "correlation": self._correlation,
            **{name: value for name, value in more.items() if value is not None},
            "message": message,
        }
        with self._lock:
            self._stream.write(json.dumps(document) + "\n")
            self._stream.flush()

    def writable(self) -> bool:
        """Whether one can write to it."""
        return True

    def write(self, text: str) -> int:
        """Make documents of the lines that have ended."""
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self.say(line.strip())
        return len(text)


class _Handler(logging.Handler):
    def __init__(self, lines: JsonLines) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.say(record.getMessage(), level=record.levelname.lower(), logger=record.name)


@contextmanager
def json_on_stderr(run: str, correlation: str | None = None) -> Iterator[JsonLines]:
    """Within the block everything on stderr is JSON, the warnings of libraries too."""
    lines = JsonLines(sys.stderr, run, correlation)
    handler = _Handler(lines)
    logging.getLogger().addHandler(handler)
    try:
        with redirect_stderr(lines):
            yield lines
    finally:
        logging.getLogger().removeHandler(handler)
