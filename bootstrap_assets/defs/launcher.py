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

PROCESS_TAG = "bootstrap/process"
"""Tells the process that a run began in from a later one of the same number."""


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
        pid = self._process(run.run_id)
        if pid is None or is_alive(pid, run.tags.get(PROCESS_TAG)):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"process {pid} is gone")

    def _process(self, run_id: str) -> int | None:
        """The number of the process that a run is in."""
        events = self._instance.all_logs(run_id, of_type=DagsterEventType.RUN_START)
        return events[-1].get_dagster_event().pid if events else None


def this_host() -> dict[str, str]:
    """The tag of a run whose process is on this machine."""
    return {HOST_TAG: socket.gethostname()}


def is_alive(pid: int, identity: str | None) -> bool:
    """Whether there is a process of that number, and it is the one whose identity this is (None: any).

    After a restart of the machine, or of a container, numbers are used again.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return identity is None or identity_of(pid) in (identity, None)


def identity_of(pid: int) -> str | None:
    """What no other process of this machine has: its boot, and the ticks since then at which the process began.

    No clock that somebody sets has a part in it. None where there is no /proc to tell it (proc(5)).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]  # field 22
    except (OSError, IndexError):
        return None
    return f"{boot} {ticks}"


def this_process(pid: int) -> dict[str, str]:
    """The tag of a run that a process of this machine is in; none where there is no telling it from others."""
    identity = identity_of(pid)
    return {PROCESS_TAG: identity} if identity else {}
