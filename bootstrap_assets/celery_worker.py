"""What Celery's workers run: `celery -A bootstrap_assets.celery_worker worker -Q dagster`.

`dagster-celery worker start` would write the broker's address, with its password, into a file of its home.
"""

from functools import cache
from typing import Any

from dagster_celery.executor import CeleryExecutor
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_task

from bootstrap_assets.defs.executors import celery_settings
from bootstrap_assets.settings import load_settings


@cache
def _app() -> Any:
    arguments = CeleryExecutor.for_cli(**celery_settings(load_settings())).app_args()  # type: ignore[no-untyped-call]
    app = make_app(arguments)  # type: ignore[no-untyped-call]
    create_task(app)  # type: ignore[no-untyped-call]
    return app


def __getattr__(name: str) -> Any:
    """`app`, which Celery looks for; made when it is asked for, by the settings of then."""
    if name == "app":
        return _app()
    raise AttributeError(name)
