"""What an executor needs of its processes' variables and of dagster.yaml, for `bootstrap env --executor`."""

import shlex
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from bootstrap_assets.settings import Settings, variable_of

EXECUTORS = ("in-process", "multiprocess", "celery", "k8s")

SPREAD = ("celery", "k8s")
"""Those whose steps are on several hosts."""

DAGSTER = {
    # A step marks all its partitions in one statement, not in hundreds.
    "DAGSTER_EVENT_BATCH_SIZE": "500",
    # The daemon reads when each changed partition changed, and warns where there are more: a source has 128.
    "DAGSTER_MAX_PARTITIONS_FOR_DA_TIMESTAMP_FETCH": "10000",
}
"""What Dagster itself is told, of every process."""

_SECTIONS = ("run_launcher", "concurrency", "run_monitoring")

_POD = {
    "run_launcher": {
        "module": "dagster_k8s",
        "class": "K8sRunLauncher",
        "config": {
            "instance_config_map": "dagster-instance",
            "dagster_home": "/opt/dagster/dagster_home",
            "image_pull_policy": "IfNotPresent",
            "env_secrets": ["bootstrap-corpus"],
            "run_k8s_config": {"pod_spec_config": {"termination_grace_period_seconds": 60}},
        },
    },
    "run_monitoring": {"enabled": True, "start_timeout_seconds": 300},
}
"""What Kubernetes has in the place of ours."""


def needs_of(executor: str, settings: Settings) -> Iterator[str]:
    """Lines for a shell: variables that are no secret, the names of those that are, dagster.yaml as a comment."""
    import yaml

    yield "# Every process: webserver, daemon, code server, steps."
    for name, value in variables(executor, settings).items():
        yield f"export {name}={shlex.quote(value)}"
    yield "# Secret, of your own store (not printed):"
    for name in secrets(executor):
        yield f"#   {variable_of(name)} ({'set' if getattr(settings, name) else 'not set'} here)"
    yield f"# {_ELSE[executor]}"
    yield "# dagster.yaml:"
    for line in yaml.safe_dump(instance(executor), sort_keys=False).splitlines():
        yield f"#   {line}"


def variables(executor: str, settings: Settings) -> dict[str, str]:
    """The variables that are no secret, with their values."""
    spread = {variable_of("migrate"): "never", variable_of("shards"): str(settings.shards)}
    return {variable_of("executor"): executor, **(spread if executor in SPREAD else {}), **DAGSTER}


def secrets(executor: str) -> list[str]:
    """The settings that hold secrets."""
    broker = ["celery_broker", "celery_backend"] if executor == "celery" else []
    return ["database_url", "voyage_api_key", *broker]


def instance(executor: str) -> dict[str, Any]:
    """The part of dagster.yaml that depends on where runs and steps go on."""
    import yaml

    ours = yaml.safe_load((files("bootstrap_assets") / "dagster.yaml").read_text(encoding="utf-8"))
    part = {name: ours[name] for name in _SECTIONS}
    return part | _POD if executor == "k8s" else part


_ELSE = {
    "in-process": 'eval "$(bootstrap env)" says where Dagster finds the rest, and writes its dagster.yaml.',
    "multiprocess": 'eval "$(bootstrap env)" says where Dagster finds the rest, and writes its dagster.yaml.',
    "celery": 'On each host, after eval "$(bootstrap env)", which writes dagster.yaml: '
    "celery -A bootstrap_assets.celery_worker worker -Q dagster -c 2",
    "k8s": "Dagster's chart makes dagster.yaml of deploy/helm/values.yaml; without it, it holds what is below.",
}
