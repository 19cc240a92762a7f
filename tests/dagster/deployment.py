"""A running deployment for tests: `bootstrap ui` as a process, its client, and the valves of its provider."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
import requests

from tests.fakes.voyage_server import Refusal

PATIENCE = 120.0
"""Seconds after which a state that should come is taken for lost."""

REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "bootstrap_assets"}

Found = TypeVar("Found")


def wait_for(look: Callable[[], Found], what: str, *, seconds: float = PATIENCE) -> Found:
    """What `look` returns as soon as it is true; AssertionError with the last of it after that time."""
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, f"waited {seconds:.0f} s until {what}; now it is {found!r}"
        time.sleep(0.25)
    return found


class Valve:
    """What the provider does with the texts of one source: answers so many, then makes others wait or refuses."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._left = UNLIMITED
        self._refuses = False
        self.waiting = 0

    def hold(self, *, after: int = 0) -> None:
        """Answer that many texts; what comes then waits."""
        self._set(after, refuses=False)

    def refuse(self, *, after: int) -> None:
        """Answer that many texts; what comes then is refused for good."""
        self._set(after, refuses=True)

    def open(self) -> None:
        """Answer everything, what waits too."""
        self._set(UNLIMITED, refuses=False)

    def let(self, texts: int) -> None:
        """Answer so many of those that wait."""
        with self._changed:
            self._left += texts
            self._changed.notify_all()

    def _set(self, left: int, *, refuses: bool) -> None:
        with self._changed:
            self._left, self._refuses = left, refuses
            self._changed.notify_all()

    def __call__(self, texts: int) -> None:
        with self._changed:
            self.waiting += texts
            passed = self._changed.wait_for(lambda: self._left > 0 or self._refuses, timeout=2 * PATIENCE)
            self.waiting -= texts
            if not passed or self._left <= 0:
                raise Refusal(404, "there is no such address")
            self._left -= texts


UNLIMITED = 1_000_000


class Valves:
    """Decides what the provider does, by the source of the texts of a request."""

    def __init__(self, sources: Iterable[str]) -> None:
        self.of = {source: Valve() for source in sources}
        self.source_of: dict[str, str] = {}

    def __call__(self, texts: list[str]) -> None:
        if source := self.source_of.get(texts[0]):
            self.of[source](len(texts))

    def texts_of(self, source: str) -> list[str]:
        return [text for text, its in self.source_of.items() if its == source]

    def open(self) -> None:
        """Answer everything."""
        for valve in self.of.values():
            valve.open()


class Client:
    """What a person does in the UI, by the same GraphQL."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, query: str, **variables: Any) -> Any:
        """The one field that a query asks for."""
        body = {"query": query, "variables": variables}
        answer = requests.post(f"{self.url}/graphql", json=body, timeout=60).json()
        assert "errors" not in answer, answer["errors"]
        [field] = answer["data"].values()
        assert "message" not in field, field
        return field

    def graph(self) -> dict[str, dict[str, Any]]:
        """Every asset with its group, the assets it depends on, and whether it is partitioned."""
        nodes = self.ask("{ assetNodes { assetKey { path } groupName isPartitioned dependencyKeys { path } } }")
        return {node["assetKey"]["path"][-1]: node for node in nodes}

    def partitions(self, asset: str) -> dict[str, set[str]]:
        """Keys of the partitions of an asset, by state: materialized, failed, materializing, unmaterialized."""
        [node] = self.ask(_PARTITIONS, keys=[{"path": [asset]}])
        states = node["assetPartitionStatuses"]
        return {state.removesuffix("Partitions"): set(keys) for state, keys in states.items()}

    def backfill(self, asset: str, keys: Iterable[str]) -> str:
        """Launch a backfill over these partitions; returns its id."""
        params = {"assetSelection": [{"path": [asset]}], "partitionNames": sorted(keys)}
        return str(self.ask(_BACKFILL, params=params)["backfillId"])

    def runs(self, **filters: Any) -> list[dict[str, Any]]:
        """Runs, the newest first; their tags as a dictionary."""
        found = self.ask(_RUNS, filter=filters)["results"]
        return [run | {"tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]

    def runs_tagged(self, key: str, value: object) -> list[dict[str, Any]]:
        """Runs with that tag, the newest first."""
        return self.runs(tags=[{"key": key, "value": str(value)}])

    def run_of_request(self, request: int) -> str:
        """The one run that the sensor makes of a request; its id."""
        [run] = wait_for(lambda: self.runs_tagged("bootstrap/request", request), "the request has a run")
        return str(run["runId"])

    def runs_of_backfill(self, backfill: str) -> list[dict[str, Any]]:
        return self.runs_tagged("dagster/backfill", backfill)

    def run(self, run: str) -> dict[str, Any]:
        [found] = self.runs(runIds=[run])
        return found

    def launch(self, *assets: str, tags: Mapping[str, str] | None = None) -> str:
        """Materialise assets in one run, as the button of the UI does; tags may give a range of partitions."""
        params = {
            "selector": {
                **REPOSITORY,
                "jobName": "__ASSET_JOB",
                "assetSelection": [{"path": [asset]} for asset in assets],
            },
            "mode": "default",
            "executionMetadata": {"tags": [{"key": key, "value": tag} for key, tag in (tags or {}).items()]},
        }
        return str(self.ask(_LAUNCH, params=params)["run"]["runId"])

    def reexecute_from_failure(self, run: str) -> str:
        """What the button "re-execute from failure" does; returns the new run's id."""
        return str(self.ask(_REEXECUTE, params={"parentRunId": run, "strategy": "FROM_FAILURE"})["run"]["runId"])

    def pid_of(self, run: str) -> int:
        """Number of the process of a run, as its log tells it."""

        def look() -> int | None:
            found = re.search(r"Started process for run \(pid: (\d+)\)", self.messages(run))
            return int(found[1]) if found else None

        return wait_for(look, f"run {run} says which process it has") or 0

    def messages(self, run: str) -> str:
        """The messages of the log of a run."""
        return "\n".join(event["message"] for event in self.ask(_LOG, run=run)["events"])

    def materialised_by(self, asset: str) -> list[str]:
        """The runs that have materialised an asset, the newest first."""
        found = self.ask(_MATERIALISED_BY, asset={"path": [asset]})["assetMaterializations"]
        return [one["runId"] for one in found]

    def sensors(self) -> dict[str, str]:
        """Status of every sensor, by name."""
        return {sensor["name"]: sensor["sensorState"]["status"] for sensor in self._sensors()}

    def _sensors(self) -> list[dict[str, Any]]:
        return list(self.ask(_SENSORS, repository=REPOSITORY)["results"])

    def ticks(self, sensor: str) -> list[dict[str, Any]]:
        """Its last ticks that are over, the newest first."""
        found = self.ask(_TICKS, sensor={**REPOSITORY, "sensorName": sensor})["sensorState"]["ticks"]
        return [tick for tick in found if tick["status"] != "STARTED"]

    def turn_sensor(self, sensor: str, *, on: bool) -> None:
        if on:
            self.ask(_SENSOR_ON, sensor={**REPOSITORY, "sensorName": sensor})
        else:
            self.ask(_SENSOR_OFF, id=_state(self._sensors(), sensor, "sensorState"))

    def schedules(self) -> dict[str, str]:
        """Status of every schedule, by name."""
        return {schedule["name"]: schedule["scheduleState"]["status"] for schedule in self._schedules()}

    def _schedules(self) -> list[dict[str, Any]]:
        return list(self.ask(_SCHEDULES, repository=REPOSITORY)["results"])

    def turn_schedule(self, schedule: str, *, on: bool) -> None:
        if on:
            self.ask(_SCHEDULE_ON, schedule={**REPOSITORY, "scheduleName": schedule})
        else:
            self.ask(_SCHEDULE_OFF, id=_state(self._schedules(), schedule, "scheduleState"))

    def wait_until_ended(self, run: str) -> str:
        """Wait until a run has ended; returns how."""
        ended = {"SUCCESS", "FAILURE", "CANCELED"}

        def look() -> str | None:
            status = self.run(run)["status"]
            return status if status in ended else None

        return wait_for(look, f"run {run} has ended") or ""


def _state(found: list[dict[str, Any]], name: str, kind: str) -> str:
    return next(str(one[kind]["id"]) for one in found if one["name"] == name)


@dataclass
class Running:
    """A `bootstrap ui` that is up."""

    client: Client
    process: "subprocess.Popen[str]"
    logs: Path

    def processes(self) -> list[psutil.Process]:
        """It and all that it has started, directly or not, which may since have lost its parent."""
        sessions = {child.pid for child in psutil.Process(self.process.pid).children()}
        return [one for one in psutil.process_iter() if _session(one) in sessions] + [
            psutil.Process(self.process.pid)
        ]

    def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[int, list[psutil.Process]]:
        """Signal it as a terminal would; returns its exit code and the processes that are left."""
        before = self.processes()
        self.process.send_signal(number)
        code = self.process.wait(timeout=90)
        return code, [one for one in before if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]

    def log(self, name: str) -> str:
        """What the process of that name has told."""
        return (self.logs / f"{name}.log").read_text()


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None


def bootstrap(*arguments: str) -> list[str]:
    """The command line of `bootstrap`."""
    return [sys.executable, "-m", "bootstrap_assets.cli", *arguments]


@contextmanager
def started_ui(environment: Mapping[str, str], cwd: Path) -> Iterator[Running]:
    """`bootstrap ui --port 0` from that folder; ended with all it started if the block leaves it running."""
    with subprocess.Popen(
        bootstrap("ui", "--port", "0"), env=environment, cwd=cwd, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            told = re.fullmatch(r"Dagster is at (\S+) \(logs in (.+)\); Ctrl-C stops it\n", line)
            assert told, line
            yield Running(Client(told[1]), process, Path(told[2]))
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=90)


_PARTITIONS = """query($keys: [AssetKeyInput!]!) { assetNodes(assetKeys: $keys) { assetPartitionStatuses {
  ... on DefaultPartitionStatuses {
    materializedPartitions failedPartitions materializingPartitions unmaterializedPartitions } } } }"""

_BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on Error { message } } }"""

_RUNS = """query($filter: RunsFilter) { runsOrError(filter: $filter) { __typename
  ... on Runs { results { runId jobName status startTime endTime tags { key value } } }
  ... on Error { message } } }"""

_LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on Error { message } } }"""

_REEXECUTE = """mutation($params: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on Error { message } } }"""

_LOG = """query($run: ID!) { logsForRun(runId: $run) { __typename
  ... on EventConnection { events { ... on MessageEvent { message } } } ... on Error { message } } }"""

_SENSORS = """query($repository: RepositorySelector!) { sensorsOrError(repositorySelector: $repository) {
  __typename ... on Sensors { results { name sensorState { id status } } } ... on Error { message } } }"""

_TICKS = """query($sensor: SensorSelector!) { sensorOrError(sensorSelector: $sensor) { __typename
  ... on Sensor { sensorState { ticks(limit: 10) { status timestamp skipReason } } }
  ... on Error { message } } }"""

_SENSOR_ON = """mutation($sensor: SensorSelector!) { startSensor(sensorSelector: $sensor) { __typename
  ... on Sensor { name } ... on Error { message } } }"""

_SENSOR_OFF = """mutation($id: String!) { stopSensor(id: $id) { __typename
  ... on StopSensorMutationResult { instigationState { status } } ... on Error { message } } }"""

_SCHEDULES = """query($repository: RepositorySelector!) { schedulesOrError(repositorySelector: $repository) {
  __typename ... on Schedules { results { name scheduleState { id status } } } ... on Error { message } } }"""

_SCHEDULE_ON = """mutation($schedule: ScheduleSelector!) { startSchedule(scheduleSelector: $schedule) { __typename
  ... on ScheduleStateResult { scheduleState { status } } ... on Error { message } } }"""

_SCHEDULE_OFF = """mutation($id: String!) { stopRunningSchedule(id: $id) { __typename
  ... on ScheduleStateResult { scheduleState { status } } ... on Error { message } } }"""

_MATERIALISED_BY = """query($asset: AssetKeyInput!) { assetOrError(assetKey: $asset) { __typename
  ... on Asset { assetMaterializations(limit: 10) { runId } } } }"""
