"""Stdout and stderr as they are: their encodings, pipes that nobody reads any more, and the exit codes."""

import codecs
import io
import os
import sys
from contextlib import suppress
from typing import IO, NoReturn, TextIO

FAILED, WRONG_USAGE, WITH_FAILURES, BUDGET_REACHED, TIMED_OUT = 1, 2, 3, 4, 5
"""Exit codes, besides 0 and 128 + the number of the signal that stopped the command."""

PIPE_CLOSED = 128 + 13
"""What a shell reports of a program that writes into a pipe which nobody reads any more (SIGPIPE)."""


def end_of_pipe() -> NoReturn:
    """End because nobody reads stdout any more."""
    discard(sys.stdout)
    sys.exit(PIPE_CLOSED)


def flush_output() -> None:
    """Flush stdout here, where a closed pipe can still be handled."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        end_of_pipe()


def discard(stream: IO[str]) -> None:
    """Send the rest of a stream nowhere: Python flushes it at exit, and would complain."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


_PLAIN = {
    "…": "...",
    "–": "-",
    "—": "-",
    "·": "|",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "≥": ">=",
    "→": "->",
} | {
    "✓": "ok",
    "✗": "x",
    "×": "x",
    "\u00a0": " ",
}


def _say_plainly(error: UnicodeError) -> tuple[str, int]:
    """Plain replacements for characters that the encoding of a terminal or pipe lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(letter, "?") for letter in missing), error.end


def adapt_encoding() -> None:
    """Let stdout and stderr take every character, whatever their encoding."""
    codecs.register_error("bootstrap-plain", _say_plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not is_utf8(stream):
            stream.reconfigure(errors="bootstrap-plain")


def is_utf8(stream: TextIO) -> bool:
    """Whether a stream takes every character."""
    try:
        return codecs.lookup(stream.encoding or "ascii").name in ("utf-8", "utf-8-sig")
    except LookupError:
        return False
