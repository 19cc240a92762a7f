"""`bootstrap ui`: Dagster's webserver, its daemon and one code server for both, until it is told to stop."""

import fcntl
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click
import requests

from bootstrap_assets.cli.children import Child
from bootstrap_assets.cli.console import out
from bootstrap_assets.cli.environment import prepare_environment
from bootstrap_assets.cli.signals import Signalled, raising_signals
from bootstrap_assets.database.readiness import ready_database_url
from bootstrap_assets.errors import ConfigurationError, PermanentError
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.web import local_session

LOCATION = "bootstrap_assets"
MODULE = "bootstrap_assets.definitions"

HEALTHY_WITHIN = 240.0
"""Seconds until everything has to be up; on an idle machine it takes about ten."""

EVERY = 0.2
"""Seconds between two looks at the children."""

Answer = TypeVar("Answer")


class UnhealthyError(PermanentError):
    """The deployment is up but does not work."""


@dataclass(frozen=True)
class Health:
    """What a healthy deployment says of itself."""

    dagster: str
    assets: int
    jobs: int
    sensors: int
    schedules: int
    daemons: tuple[str, ...]


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=3000, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--check", is_flag=True, help="Start, wait until all is healthy, say what was found, and stop.")
def ui(port: int, host: str, check: bool) -> None:
    """Start Dagster's UI and daemon.

    Both stay until Ctrl-C; runs in progress are interrupted then, and go on where they were when they are
    re-executed. There is no login: whoever reaches the port can start runs.
    """
    settings = load_settings()
    ready_database_url(settings)
    try:
        with raising_signals(), _alone(settings) as lock, deployment(settings, host, port, lock) as stack:
            health = stack.wait_until_healthy()
            if check:
                _print_health(stack, health)
                return
            out.print(f"Dagster is at {stack.url} (logs in {stack.logs}); Ctrl-C stops it", soft_wrap=True)
            sys.stdout.flush()
            stack.stay()
    except Signalled as interruption:
        sys.exit(128 + interruption.number if check else 0)


def _print_health(stack: "Deployment", health: Health) -> None:
    out.print(f"webserver    healthy at {stack.url}, Dagster {health.dagster}")
    counts = (
        f"{getattr(health, name)} {name}"
        for name in ("assets", "jobs", "sensors", "schedules")
        if getattr(health, name)
    )
    out.print(f"definitions  {MODULE} loaded: {', '.join(counts)}", soft_wrap=True)
    out.print(f"daemon       healthy: {', '.join(health.daemons)}", soft_wrap=True)
    out.print(f"logs         {stack.logs}", soft_wrap=True)


@contextmanager
def _alone(settings: Settings) -> Iterator[TextIO]:
    """The lock of a home: two daemons on one would start each run, tick and backfill twice.

    The children inherit it, so that those which a SIGKILL of this process leaves behind go on holding it. It says
    which processes they are.
    """
    settings.root.mkdir(parents=True, exist_ok=True)
    with (settings.root / "ui.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ConfigurationError(
                f"another `bootstrap ui` is at work in {settings.root}, or was killed and left its processes: "
                f"{lock.read().strip() or 'they are just starting'}"
            ) from None
        lock.truncate(0)
        yield lock


class Deployment:
    """The three processes. Made by `deployment`."""

    def __init__(self, url: str, logs: Path) -> None:
        self.url, self.logs = url, logs
        self.children: list[Child] = []
        self._start_time = time.time()

    def wait_until_healthy(self) -> Health:
        """Wait for the webserver, the definitions and a sign of life of every daemon; raises if one fails."""
        version = self.wait_for(self._version, "the webserver answers")
        self.wait_for(self._location, "the definitions are loaded")
        daemons = self.wait_for(self._daemons, "all daemons have given a sign of life")
        counts = self._ask(_COUNTS)
        [repository] = counts["repositoriesOrError"]["nodes"]
        return Health(
            dagster=version,
            assets=len(repository["assetNodes"]),
            jobs=sum(not job["name"].startswith("__") for job in repository["jobs"]),
            sensors=len(repository["sensors"]),
            schedules=len(repository["schedules"]),
            daemons=daemons,
        )

    def wait_for(self, look: Callable[[], Answer | None], what: str) -> Answer:
        """What `look` finds, as soon as it does; raises where a child dies or it takes too long."""
        until = self._start_time + HEALTHY_WITHIN
        while time.time() < until:
            self.require_alive()
            if (answer := look()) is not None:
                return answer
            time.sleep(EVERY)
        raise UnhealthyError(
            f"gave up waiting until {what}, after {HEALTHY_WITHIN:.0f} s; the logs are in {self.logs}"
        )

    def stay(self) -> None:
        """Stay until a signal comes; ChildDied where a child ends before."""
        while True:
            self.require_alive()
            time.sleep(EVERY)

    def require_alive(self) -> None:
        """Raise ChildDied where one has ended."""
        for child in self.children:
            child.require_alive()

    def _version(self) -> str | None:
        try:
            answer = local_session().get(f"{self.url}/server_info", timeout=10)
        except requests.RequestException:  # not listening yet
            return None
        return str(answer.json()["dagster_version"]) if answer.ok else None

    def _location(self) -> bool | None:
        entries = self._ask(_LOCATIONS)["workspaceOrError"].get("locationEntries", [])
        for entry in entries:
            problem = entry["locationOrLoadError"]
            if entry["loadStatus"] == "LOADED" and problem and problem["__typename"] == "PythonError":
                raise UnhealthyError(f"the definitions do not load: {problem['message'].strip()}")
        ready = [entry for entry in entries if entry["loadStatus"] == "LOADED" and entry["locationOrLoadError"]]
        return True if ready else None

    def _daemons(self) -> tuple[str, ...] | None:
        statuses = self._ask(_DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
        daemons = [status for status in statuses if status["required"]]
        for status in daemons:
            if (status["lastHeartbeatTime"] or 0) < self._start_time:  # of a daemon that was here before
                return None
            if problems := status["lastHeartbeatErrors"]:
                raise UnhealthyError(f"daemon {status['daemonType']}: {problems[0]['message'].strip()}")
        return tuple(sorted(status["daemonType"].lower() for status in daemons)) or None

    def _ask(self, query: str) -> dict[str, Any]:
        try:
            answer = local_session().post(f"{self.url}/graphql", json={"query": query}, timeout=60).json()
        except (requests.RequestException, ValueError) as error:
            raise UnhealthyError(f"the webserver does not answer: {error}") from None
        if "data" not in answer or answer.get("errors"):
            raise UnhealthyError(f"the webserver answers with an error: {answer.get('errors')}")
        data: dict[str, Any] = answer["data"]
        return data


_LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries { loadStatus
    locationOrLoadError { __typename ... on PythonError { message } } } } } }"""

_DAEMONS = """{ instance { daemonHealth { allDaemonStatuses {
    daemonType required lastHeartbeatTime lastHeartbeatErrors { message } } } } }"""

_COUNTS = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
    assetNodes { id } jobs { name } sensors { id } schedules { id } } } } }"""


@contextmanager
def deployment(settings: Settings, host: str, port: int, lock: TextIO) -> Iterator[Deployment]:
    """The code server, webserver and daemon, for the length of the block; none of their processes stays."""
    port = _free_port(host, port)
    environment = os.environ | prepare_environment(settings)
    logs = settings.root / "logs" / f"ui-{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    logs.mkdir(parents=True)
    stack = Deployment(_url(host, port), logs)
    with tempfile.TemporaryDirectory(prefix="bootstrap-ui-") as folder:
        try:
            _start(stack, environment, Path(folder), host, port, lock)
            yield stack
        except Signalled:
            _end(stack.children)
            raise
        finally:
            _end(stack.children)


def _start(
    stack: Deployment, environment: Mapping[str, str], folder: Path, host: str, port: int, lock: TextIO
) -> None:
    """One code server loads the definitions; the webserver and the daemon ask it, and it starts the runs."""
    socket_file = folder / "code.sock"
    workspace = folder / "workspace.yaml"
    server = {"location_name": LOCATION, "socket": str(socket_file)}
    workspace.write_text(json.dumps({"load_from": [{"grpc_server": server}]}))  # JSON is YAML

    def start(name: str, *command: str) -> None:
        log = stack.logs / f"{name.replace(' ', '-')}.log"
        child = Child(name, [sys.executable, "-m", *command], environment, log, keeps=lock)
        stack.children.append(child)
        print(child.pid, end=" ", file=lock, flush=True)

    code = ["--socket", str(socket_file), "--module-name", MODULE, "--location-name", LOCATION]
    code += ["--working-directory", str(folder), "--log-level", "warning"]
    start("code server", "dagster", "code-server", "start", *code)
    stack.wait_for(lambda: socket_file.exists() or None, "the code server listens")
    options = ["--workspace", str(workspace)]
    start("webserver", "dagster_webserver", "--host", host, "--port", str(port), *options)
    start("daemon", "dagster._daemon", "run", *options)


def _end(children: list[Child]) -> None:
    """End all, the code server last: with it end the runs that it started."""
    try:
        for child in reversed(children):
            child.ask_to_end()
        while children:
            children[-1].end()
            children.pop()
    except Signalled:  # a second one: at once
        for child in children:
            child.kill()
        raise


def _free_port(host: str, port: int) -> int:
    """The port itself, or for 0 a free one; ConfigurationError where it cannot be listened on."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            return int(trial.getsockname()[1])
    except OSError as error:
        raise ConfigurationError(
            f"--port: {host}:{port} cannot be listened on ({error.strerror}); `--port 0` takes a free one"
        ) from None


def _url(host: str, port: int) -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}"
