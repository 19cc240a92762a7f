"""Starts runs as Dagster does, and can tell whether the process of a run is alive. Named in dagster.yaml.

Dagster's DefaultRunLauncher leaves that to the code server which started the process. A run whose code server was
killed with it, and a `bootstrap run` that was killed, would be "in progress" for ever, and the queue would wait
for them for ever.
"""

import os
import socket
from pathlib import Path

import dagster as dg
from dagster import DagsterEventType

from bootstrap_assets.defs.private import CheckRunHealthResult, DefaultRunLauncher, LaunchRunContext, WorkerStatus

HOST_TAG = "bootstrap/host"
"""Names the machine that a run's process is on; a run without it is never taken for dead."""

CLOCK = 60.0
"""Seconds that the machine's clock may have been set since a run began."""


class WatchedRunLauncher(DefaultRunLauncher):
    """DefaultRunLauncher with the check that run monitoring asks for."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's process, on this machine, whichever the run was made or first tried on."""
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
        pid, since = self._process(run.run_id)
        if pid is None or is_alive(pid, since=since):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"process {pid} is gone")

    def _process(self, run_id: str) -> tuple[int | None, float]:
        """The number of the process that a run is in, and since when (seconds since 1970)."""
        events = self._instance.all_logs(run_id, of_type=DagsterEventType.RUN_START)
        return (events[-1].get_dagster_event().pid, events[-1].timestamp) if events else (None, 0.0)


def this_host() -> dict[str, str]:
    """The tag of a run whose process is on this machine."""
    return {HOST_TAG: socket.gethostname()}


def is_alive(pid: int, *, since: float) -> bool:
    """Whether there is a process of that number which was there at a time (seconds since 1970).

    One that began later is another: after a restart of the machine numbers are used again.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    began = _began(pid)
    return began is None or began <= since + CLOCK


def _began(pid: int) -> float | None:
    """When a process began, in seconds since 1970; None where there is no /proc to tell it (proc(5))."""
    try:
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]  # field 22
        return int(boot.split()[1]) + int(ticks) / os.sysconf("SC_CLK_TCK")
    except (OSError, StopIteration, ValueError, IndexError):
        return None
