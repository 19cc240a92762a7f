"""The processes a scenario starts: forked from a warm server, or fresh interpreters. None outlives its crew."""

import contextlib
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.chaos import child
from tests.chaos.child import Orders

PATIENCE = 180.0
"""Seconds after which a child that should end is taken for stuck."""

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.chaos.child"])


class Stuck(AssertionError):
    """A child did not end in time."""


class Child:
    """A running child: where it says it is, and how it ended."""

    def __init__(self, process: "BaseProcess | subprocess.Popen[bytes]", stage_file: Path, log_file: Path) -> None:
        self._process = process
        self._stage_file = stage_file
        self._log_file = log_file
        self.started: set[int] = set()
        assert process.pid is not None
        self.pid: int = process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative the number of the signal that ended it."""
        if isinstance(self._process, subprocess.Popen):
            return self._process.poll()
        return self._process.exitcode

    @property
    def stage(self) -> str:
        """The stage that it entered last, in its own words."""
        with contextlib.suppress(OSError):
            return self._stage_file.read_text().strip()
        return ""

    @property
    def log(self) -> str:
        """What it printed."""
        with contextlib.suppress(OSError):
            return self._log_file.read_text(errors="replace")
        return ""

    @property
    def last_line(self) -> str:
        """The last line that it printed: the reason, where it failed."""
        return (self.log.strip().splitlines() or [""])[-1]

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing where it is gone."""
        with contextlib.suppress(ProcessLookupError):
            if self.exit_code is None:
                os.kill(self.pid, number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Its exit code; Stuck where it goes on for longer than that."""
        until = time.monotonic() + seconds
        while self.exit_code is None:
            if time.monotonic() > until:
                self._strike(with_descendants=True)
                raise Stuck(f"a child did not end within {seconds:.0f} s, in stage {self.stage or '?'}")
            time.sleep(0.005)
        assert self.exit_code is not None
        return self.exit_code

    def kill(self, *, with_descendants: bool = False) -> None:
        """SIGKILL, and wait for the end of it; also to what it started, or only to itself."""
        self._strike(with_descendants=with_descendants)
        self.wait(10)

    def _strike(self, *, with_descendants: bool) -> None:
        if self.exit_code is None:
            self.started |= descendants(self.pid)
        self.send(signal.SIGKILL)
        if with_descendants:
            self.kill_descendants()

    def kill_descendants(self) -> None:
        """SIGKILL to what it had started when it was killed, as far as that is still the same."""
        for pid in self.started:
            with contextlib.suppress(OSError):
                if b"bootstrap" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> set[int]:
    """The processes that a process started, and those that these started."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found |= {int(child), *descendants(int(child))}
    return found


class Crew:
    """Starts children and, at the latest when it is closed, ends all of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._children: list[Child] = []
        folder.mkdir(parents=True, exist_ok=True)

    def start(
        self,
        sources: list[str],
        environment: dict[str, str],
        *,
        fresh: bool = False,
        request_texts: int = 1_000,
        batches: list[int] | None = None,
        action: str = "way",
        window: float | None = None,
    ) -> Child:
        """Start a child; `fresh` is an interpreter of its own rather than a fork of a warm one."""
        stage_file, log_file = self._files()
        orders = Orders(
            sources,
            environment,
            str(stage_file),
            str(log_file),
            request_texts=request_texts,
            batches=batches,
            action=action,
            window=window,
        )
        process: BaseProcess | subprocess.Popen[bytes]
        if fresh:
            command = [sys.executable, "-m", "tests.chaos.child", orders.dump()]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        else:
            process = _FORKS.Process(target=child.main, args=(orders,))
            process.start()
        return self._enlist(Child(process, stage_file, log_file))

    def command(self, arguments: list[str], environment: dict[str, str]) -> Child:
        """Start the `bootstrap` command, out of reach of the terminal's Ctrl-C."""
        stage_file, log_file = self._files()
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "bootstrap_assets.cli", *arguments],
                env=_clean(os.environ) | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self._enlist(Child(process, stage_file, log_file))

    def close(self) -> None:
        """End whatever still runs."""
        for one in self._children:
            if one.exit_code is None:
                with contextlib.suppress(Stuck):
                    one.kill(with_descendants=True)
            one.kill_descendants()
        self._children.clear()

    def _files(self) -> tuple[Path, Path]:
        number = next(self._numbers)
        return self._folder / f"{number}.stage", self._folder / f"{number}.log"

    def _enlist(self, started: Child) -> Child:
        self._children.append(started)
        return started


def _clean(environment: "os._Environ[str]") -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(("BOOTSTRAP_", "VOYAGE_", "DAGSTER_"))
    }
