"""A host: a namespace, a name, a home, a clock, and the processes that run there."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.cluster.clock import Clock
from tests.cluster.network import NETS, Network

BIN = Path(sys.executable).parent


class Process:
    """A process of a host, in a session of its own, with what it prints in a file."""

    def __init__(self, command: "subprocess.Popen[bytes]", log: Path) -> None:
        self._command = command
        self._log = log
        self.pid = command.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative the number of the signal that ended it."""
        return self._command.poll()

    @property
    def log(self) -> str:
        """What it printed."""
        return self._log.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self, seconds: float) -> int:
        """Its exit code; AssertionError where it goes on for longer."""
        try:
            return self._command.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {seconds:.0f} s: {self.log[-600:]}") from None

    def kill(self) -> None:
        """SIGKILL to it and to what it started, and wait for the end of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._command.wait(10)


class Host:
    """A host of a network; `address` and `database_address` are what the provider and the database see."""

    def __init__(self, network: Network, folder: Path, environment: dict[str, str]) -> None:
        self._network = network
        self._namespace, self._number = network.add_host()
        self.name = f"host{self._number}"
        self.address = f"{NETS['provider']}.{self._number + 10}"
        self.database_address = f"{NETS['database']}.{self._number + 10}"
        self.home = folder / self.name
        self.home.mkdir(parents=True)
        self._clock = Clock(self.home / "clock")
        self._environment = environment
        self._processes: list[Process] = []

    def start(self, *command: str, **environment: str) -> Process:
        """Start a program of this project's, by its name."""
        log = self.home / f"{len(self._processes)}.log"
        inside = ["ip", "netns", "exec", self._namespace, "unshare", "--uts"]
        named = ["sh", "-c", 'hostname "$0" && exec "$@"', self.name]
        with log.open("wb") as file:
            started = subprocess.Popen(
                [*inside, *named, str(BIN / command[0]), *command[1:]],
                env=self._variables() | environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                cwd=self.home,
            )
        process = Process(started, log)
        self._processes.append(process)
        return process

    def cut(self, *nets: str) -> None:
        """Pull the cable to these, or to both."""
        for net in nets or NETS:
            self._network.set_link(self._number, net, up=False)

    def mend(self) -> None:
        """Put all cables back."""
        for net in NETS:
            self._network.set_link(self._number, net, up=True)

    def set_clock(self, seconds: int) -> None:
        """Set its clock so many seconds apart from this machine's; what runs there sees it at once."""
        self._clock.set(seconds)

    def close(self) -> None:
        """End whatever still runs."""
        for process in self._processes:
            process.kill()

    def _variables(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        home = {"HOME": str(self.home), "BOOTSTRAP_HOME": str(self.home / "corpus")}
        return kept | self._environment | home | self._clock.environment


def until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait for something; the seconds that it took. AssertionError where it does not come."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - start
