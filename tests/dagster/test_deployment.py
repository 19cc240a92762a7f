"""Dagster as it runs: webserver, daemon and queue as processes, driven by GraphQL as the UI drives them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.launcher import WorkerStatus

from bootstrap_assets import pipeline
from bootstrap_assets.batches import batch_keys
from bootstrap_assets.defs.launcher import WatchedRunLauncher, this_host
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.store import server
from bootstrap_assets.store.database import Database
from tests.conftest import TEMPLATE, open_for_test
from tests.dagster.deployment import Client, Running, bootstrap, started_ui, wait_for
from tests.fakes.voyage_server import Refusal, VoyageServer

pytestmark = pytest.mark.deployment

ORDERED = batch_keys(128)
KEYS = set(ORDERED)

START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

PIECE = 4
"""Texts in a request, so that a source takes many requests and its batches end one after another."""

SMALL_REQUESTS = f"""
from dataclasses import replace
from bootstrap_assets import fill
from bootstrap_assets.embed import models

fill._READ_TEXTS = {2 * PIECE}
law = models._VOYAGE["voyage-law-2"]
models._VOYAGE["voyage-law-2"] = replace(law, model=replace(law.model, request_texts={PIECE}))
"""
"""What every Python process of the deployment does first."""


class Gate:
    """What the provider does after some texts: stops answering, or refuses all."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.let_through()

    def let_through(self) -> None:
        self.hold_after = self.refuse_after = 1_000_000
        self.seen = 0
        self.open.set()

    def hold(self, after: int) -> None:
        """Answer that many texts, then let the next requests wait until `let_through`."""
        self.seen, self.hold_after = 0, after
        self.open.clear()

    def refuse(self, after: int) -> None:
        """Answer that many texts, then refuse for good."""
        self.seen, self.refuse_after = 0, after

    def __call__(self, texts: list[str]) -> None:
        if self.seen >= self.refuse_after:
            raise Refusal(404, "there is no such address")
        if self.seen >= self.hold_after:
            self.open.wait(60)
        self.seen += len(texts)


@pytest.fixture(scope="module")
def provider() -> Iterator[VoyageServer]:
    with VoyageServer(latency=0.03) as running:
        running.refuse = Gate()
        yield running


@pytest.fixture
def gate(provider: VoyageServer) -> Iterator[Gate]:
    assert isinstance(provider.refuse, Gate)
    yield provider.refuse
    provider.refuse.let_through()


@pytest.fixture(scope="module")
def url(postgres: str) -> Iterator[str]:
    """A database for the corpus and for Dagster."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE deployed TEMPLATE {TEMPLATE}")
    yield postgres.replace(f"/{server.DATABASE}?", "/deployed?")
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP DATABASE deployed WITH (FORCE)")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, url: str, provider: VoyageServer) -> Settings:
    """Settings of the deployment."""
    return load_settings(
        home=tmp_path_factory.mktemp("deployed"),
        database_url=url,
        embedder="voyage",
        voyage_api_key="test-key",
        voyage_base_url=provider.url,
        batches=len(KEYS),
        embed_workers=1,
    )


@pytest.fixture(scope="module")
def environment(
    deployed: Settings, url: str, provider: VoyageServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The shell in which `bootstrap` is called."""
    first = tmp_path_factory.mktemp("first")
    (first / "sitecustomize.py").write_text(SMALL_REQUESTS)
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("BOOTSTRAP_", "DAGSTER_"))}
    return mine | {
        "BOOTSTRAP_HOME": str(deployed.root),
        "BOOTSTRAP_DATABASE_URL": url,
        "BOOTSTRAP_BATCHES": str(len(KEYS)),
        "BOOTSTRAP_EMBED_WORKERS": "1",
        "BOOTSTRAP_VOYAGE_BASE_URL": provider.url,
        "VOYAGE_API_KEY": "test-key",
        "PYTHONPATH": str(first),
    }


@pytest.fixture(scope="module")
def running(
    deployed: Settings, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """One deployment for all tests, with the records of all sources there. Nothing of it may stay."""
    with Database(deployed.database_url.get_secret_value() if deployed.database_url else "") as database:
        corpus = open_for_test(deployed, database)
        for source in SOURCES.values():
            pipeline.load(corpus, source, pipeline.fetch(deployed, source))
    with started_ui(environment, tmp_path_factory.mktemp("elsewhere")) as up:
        yield up
        code, left = up.stop()
        assert (code, left) == (0, [])


@pytest.fixture
def client(running: Running) -> Client:
    return running.client


def test_the_graph_shows_every_source_and_the_index_after_them(client: Client) -> None:
    graph = client.graph()
    for source in SOURCES:
        assert graph[source]["isPartitioned"]
        assert {key["path"][-1] for key in graph[source]["dependencyKeys"]} == {f"{source}_records"}
    assert {key["path"][-1] for key in graph["reference_index"]["dependencyKeys"]} == set(SOURCES)


def test_a_backfill_of_a_range_turns_those_partitions_green_in_one_run(
    client: Client, gate: Gate, provider: VoyageServer
) -> None:
    asked = set(ORDERED[10:20])
    gate.hold(after=0)
    backfill = client.backfill("bonterms", asked)
    wait_for(lambda: client.partitions("bonterms")["materializing"] == asked, "the partitions are in progress")
    gate.let_through()
    [run] = client.runs_of_backfill(backfill)
    assert client.wait_until_ended(run["runId"]) == "SUCCESS"
    states = client.partitions("bonterms")
    assert (states["materialized"], states["unmaterialized"]) == (asked, KEYS - asked)
    assert provider.texts_paid_twice == 0


def test_a_backfill_over_failed_partitions_does_only_those(
    client: Client, gate: Gate, provider: VoyageServer
) -> None:
    asked = ORDERED[:6]
    gate.refuse(after=PIECE)
    assert (
        client.wait_until_ended(client.launch("contract_nli", tags={START: asked[0], END: asked[-1]})) == "FAILURE"
    )
    states = client.partitions("contract_nli")
    green, red = states["materialized"], states["failed"]
    assert green
    assert red
    assert green | red == set(asked)
    gate.let_through()
    backfill = client.backfill("contract_nli", red)
    wait_for(lambda: client.partitions("contract_nli")["materialized"] == set(asked), "all are green")
    assert set().union(*map(partitions_of, client.runs_of_backfill(backfill))) == red
    assert provider.texts_paid_twice == 0


def partitions_of(run: dict[str, Any]) -> set[str]:
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    if "dagster/partition" in tags:
        return {tags["dagster/partition"]}
    return {key for key in KEYS if tags[START] <= key <= tags[END]}


def test_a_killed_run_fails_its_batches_stay_green_and_its_reexecution_does_the_rest(
    client: Client, gate: Gate, provider: VoyageServer
) -> None:
    gate.hold(after=280)
    run = client.launch("cuad", tags={START: ORDERED[0], END: ORDERED[-1]})
    green = wait_for(lambda: client.partitions("cuad")["materialized"], "some batches are green")
    os.kill(client.pid_of(run), signal.SIGKILL)
    assert client.wait_until_ended(run) == "FAILURE"
    states = client.partitions("cuad")
    assert green <= states["materialized"]
    assert states["failed"] == KEYS - states["materialized"]
    assert states["failed"]
    gate.let_through()
    assert client.wait_until_ended(client.reexecute_from_failure(run)) == "SUCCESS"
    assert client.partitions("cuad")["materialized"] == KEYS
    assert provider.texts_paid_twice == 0


SENSOR = "upstream_changes"
"""One that is off by default; with the sample there is no publisher to ask, so it makes no run."""


def test_a_sensor_that_is_turned_on_ticks(client: Client) -> None:
    if SENSOR not in client.sensors():
        pytest.skip(f"there is no sensor {SENSOR}")
    assert client.sensors()[SENSOR] == "STOPPED"
    client.turn(SENSOR, on=True)
    try:
        assert client.sensors()[SENSOR] == "RUNNING"
        [tick, *_] = wait_for(lambda: [t for t in client.ticks(SENSOR) if t["status"] != "STARTED"], "it ticked")
        assert tick["status"] == "SKIPPED"
    finally:
        client.turn(SENSOR, on=False)
    assert client.sensors()[SENSOR] == "STOPPED"


def test_a_second_deployment_on_the_same_home_is_refused(running: Running, environment: dict[str, str]) -> None:
    told = subprocess.run(
        bootstrap("ui", "--port", "0"), env=environment, capture_output=True, text=True, check=False
    )
    assert told.returncode == 2
    assert "another `bootstrap ui`" in told.stderr


def test_the_logs_hold_no_warning(running: Running) -> None:
    runs, own = running.log("code-server"), running.log("daemon") + running.log("webserver")
    assert [line for line in runs.splitlines() if "warn" in line.lower() or "deprecat" in line.lower()] == []
    lines = [line for line in own.splitlines() if DAGSTER_S_OWN not in line]
    assert [line for line in lines if any(word in line for word in COMPLAINTS)] == []


DAGSTER_S_OWN = "site-packages/dagster/"
"""Its daemon calls a function of its own that it has deprecated (asset_daemon.py, AssetSelection.keys)."""

COMPLAINTS = ("WARN", "Warn", "eprecat", "ERROR", "Traceback")
"""The failed runs of other tests stand in the code server's log, whose processes they are."""


def test_a_run_whose_process_is_gone_is_seen_and_one_on_another_machine_is_let_be() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    with dg.DagsterInstance.ephemeral() as instance:
        launcher = WatchedRunLauncher()
        launcher.register_instance(instance)

        def health(pid: int, tags: dict[str, str]) -> WorkerStatus:
            run = instance.create_run_for_job(nothing, tags=tags)
            started = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name, pid=pid)
            instance.report_dagster_event(started, run.run_id)
            return launcher.check_run_worker_health(run).status

        assert health(gone.pid, this_host()) is WorkerStatus.FAILED
        assert health(os.getpid(), this_host()) is WorkerStatus.RUNNING
        assert health(gone.pid, {"bootstrap/host": "elsewhere"}) is WorkerStatus.RUNNING
        assert health(gone.pid, {}) is WorkerStatus.RUNNING


@dg.job
def nothing() -> None:
    """A job for runs that never were."""
