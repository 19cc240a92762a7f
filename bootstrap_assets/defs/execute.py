"""Runs the job `bootstrap`, or that of one source, in this process.

    python -m bootstrap_assets.defs.execute '{"sources": [...]}'

`bootstrap run` starts it as a child. One process spends no three seconds on each step, and the run is recorded
in the instance like any other. The last line on stdout is a JSON document of what was done. When stdin ends, the
parent is gone or wants it to stop: every step then ends at its next safe point, and nothing is paid for unseen.
"""

import json
import re
import sys
import threading
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEventType

from bootstrap_assets.defs.jobs import assets_of, job_for, sources_tag
from bootstrap_assets.defs.launcher import this_host
from bootstrap_assets.defs.private import SerializableErrorInfo
from bootstrap_assets.defs.resources import STOP


def execute(sources: list[str], resource: dict[str, Any]) -> dict[str, Any]:
    """Materialise some sources (empty: all) and the index; `resource` configures the corpus resource."""
    config = {"resources": {"corpus": {"config": resource}}}
    job = dg.load_from_defs_folder(path_within_project=Path(__file__).parent).resolve_job_def(job_for(sources))
    with dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(
            instance=instance,
            run_config=config,
            asset_selection=assets_of(sources),
            tags=this_host() | sources_tag(sources),
            raise_on_error=False,
        )
        return {"success": result.success, "run_id": result.run_id} | _outcome(result)


def _outcome(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    failures = []
    assets: dict[str, dict[str, Any]] = {}
    for event in result.all_events:
        if event.event_type is DagsterEventType.STEP_FAILURE:
            failures.append({"asset": event.step_key, "message": reason_of(event), "error": _class(event)})
        elif event.event_type is DagsterEventType.ASSET_MATERIALIZATION and event.asset_key:
            metadata = event.materialization.metadata
            values = {name: value.value for name, value in metadata.items() if hasattr(value, "value")}
            assets.setdefault(event.asset_key.to_user_string(), {}).update(values)
        elif event.event_type is DagsterEventType.RUN_FAILURE and not failures:  # before any step
            error = event.job_failure_data.error
            failures.append({"asset": event.job_name, "message": _innermost(error), "error": None})
    return {"failures": failures, "assets": assets}


def reason_of(event: dg.DagsterEvent) -> str:
    """Why a step failed, in the words of our own error where there is one."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    return _innermost(data.error)


def _innermost(error: SerializableErrorInfo | None) -> str:
    while error is not None and error.cause is not None and not _OUR_CLASS.match(error.message):
        error = error.cause
    return _OUR_CLASS.sub("", error.message.strip()) if error else "unknown"


def _class(event: dg.DagsterEvent) -> str | None:
    """The name of the permanent error that `failing_for_good` made a failure of."""
    data = event.step_failure_data.user_failure_data
    name = data.metadata.get("error") if data and data.metadata else None
    return str(name.value) if name else None


_OUR_CLASS = re.compile(r"^bootstrap_assets\.errors\.\w+: ")  # its message is written for the user


def _stop_with_parent() -> None:
    sys.stdin.read()
    STOP.set()


if __name__ == "__main__":
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    request = json.loads(sys.argv[1])
    answer = execute(request["sources"], request["resource"])
    print(json.dumps(answer, default=str))  # noqa: T201
    sys.exit(0 if answer["success"] else 1)
