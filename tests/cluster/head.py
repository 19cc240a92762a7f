"""A run of `bootstrap_sharded`, whose steps Celery's workers take: `python -m tests.cluster.head [RUN]`.

With the id of a run that failed it is executed again from failure. Prints the steps that succeeded, by run.
"""

import json
import sys

import dagster as dg
from dagster import DagsterEventType

from bootstrap_assets.definitions import defs


def sharded() -> dg.JobDefinition:
    """The job, as a worker finds it."""
    return defs.resolve_job_def("bootstrap_sharded")


def main(parent: str | None) -> int:
    """Run it; exit code 1 where it failed."""
    with dg.DagsterInstance.get() as instance:
        again = dg.ReexecutionOptions.from_failure(parent, instance) if parent else None
        with dg.execute_job(
            dg.reconstructable(sharded), instance, reexecution_options=again, raise_on_error=False
        ) as result:
            done = [e.step_key for e in result.all_events if e.event_type is DagsterEventType.STEP_SUCCESS]
            print(json.dumps({"run": result.run_id, "done": sorted(map(str, done))}), flush=True)
            return 0 if result.success else 1


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or [None])))
