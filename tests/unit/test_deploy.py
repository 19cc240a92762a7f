"""deploy/ says nothing that is not so: its names of settings, commands and metrics are ours, its manifests sound.

No container engine runs here: what cannot be checked without one, docs/scale.md names.
"""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import click
import kubernetes_validate
import pytest
import yaml
from dagster._cli import cli as dagster
from dagster._daemon.cli import cli as dagster_daemon
from dagster_webserver.cli import dagster_webserver

from bootstrap_assets import metrics
from bootstrap_assets.cli import bootstrap, executors
from bootstrap_assets.setting_names import OURS
from bootstrap_assets.settings import Settings, variable_of
from tests.cluster.celery import WORKER

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "k8s").glob("*.yaml"))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
VALUES = yaml.safe_load((DEPLOY / "helm" / "values.yaml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()

PROGRAMS: dict[str, click.Command] = {
    "bootstrap": bootstrap,
    "dagster": dagster,
    "dagster-daemon": dagster_daemon,
    "dagster-webserver": dagster_webserver,
}
SECRET = re.compile(r"KEY|PASSWORD|SECRET|TOKEN|DATABASE_URL")


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """All mappings in a document."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(inner)


def documents() -> Iterator[dict[str, Any]]:
    for file in MANIFESTS:
        yield from yaml.safe_load_all(file.read_text())


def containers() -> list[dict[str, Any]]:
    return [one for document in documents() for part in parts(document) for one in part.get("containers", ())]


def pods() -> list[dict[str, Any]]:
    return [part for document in documents() for part in parts(document) if "containers" in part]


def accept(line: list[str]) -> None:
    """Let a program of ours or of Dagster's take the words after its name."""
    command, words = PROGRAMS[line[0]], [word.replace("/app/", f"{DEPLOY}/") for word in line[1:]]
    context = click.Context(command)
    while isinstance(command, click.Group):
        _, inner, words = command.resolve_command(context, words)
        assert inner, line
        command = inner
    command.make_context(line[0], words, resilient_parsing=False)


def lines_of(command: list[str]) -> Iterator[list[str]]:
    """The programs that a container starts, with their arguments: itself, or what its shell is told."""
    if command[0] != "sh":
        yield command
        return
    for line in command[2].replace("$$", "$").split("&&"):
        words = shlex.split(line)
        yield shlex.split(words[1].strip("$()")) if words[0] == "eval" else words[words[0] == "exec" :]


def commands() -> Iterator[list[str]]:
    for service in COMPOSE["services"].values():
        if "command" in service and "profiles" not in service:
            yield service["command"]
            health = service.get("healthcheck", {}).get("test")
            yield from [health[1:]] if health else ()
    for container in containers():
        yield container["command"]
        yield from (part["command"] for part in parts(container) if part is not container and "command" in part)
    yield json.loads(re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[0])
    [deployment] = VALUES["dagster-user-deployments"]["deployments"]
    yield ["dagster", "api", "grpc", "--port", "3030", *deployment["dagsterApiGrpcArgs"]]


@pytest.mark.parametrize("command", [*commands()], ids=" ".join)
def test_every_command_is_accepted(command: list[str]) -> None:
    for line in lines_of(command):
        accept(line)


def test_celery_s_workers_are_started_as_make_cluster_does_it() -> None:
    services = COMPOSE["services"]
    *_, line = lines_of(services["celery"]["command"])
    assert line[line.index("celery") :] == ["celery", *WORKER]
    assert {name for name, one in services.items() if one.get("profiles") == ["celery"]} == {"celery", "redis"}
    broker = COMPOSE["x-process"]["environment"]["BOOTSTRAP_CELERY_BROKER"]
    assert urlsplit(broker).hostname == "redis"


def test_every_variable_of_ours_is_a_setting() -> None:
    variables = {variable_of(name) for name in Settings.model_fields} | set(OURS)
    for file in DEPLOY.rglob("*"):
        if file.is_file():
            assert set(re.findall(r"\b(?:BOOTSTRAP|VOYAGE)_[A-Z_]+", file.read_text())) <= variables, file


def test_what_is_set_has_a_value_that_the_setting_takes() -> None:
    [deployment] = VALUES["dagster-user-deployments"]["deployments"]
    [settings] = [one["data"] for one in documents() if one["kind"] == "ConfigMap"]
    service = COMPOSE["x-process"]["environment"]
    for variables in (deployment["env"], settings, service):
        literal = {name: value for name, value in variables.items() if "$" not in value}
        values = {name.removeprefix("BOOTSTRAP_").lower(): value for name, value in literal.items()}
        read = Settings(**{name: value for name, value in values.items() if name in Settings.model_fields})
        assert read.migrate == "never"
        assert read.log_format == "json"


def test_what_an_executor_needs_is_what_deploy_has() -> None:
    part = executors.instance("k8s")
    ours, coordinator = part["concurrency"]["runs"], VALUES["dagsterDaemon"]["runCoordinator"]["config"]
    theirs = coordinator["queuedRunCoordinator"]
    assert theirs["maxConcurrentRuns"] == ours["max_concurrent_runs"]
    assert theirs["tagConcurrencyLimits"] == ours["tag_concurrency_limits"]
    assert VALUES["dagsterDaemon"]["runMonitoring"]["startTimeoutSeconds"] == 300
    assert part["run_monitoring"]["start_timeout_seconds"] == 300
    assert part["run_launcher"]["class"] == VALUES["runLauncher"]["type"]
    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    pod = part["run_launcher"]["config"]["run_k8s_config"]["pod_spec_config"]
    assert launcher["runK8sConfig"]["podSpecConfig"]["terminationGracePeriodSeconds"] in pod.values()
    [deployment] = VALUES["dagster-user-deployments"]["deployments"]
    assert {"name": "bootstrap-corpus"} in deployment["envSecrets"]
    assert part["run_launcher"]["config"]["env_secrets"] == ["bootstrap-corpus"]
    assert executors.DAGSTER.items() <= deployment["env"].items()
    for setting in (deployment["env"], COMPOSE["x-process"]["environment"]):
        assert setting["BOOTSTRAP_MIGRATE"] == executors.variables("celery", Settings())["BOOTSTRAP_MIGRATE"]


@pytest.mark.parametrize("executor", get_args(Settings.model_fields["executor"].annotation))
def test_what_an_executor_needs_is_read_by_a_shell_and_holds_no_secret(executor: str) -> None:
    settings = Settings(
        database_url="postgresql://me:hidden@db/corpus",
        celery_broker="redis://:hidden@redis/0",
        voyage_api_key="hidden",
    )
    lines = list(executors.needs_of(executor, settings))
    assert "hidden" not in "".join(lines)
    shell = subprocess.run(
        ["sh", "-c", "\n".join(lines) + "\nenv"], env={}, capture_output=True, text=True, check=True
    )
    assert f"BOOTSTRAP_EXECUTOR={executor}" in shell.stdout.splitlines()
    _, _, text = "\n".join(line.removeprefix("#   ") for line in lines).partition("# dagster.yaml:\n")
    assert yaml.safe_load(text) == executors.instance(executor)
    assert ("#   BOOTSTRAP_CELERY_BROKER (set here)" in lines) == (executor == "celery")
    assert ("export BOOTSTRAP_MIGRATE=never" in lines) == (executor in ("celery", "k8s"))
    if executor == "celery":
        assert " ".join(WORKER[:6]) in "\n".join(lines)


def test_only_one_process_changes_the_schema() -> None:
    migrating = ["bootstrap", "db", "upgrade"]
    assert [name for name, one in COMPOSE["services"].items() if one.get("command") == migrating] == ["schema"]
    assert COMPOSE["x-process"]["depends_on"]["schema"]["condition"] == "service_completed_successfully"
    assert [one["name"] for one in containers() if one["command"] == migrating] == ["schema"]


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
def test_a_manifest_is_what_kubernetes_takes(file: Path) -> None:
    for document in yaml.safe_load_all(file.read_text()):
        kubernetes_validate.validate(document, "1.31", strict=True)


def test_a_pod_may_do_no_more_than_it_has_to() -> None:
    assert pods()
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            rights = container["securityContext"]
            assert rights["readOnlyRootFilesystem"]
            assert not rights["allowPrivilegeEscalation"]
            assert {"requests", "limits"} <= container["resources"].keys()
            assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}


def test_a_service_of_compose_may_do_no_more_than_it_has_to() -> None:
    for name, service in COMPOSE["services"].items():
        if name == "db":
            continue  # its image begins as root, and gives its rights up
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        writable = [*service.get("volumes", ()), *service.get("tmpfs", ())]
        assert name == "redis" or {"/tmp", "/data"} == {
            place.split(":")[-1 if ":/" in place else 0] for place in writable
        }


def test_a_secret_is_named_and_never_written() -> None:
    for document in [*documents(), VALUES]:
        for part in parts(document):
            literal = {name for name, value in part.items() if isinstance(value, str)}
            assert not {name for name in literal if name.isupper() and SECRET.search(name)}
    secrets = {
        part["secretRef"]["name"] for document in documents() for part in parts(document) if "secretRef" in part
    }
    assert secrets == {"bootstrap-corpus"}
    for name, value in COMPOSE["x-process"]["environment"].items():
        assert not SECRET.search(name) or "${" in value


def test_a_worker_is_given_the_time_that_it_takes_to_end() -> None:
    drain = import_module("bootstrap_assets.cli.work").DRAIN
    [pod] = [pod for pod in pods() if pod["containers"][0]["name"] == "worker"]
    assert pod["terminationGracePeriodSeconds"] > drain
    assert int(COMPOSE["x-process"]["stop_grace_period"].removesuffix("s")) > drain


def test_services_are_there_that_others_wait_for_and_share_one_image() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        for name, condition in service.get("depends_on", {}).items():
            assert condition["condition"] != "service_healthy" or "healthcheck" in services[name]
    images = {container["image"] for container in containers()}
    [deployment] = VALUES["dagster-user-deployments"]["deployments"]
    assert images == {"{repository}:{tag}".format(**deployment["image"])}


COMPILED = "--compile-bytecode"
"""Once for all containers: they cannot keep what they compile, for their root file system is read-only."""


def test_the_image_is_installed_as_make_does_it() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for lock in ("requirements.lock", "requirements-cloud.lock"):
        line = f"{COMPILED} --python .venv/bin/python --require-hashes --no-deps -r {lock}"
        assert f"RUN .venv/bin/uv pip install {line}\n" in DOCKERFILE
    assert "uv pip install --python $(BIN)/python" in makefile
    assert "$(UV) --require-hashes --no-deps -r $(1)" in makefile
    pip = ".venv/bin/python -m pip --disable-pip-version-check"
    assert f"RUN {pip} install -qq --require-hashes --no-deps -r installer.lock" in DOCKERFILE
    assert f"RUN {pip} install -qq --no-deps --no-build-isolation ." in DOCKERFILE
    assert "$(PIP) install -qq --no-deps --no-build-isolation --editable ." in makefile


def test_what_the_image_copies_is_there_and_let_in() -> None:
    ignore = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignore[0] == "*"
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists()
            assert f"!{name}" in ignore
    assert re.search(r"^USER [1-9]\d*:[1-9]", DOCKERFILE, re.MULTILINE)


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    source = Path(metrics.__file__).read_text()
    gauges = set(re.findall(r'"(bootstrap_\w+)"', source)) | {
        f"bootstrap_{name}_total" for name in metrics.COUNTERS
    }
    gauges |= {f"bootstrap_{name}" for name in re.findall(r'^        "(\w+)": \("', source, re.MULTILINE)}
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for expression in expressions:
        names = set(re.findall(r"bootstrap_\w+", expression))
        assert names
        assert names <= gauges
        assert "max without (instance, pod)" in expression  # every worker answers with the figures of all


def test_what_the_page_on_scale_links_to_is_there() -> None:
    links = re.findall(r"\]\((\.\./[\w./]+)\)", (ROOT / "docs" / "scale.md").read_text())
    assert len(links) >= 8
    for link in links:
        assert (ROOT / "docs" / link).exists(), link
