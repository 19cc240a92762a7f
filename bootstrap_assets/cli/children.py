"""Child processes that end with this one: each leads a process group, which is ended as a whole."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from bootstrap_assets.errors import PermanentError

TAIL = 12
"""Lines of its log that are shown when a child dies."""

PATIENCE = 20.0
"""Seconds that a child may take to end after it was asked to."""


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class ChildDied(PermanentError):
    """A child ended that should have gone on."""


class Child:
    """A process of ours, with a log file. `name` is what people call it; `keeps`: an open file it inherits."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path, *, keeps: TextIO
    ) -> None:
        self.name, self.log = name, log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[keeps.fileno()],
            )

    @property
    def pid(self) -> int:
        """Its number, which is its group's too."""
        return self._process.pid

    def require_alive(self) -> None:
        """Raise ChildDied with the end of its log where it has ended."""
        if (code := self._process.poll()) is None:
            return
        lines = _COLOUR.sub("", self.log.read_text(errors="replace")).strip().splitlines()[-TAIL:]
        tail = "\n  ".join(lines) or "(it printed nothing)"
        raise ChildDied(f"the {self.name} ended with code {code}; its log, {self.log}, ends with\n  {tail}")

    def ask_to_end(self) -> None:
        """SIGTERM to the process itself, which ends its own children."""
        if self._process.poll() is None:
            self._process.terminate()

    def end(self, patience: float = PATIENCE) -> None:
        """Wait until it and all that it started are gone; SIGTERM to all after that time, and SIGKILL at last."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._is_gone(patience):
                return
            self._signal_group(number)
        self._is_gone(patience)

    def kill(self) -> None:
        """End it and all that it started at once."""
        self._signal_group(signal.SIGKILL)
        self._is_gone(PATIENCE)

    def _signal_group(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _is_gone(self, patience: float) -> bool:
        until = time.monotonic() + patience
        while self._process.poll() is None or self._has_group():
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def _has_group(self) -> bool:
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
