"""What runs the steps of a run, as BOOTSTRAP_EXECUTOR says. A run's own process is the run launcher's."""

import dagster as dg
from psycopg import OperationalError

from bootstrap_assets import standstill
from bootstrap_assets.defs.private import (
    MULTI_PROC_CONFIG,
    Executor,
    InitExecutorContext,
    InProcessExecutor,
    RetryMode,
    multiple_process_executor_requirements,
)
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.extras import needs_extra
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.sources.registry import SOURCES

WARM = ["bootstrap_assets.definitions"]
"""Modules that the process which steps are forked from has imported."""


def executor() -> dg.ExecutorDefinition:
    """The executor of every job that names none."""
    settings = load_settings()
    return _MAKERS[settings.executor](settings)


def celery_settings(settings: Settings) -> dict[str, object]:
    """What the executor and its workers tell Celery; ConfigurationError where no broker is set."""
    if settings.celery_broker is None:
        raise ConfigurationError("BOOTSTRAP_EXECUTOR is celery, which needs BOOTSTRAP_CELERY_BROKER, its broker")
    broker = settings.celery_broker.get_secret_value()
    backend = settings.celery_backend.get_secret_value() if settings.celery_backend else broker
    return {"broker": broker, "backend": backend, "config_source": {"worker_disable_prefetch": True}}


def _multiprocess(_settings: Settings) -> dg.ExecutorDefinition:
    """Two steps at once, each in a process of its own, forked from a warm one."""
    start = {"forkserver": {"preload_modules": WARM}}
    return _processes.configured({"max_concurrent": 2, "start_method": start}, name="multiprocess")


@dg.executor(
    name="multiprocess", config_schema=MULTI_PROC_CONFIG, requirements=multiple_process_executor_requirements()
)
def _processes(context: InitExecutorContext) -> Executor:
    """Dagster's own; a run of the whole that has nothing to do is not worth a process for each step."""
    if context.job.get_definition().name == "bootstrap" and _nothing_to_do():
        return InProcessExecutor(retries=RetryMode.ENABLED)
    executor: Executor = dg.multiprocess_executor.executor_creation_fn(context)  # type: ignore[misc]
    return executor


def _nothing_to_do() -> bool:
    try:
        return standstill.is_complete(load_settings(), list(SOURCES.values()))
    except OperationalError:
        return False  # the run says what is wrong with the database


def _in_process(_settings: Settings) -> dg.ExecutorDefinition:
    return dg.in_process_executor


def _celery(settings: Settings) -> dg.ExecutorDefinition:
    with needs_extra("celery", "BOOTSTRAP_EXECUTOR=celery"):
        from dagster_celery import celery_executor
    return celery_executor.configured(celery_settings(settings))


def _k8s(_settings: Settings) -> dg.ExecutorDefinition:
    """A pod for each step, with the image and the variables of the run's own pod."""
    with needs_extra("k8s", "BOOTSTRAP_EXECUTOR=k8s"):
        from dagster_k8s import k8s_job_executor  # type: ignore[import-not-found, unused-ignore]
    return k8s_job_executor  # type: ignore[no-any-return, unused-ignore]


_MAKERS = {"multiprocess": _multiprocess, "in-process": _in_process, "celery": _celery, "k8s": _k8s}
