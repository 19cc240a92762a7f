"""Git as a program that is trusted with nothing: its environment, its settings, its end.

Only bare repositories are made, so there is no work tree, and with it no hook, filter, LFS, submodule, symbolic
link
or path that could do anything. What is left is switched off by settings that git gets in its environment: they
beat
those of a repository. A password stands in the environment of git alone, never in an argument.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from bootstrap_assets.repositories.addresses import Address
from bootstrap_assets.repositories.errors import CloneStoppedError, CloneTimeoutError, TooMuchError
from bootstrap_assets.repositories.folders import size_of
from bootstrap_assets.repositories.refusals import refusal
from bootstrap_assets.stopping import Stop

SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.askPass": "",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1",
    "http.emptyAuth": "false",
    "init.defaultBranch": "main",
    "protocol.allow": "never",
    "submodule.recurse": "false",
    "transfer.bundleURI": "false",
    "transfer.fsckObjects": "true",
    "fetch.fsck.badTimezone": "ignore",
    "fetch.fsck.missingSpaceBeforeDate": "ignore",
    "fetch.fsck.zeroPaddedFilemode": "ignore",
}
"""Settings of every command; those of `fsck` let old repositories in whose flaws are harmless."""

_PASSED = (
    "PATH TMPDIR SSH_AUTH_SOCK SSL_CERT_FILE SSL_CERT_DIR GIT_SSL_CAINFO CURL_CA_BUNDLE REQUESTS_CA_BUNDLE "
    "https_proxy HTTPS_PROXY http_proxy all_proxy ALL_PROXY no_proxy NO_PROXY"
).split()
_SHORTEST, _LONGEST = 0.002, 0.05  # seconds between two looks at a running git: at first, and at last
_MEASURE = 0.5  # seconds between two measurements of what it wrote
_GRACE = 2.0  # seconds that it has to end by itself
_LONGEST_ANSWER = 64 * 1024 * 1024  # bytes
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$BOOTSTRAP_USER" "$BOOTSTRAP_WORD"; }; f'
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks. `password` (or a token) and `helper` (a credential helper of git's) may be empty."""

    user: str = ""
    password: str = ""
    helper: str = ""

    def __repr__(self) -> str:
        return "Credentials(…)"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a repository may take: bytes and seconds of a clone, files, and bytes of one file, path lengths.

    `stall_seconds`: how long nothing may come.
    """

    clone_bytes: int = 2_000_000_000
    clone_seconds: float = 900.0
    stall_seconds: float = 60.0
    files: int = 200_000
    file_bytes: int = 2_000_000
    path_bytes: int = 1024
    depth: int = 64


NOBODY = Credentials()
LIMITS = Limits()


def environment(address: Address | None, credentials: Credentials, limits: Limits) -> dict[str, str]:
    """The whole environment of a git command that asks an address, or none."""
    settings = dict(SETTINGS)
    everything = {name: os.environ[name] for name in _PASSED if name in os.environ}
    everything |= {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ALLOW_PROTOCOL": address.protocol if address else "",
        "GIT_SSH_COMMAND": f"ssh -o BatchMode=yes -o ConnectTimeout={max(1, int(limits.stall_seconds))}",
        "LC_ALL": "C",
        "HOME": os.environ.get("HOME", os.devnull) if credentials.helper else os.devnull,
    }
    settings["http.lowSpeedTime"] = str(max(1, int(limits.stall_seconds)))
    if address:
        settings[f"protocol.{address.protocol}.allow"] = "always"
        rows = [*settings.items(), *_of_host(address, credentials)]
    else:
        rows = list(settings.items())
    if credentials.password:
        everything |= {"BOOTSTRAP_USER": credentials.user or "git", "BOOTSTRAP_WORD": credentials.password}
    for number, (name, value) in enumerate(rows):
        everything |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return everything | {"GIT_CONFIG_COUNT": str(len(rows))}


def _of_host(address: Address, credentials: Credentials) -> Iterator[tuple[str, str]]:
    """Settings that count for one host alone: who asks it, and where it is."""
    if address.protocol in ("https", "http"):
        if credentials.password:
            yield f"credential.{address.origin}.helper", _HELPER
        elif credentials.helper:
            yield f"credential.{address.origin}.helper", credentials.helper
        for host, port, place in address.pins:
            if ":" not in host:  # else it is an address itself, and there is nothing to look up
                yield "http.curloptResolve", f"{host}:{port}:{f'[{place}]' if ':' in place else place}"


class Git:
    """Runs git commands in one folder, within limits, until it is asked to stop."""

    def __init__(
        self,
        folder: Path,
        address: Address | None = None,
        credentials: Credentials = NOBODY,
        limits: Limits = LIMITS,
        stop: Stop | None = None,
    ) -> None:
        self.folder = folder
        self.limits = limits
        self._stop = stop or Stop()
        self._address = address
        self._secret = credentials.password
        self._outside = environment(address, credentials, limits)
        self._inside = environment(None, Credentials(), limits)

    def ask(self, *arguments: str) -> bytes:
        """Run a command that asks the address; returns what it said. Raises the errors of this package."""
        return self._run(arguments, self._outside)

    def tell(self, *arguments: str) -> bytes:
        """Run a command that stays on this machine."""
        return self._run(arguments, self._inside)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command on this machine that reads and writes as long as it lives; the caller ends it."""
        command = ["git", "--git-dir", str(self.folder), *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=self._inside, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def _run(self, arguments: Sequence[str], variables: dict[str, str]) -> bytes:
        command = ["git", "--git-dir", str(self.folder), *arguments]
        with TemporaryFile() as output, TemporaryFile() as complained:
            process = subprocess.Popen(
                command,
                env=variables,
                cwd=self.folder if self.folder.is_dir() else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=complained,
                start_new_session=True,
            )
            try:
                self._watch(process)
            finally:
                end(process)
            output.seek(0)
            complained.seek(0)
            answer = output.read(_LONGEST_ANSWER)
            if process.returncode:
                raise refusal(complained.read(_LONGEST_ANSWER), process.returncode, self._address, self._secret)
        return answer

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Until git ends; raises where it takes too long or too much, or where it should stop."""
        began, measured, pause = time.monotonic(), time.monotonic(), _SHORTEST
        while process.poll() is None:
            if self._stop.wait(pause):
                raise CloneStoppedError
            pause = min(2 * pause, _LONGEST)
            now = time.monotonic()
            if now - began > self.limits.clone_seconds:
                raise CloneTimeoutError(f"cloning took longer than {self.limits.clone_seconds:g} s")
            if now - measured > _MEASURE:
                measured = now
                self._measure()
        self._measure()

    def _measure(self) -> None:
        if self.folder.is_dir() and size_of(self.folder) > self.limits.clone_bytes:
            raise TooMuchError(f"the repository is larger than {self.limits.clone_bytes:,} bytes")


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, at first politely."""
    wait: Callable[[], object] = lambda: process.wait(_GRACE)  # noqa: E731
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            _signal_group(process.pid, number)
            try:
                wait()
            except subprocess.TimeoutExpired:
                continue
    _signal_group(process.pid, signal.SIGKILL)  # helpers that outlived it
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except BrokenPipeError:
                continue


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return
