"""Schedules, in UTC. The refresh may spend money, so it is off until turned on; verifying calls no provider and
downloads nothing."""

import dagster as dg

from bootstrap_assets.defs.sensors import config

WEEKLY_REFRESH = dg.ScheduleDefinition(
    name="weekly_refresh",
    job_name="bootstrap",
    cron_schedule="0 3 * * 0",
    run_config=config(force_refresh=True),
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Every Sunday at three (UTC): take what the publishers have changed, embed what is new.",
)


NIGHTLY_VERIFY = dg.ScheduleDefinition(
    name="nightly_verify",
    job_name="verify",
    cron_schedule="0 2 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night at two (UTC): all checks. Calls no provider and downloads nothing.",
)


@dg.definitions
def schedules() -> dg.Definitions:
    """All schedules."""
    return dg.Definitions(schedules=[WEEKLY_REFRESH, NIGHTLY_VERIFY])
