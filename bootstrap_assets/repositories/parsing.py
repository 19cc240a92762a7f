"""Parses blobs in a child process: a grammar is C code that reads what strangers wrote.

The child has no network to lose and no file to write: limits on memory, time and open files, an empty environment,
JSON over two pipes. Where it crashes, hangs or eats too much, the blob gets a finding and a new child takes the
next.
"""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bootstrap_assets.repositories.git import end
from bootstrap_assets.repositories.symbols import Finding, Parsed
from bootstrap_assets.stopping import Stop

_LOOK = 0.1  # seconds between two looks at the stop
_PART = 1 << 20  # bytes read at once
_HEADING = 16  # bytes that say how many follow


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What parsing one blob may take: seconds, bytes of memory of the child, bytes of what it says."""

    seconds: float = 20.0
    memory: int = 2_000_000_000
    answer: int = 256_000_000


PARSE_LIMITS = ParseLimits()


class ChildEnded(Exception):
    """The child crashed, hung or said something that is no answer; the message says which."""


class Parser:
    """Parses in a child that is started when it is first needed. Use it as a context."""

    def __init__(self, limits: ParseLimits = PARSE_LIMITS, stop: Stop | None = None) -> None:
        self.starts = 0
        self._limits = limits
        self._stop = stop or Stop()
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Parser":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def parse(self, language: str, source: bytes) -> Parsed:
        """What a blob says; a blob that ended the child says nothing, with a finding."""
        try:
            answer = self._ask(language, source)
            return Parsed.from_json(json.loads(answer))
        except (ChildEnded, OSError) as error:
            self._end()
            return Parsed(language, findings=[Finding("parser_failed", f"{error}")])
        except (ValueError, KeyError, TypeError, RecursionError):
            self._end()
            return Parsed(language, findings=[Finding("parser_failed", "the parser's answer is not understood")])

    def _ask(self, language: str, source: bytes) -> bytes:
        child = self._started()
        until = time.monotonic() + self._limits.seconds
        heading = f"{language} {len(source)}\n".encode("ascii")
        self._write(child, heading + source, until)
        size = int(self._read(child, _HEADING, until) or b"0")
        if size > self._limits.answer:
            raise ChildEnded(f"the parser says more than {self._limits.answer:,} bytes")
        return self._read(child, size, until)

    def _write(self, child: subprocess.Popen[bytes], content: bytes, until: float) -> None:
        assert child.stdin is not None
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdin, selectors.EVENT_WRITE)
            for place in self._turns(selector, range(0, len(content), _PIPE), until, child):
                try:
                    os.write(child.stdin.fileno(), content[place : place + _PIPE])
                except BrokenPipeError:
                    raise ChildEnded(_words(child)) from None

    def _read(self, child: subprocess.Popen[bytes], size: int, until: float) -> bytes:
        assert child.stdout is not None
        parts, left = [], size
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while left:
                self._ready(selector, until)
                part = os.read(child.stdout.fileno(), min(left, _PART))
                if not part:
                    raise ChildEnded(_words(child))
                parts.append(part)
                left -= len(part)
        return b"".join(parts)

    def _turns(
        self, selector: selectors.BaseSelector, places: Iterable[int], until: float, child: subprocess.Popen[bytes]
    ) -> Iterator[int]:
        for place in places:
            self._ready(selector, until)
            if child.poll() is not None:
                raise ChildEnded(_words(child))
            yield place

    def _ready(self, selector: selectors.BaseSelector, until: float) -> None:
        """Wait until the pipe can be used; raises when it takes too long or all should stop."""
        while not selector.select(_LOOK):
            if self._stop.is_set():
                raise ChildEnded("stopped on request")
            if time.monotonic() > until:
                raise ChildEnded(f"parsing took longer than {self._limits.seconds:g} s")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            self.starts += 1
            command = [sys.executable, "-m", "bootstrap_assets.repositories.child", str(self._limits.memory)]
            variables = {"PYTHONPATH": os.pathsep.join(one for one in sys.path if one), "PYTHONHASHSEED": "0"}
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=variables,
                start_new_session=True,
                bufsize=0,
            )
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            end(self._child)
            self._child = None


_PIPE = 4096  # bytes that a pipe takes at once when it says that it takes any (POSIX: PIPE_BUF)


def _words(child: subprocess.Popen[bytes]) -> str:
    status = child.wait()
    return f"the parser was ended by signal {-status}" if status < 0 else f"the parser ended with status {status}"
