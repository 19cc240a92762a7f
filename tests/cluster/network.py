"""A centre, where the database and the provider listen, and hosts, each with a link to either that can be cut."""

import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

NETS = {"database": "10.213.1", "provider": "10.213.2"}
"""What a host has a link to, and how the addresses there begin. The centre is .1, host n is .n + 10."""

_PREFIX = "bootstrap-"
_NAMES = Path("/run/netns")


def why_not() -> str | None:
    """Why no namespaces can be made here; None where they can."""
    if os.geteuid() != 0:
        return "network namespaces are made by root"
    if missing := [program for program in ("ip", "unshare", "setpriv") if shutil.which(program) is None]:
        return f"there is no {', '.join(missing)}"
    trial = f"{_PREFIX}{os.getpid()}-trial"
    commands = [["netns", "add", trial], ["-n", trial, "link", "add", "trial", "type", "bridge"]]
    try:
        refusals = [said for command in commands if (said := _ip(command, check=False))]
    finally:
        _ip(["netns", "del", trial], check=False)
    return f"no namespaces here: {refusals[0]}" if refusals else None


class Network:
    """The centre and its hosts. Nothing of this machine's own network is touched."""

    def __init__(self) -> None:
        self._run = f"{_PREFIX}{os.getpid()}"
        self.centre = f"{self._run}-centre"
        self._hosts = 0

    def open(self) -> None:
        """Make the centre: a bridge for the database, one for the provider."""
        _forget_the_dead()
        _ip(["netns", "add", self.centre])
        _up(self.centre, "lo")
        for net, numbers in NETS.items():
            _ip(["-n", self.centre, "link", "add", net, "type", "bridge"])
            _ip(["-n", self.centre, "address", "add", f"{numbers}.1/24", "dev", net])
            _up(self.centre, net)

    def close(self) -> None:
        """Remove all of it."""
        for name in [path.name for path in _NAMES.glob(f"{self._run}-*")]:
            _ip(["netns", "del", name], check=False)

    def add_host(self) -> tuple[str, int]:
        """Another host: the name of its namespace and its number, from 1 on."""
        self._hosts += 1
        number, name = self._hosts, f"{self._run}-host{self._hosts}"
        _ip(["netns", "add", name])
        _up(name, "lo")
        for net, numbers in NETS.items():
            link = f"{net[:4]}{number}"
            _ip(["-n", self.centre, "link", "add", link, "type", "veth", "peer", "name", net, "netns", name])
            _ip(["-n", self.centre, "link", "set", link, "master", net])
            _ip(["-n", name, "address", "add", f"{numbers}.{number + 10}/24", "dev", net])
            _up(self.centre, link)
            _up(name, net)
        return name, number

    def set_link(self, number: int, net: str, *, up: bool) -> None:
        """Cut a host's link, or mend it: as a cable is pulled, neither side is told by a packet."""
        _ip(["-n", self.centre, "link", "set", f"{net[:4]}{number}", "up" if up else "down"])

    def in_centre(self, work: Callable[[], Result]) -> Result:
        """Do `work` in a thread that is in the centre: what it listens on is there."""
        results: list[Result] = []
        thread = threading.Thread(target=lambda: results.append(_inside(self.centre, work)))
        thread.start()
        thread.join()
        [result] = results
        return result


@contextmanager
def network() -> Iterator[Network]:
    """A network for the length of the block."""
    opened = Network()
    try:
        opened.open()
        yield opened
    finally:
        opened.close()


def _inside(namespace: str, work: Callable[[], Result]) -> Result:
    """For a thread that ends after it: it stays in the namespace."""
    with (_NAMES / namespace).open("rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0):
            raise OSError(ctypes.get_errno(), "setns")
    return work()


def _forget_the_dead() -> None:
    """Remove the namespaces of a run that was killed."""
    for path in _NAMES.glob(f"{_PREFIX}*-*"):
        pid = path.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            _ip(["netns", "del", path.name], check=False)


def _up(namespace: str, link: str) -> None:
    _ip(["-n", namespace, "link", "set", link, "up"])


def _ip(arguments: list[str], *, check: bool = True) -> str:
    """What `ip` complains of; AssertionError where it does and `check`."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    complaint = done.stderr.strip() if done.returncode else ""
    assert not (check and complaint), f"ip {' '.join(arguments)}: {complaint}"
    return complaint
