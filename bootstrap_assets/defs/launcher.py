"""Starts runs as Dagster does, and can tell whether the process of a run is alive. Named in dagster.yaml.

Dagster's DefaultRunLauncher leaves that to the code server which started the process. A run whose code server was
killed with it, and a `bootstrap run` that was killed, would be "in progress" for ever, and the queue would wait
for them for ever.
"""

import os
import socket

import dagster as dg
from dagster import DagsterEventType
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher

HOST_TAG = "bootstrap/host"
"""Names the machine that a run's process is on; a run without it is never taken for dead."""


class WatchedRunLauncher(DefaultRunLauncher):
    """DefaultRunLauncher with the check that run monitoring asks for."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's process, on this machine."""
        self._instance.add_run_tags(context.dagster_run.run_id, this_host())
        super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process that started the run is still there; on other machines it is taken to be."""
        host = run.tags.get(HOST_TAG)
        if host != socket.gethostname():
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"on the machine {host}, not asked")
        pid = self._pid(run.run_id)
        if pid is None or is_alive(pid):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"process {pid} is gone")

    def _pid(self, run_id: str) -> int | None:
        started = self._instance.all_logs(run_id, of_type=DagsterEventType.RUN_START)
        return started[-1].get_dagster_event().pid if started else None


def this_host() -> dict[str, str]:
    """The tag of a run whose process is on this machine."""
    return {HOST_TAG: socket.gethostname()}


def is_alive(pid: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
