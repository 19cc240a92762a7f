"""Dagster as it runs: webserver, daemon and queue as processes, driven by GraphQL as the UI drives them.

One story in the order of this file, for the daemon takes its time: what it does by and by is asked for early.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import dagster as dg
import psutil
import psycopg
import pytest
from dagster._core.launcher import WorkerStatus
from psycopg import sql

from bootstrap_assets import pipeline
from bootstrap_assets.database.connection import Database
from bootstrap_assets.database.embedded import server
from bootstrap_assets.defs.jobs import job_tags
from bootstrap_assets.defs.launcher import WatchedRunLauncher, this_host
from bootstrap_assets.embedding.batches import batch_keys
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.sources.fetch import locate
from bootstrap_assets.sources.registry import SOURCES
from tests.conftest import TEMPLATE, open_for_test
from tests.dagster.deployment import PATIENCE, Client, Running, Valves, bootstrap, started_ui, wait_for
from tests.dagster.logs import complaints
from tests.fakes.voyage_server import VoyageServer

pytestmark = pytest.mark.deployment

ORDERED = batch_keys(128)
KEYS = set(ORDERED)

START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
EVERYTHING = {START: ORDERED[0], END: ORDERED[-1]}

PIECE = 4
"""Texts in a request, so that a source takes many requests and its batches end one after another."""

SMALL_REQUESTS = f"""
from dataclasses import replace
from bootstrap_assets.embedding import fill
from bootstrap_assets.embedding.providers import voyage_models as models

fill._READ_TEXTS = {2 * PIECE}
law = models._VOYAGE["voyage-4-large"]
models._VOYAGE["voyage-4-large"] = replace(law, model=replace(law.model, request_texts={PIECE}))
"""
"""What every Python process of the deployment does first."""


@pytest.fixture(scope="module")
def provider() -> Iterator[VoyageServer]:
    with VoyageServer(latency=0.03) as running:
        running.refuse = Valves(SOURCES)
        yield running


@pytest.fixture(scope="module")
def valves(provider: VoyageServer) -> Iterator[Valves]:
    assert isinstance(provider.refuse, Valves)
    yield provider.refuse
    provider.refuse.open()


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
        "BOOTSTRAP_VOYAGE_TIMEOUT": "300",  # a request that is held is no failure
        "VOYAGE_API_KEY": "test-key",
        "PYTHONPATH": str(first),
    }


@pytest.fixture(scope="module")
def running(
    deployed: Settings,
    url: str,
    valves: Valves,
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    """One deployment for all tests, with the records of all sources there. Nothing of it may stay."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        (tmp_path_factory.getbasetemp().parent / "deployment").mkdir()  # fails if a second worker makes another
    with Database(url) as database:
        corpus = open_for_test(deployed, database)
        for source in SOURCES.values():
            pipeline.load(corpus, source, locate.fetch(deployed, source))
        valves.source_of = dict(database.transact(texts_with_source))
    with started_ui(environment, tmp_path_factory.mktemp("elsewhere")) as up:
        yield up
        valves.open()
        code, left = up.stop()
        assert (code, left) == (0, [])


def texts_with_source(connection: psycopg.Connection) -> list[tuple[str, str]]:
    return connection.execute(
        "SELECT content, source FROM reference_texts JOIN reference_records USING (content_hash)"
    ).fetchall()


@pytest.fixture(scope="module")
def client(running: Running) -> Client:
    return running.client


class Told(Protocol):
    """Calls `bootstrap`, which should end with that code, and gives what it prints."""

    def __call__(self, *arguments: str, code: int = 0) -> str: ...


@pytest.fixture(scope="module")
def told(environment: dict[str, str]) -> Told:
    def call(*arguments: str, code: int = 0) -> str:
        done = subprocess.run(bootstrap(*arguments), env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout

    return call


@pytest.fixture(scope="module")
def count(url: str) -> Callable[[str], int]:
    """Counts the vectors of a source."""

    def look(source: str) -> int:
        with psycopg.connect(url) as connection:
            [[space]] = connection.execute("SELECT table_name FROM embedding_spaces").fetchall()
            found = "SELECT count(DISTINCT content_hash) FROM {} JOIN reference_records USING (content_hash)"
            counting = sql.SQL(found + " WHERE source = %s").format(sql.Identifier(space))
            return int(connection.execute(counting, [source]).fetchall()[0][0])

    return look


@pytest.fixture(scope="module", autouse=True)
def failing(client: Client, valves: Valves) -> str:
    """A run over six batches of contract_nli that fails half way: under way while other tests look around."""
    valves.of["contract_nli"].refuse(after=PIECE)
    return client.launch("contract_nli", tags={START: ORDERED[0], END: ORDERED[5]})


@dataclass
class Backfills:
    """Two backfills that are under way: what they were asked for, and their ids."""

    green: set[str]
    red: set[str]
    of_red: str
    of_range: str


RANGE = set(ORDERED[10:20])


@pytest.fixture(scope="module")
def backfills(client: Client, valves: Valves, failing: str) -> Backfills:
    """Launched together: the daemon looks for new ones every 30 seconds only."""
    assert client.wait_until_ended(failing) == "FAILURE"
    valves.of["contract_nli"].open()
    states = client.partitions("contract_nli")
    of_red = client.backfill("contract_nli", states["failed"])
    valves.of["bonterms"].hold()
    return Backfills(states["materialized"], states["failed"], of_red, client.backfill("bonterms", RANGE))


def test_the_graph_shows_every_source_and_the_index_after_them(client: Client) -> None:
    graph = client.graph()
    for source in SOURCES:
        assert graph[source]["isPartitioned"]
        assert {key["path"][-1] for key in graph[source]["dependencyKeys"]} == {f"{source}_records"}
    assert {key["path"][-1] for key in graph["reference_index"]["dependencyKeys"]} == set(SOURCES)


def test_a_schedule_is_turned_on_and_off(client: Client) -> None:
    assert client.schedules() == {"nightly_verify": "RUNNING", "weekly_refresh": "STOPPED"}
    client.turn_schedule("weekly_refresh", on=True)
    assert client.schedules()["weekly_refresh"] == "RUNNING"
    client.turn_schedule("weekly_refresh", on=False)
    assert client.schedules()["weekly_refresh"] == "STOPPED"


def test_a_second_deployment_on_the_same_home_is_refused(running: Running, environment: dict[str, str]) -> None:
    told = subprocess.run(
        bootstrap("ui", "--port", "0"), env=environment, capture_output=True, text=True, check=False
    )
    assert told.returncode == 2
    assert "another `bootstrap ui`" in told.stderr


SENSOR = "upstream_changes"
"""One that is off by default; with the sample there is no publisher to ask, so it makes no run."""


def test_a_sensor_that_is_turned_on_ticks(client: Client) -> None:
    assert client.sensors()[SENSOR] == "STOPPED"
    client.turn_sensor(SENSOR, on=True)
    try:
        assert client.sensors()[SENSOR] == "RUNNING"
        [tick, *_] = wait_for(lambda: client.ticks(SENSOR), "it ticked")
        assert tick["status"] == "SKIPPED"
    finally:
        wait_for(lambda: is_off(client), "it is off")


def is_off(client: Client) -> bool:
    """Turn it off: the daemon, if just at a tick, writes the state back that it read before."""
    client.turn_sensor(SENSOR, on=False)
    return client.sensors()[SENSOR] == "STOPPED"


@pytest.mark.usefixtures("backfills")  # which the daemon begins meanwhile
def test_a_killed_run_fails_its_batches_stay_green_and_its_reexecution_does_the_rest(
    client: Client, valves: Valves, provider: VoyageServer
) -> None:
    valves.of["cuad"].hold(after=280)
    run = client.launch("cuad", tags=EVERYTHING)
    green = wait_for(lambda: client.partitions("cuad")["materialized"], "some batches are green")
    wait_for(lambda: valves.of["cuad"].waiting, "the rest waits")  # its steps outlive it
    process = psutil.Process(client.pid_of(run))
    steps = process.children(recursive=True)
    process.kill()
    assert client.wait_until_ended(run) == "FAILURE"
    states = client.partitions("cuad")
    assert green <= states["materialized"]
    assert states["failed"] == KEYS - states["materialized"]
    assert states["failed"]
    valves.of["cuad"].open()
    assert client.wait_until_ended(client.reexecute_from_failure(run)) == "SUCCESS"
    assert client.partitions("cuad")["materialized"] == KEYS
    assert provider.texts_paid_twice == 0
    kill(steps)


def kill(processes: list[psutil.Process]) -> None:
    """End them as the system does. The steps of a run that was killed go on, and do not end by themselves."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def test_a_backfill_over_failed_partitions_does_only_those(
    client: Client, backfills: Backfills, provider: VoyageServer
) -> None:
    assert backfills.green
    assert backfills.red
    asked = backfills.green | backfills.red
    assert asked == set(ORDERED[:6])
    wait_for(lambda: client.partitions("contract_nli")["materialized"] == asked, "all are green")
    assert set().union(*map(partitions_of, client.runs_of_backfill(backfills.of_red))) == backfills.red
    assert provider.texts_paid_twice == 0


def partitions_of(run: dict[str, Any]) -> set[str]:
    tags = run["tags"]
    if "dagster/partition" in tags:
        return {tags["dagster/partition"]}
    return {key for key in KEYS if tags[START] <= key <= tags[END]}


def test_a_backfill_of_a_range_turns_those_partitions_green_in_one_run(
    client: Client, backfills: Backfills, valves: Valves, provider: VoyageServer
) -> None:
    wait_for(lambda: client.partitions("bonterms")["materializing"] == RANGE, "the partitions are in progress")
    valves.of["bonterms"].open()
    [run] = client.runs_of_backfill(backfills.of_range)
    assert client.wait_until_ended(run["runId"]) == "SUCCESS"
    states = client.partitions("bonterms")
    assert (states["materialized"], states["unmaterialized"]) == (RANGE, KEYS - RANGE)
    assert provider.texts_paid_twice == 0


@dataclass
class Asked:
    """A request, a `bootstrap wait` for it, its run, which the provider holds, and a run of bonterms."""

    first: int
    again: dict[str, Any]
    run: str
    waiting: "subprocess.Popen[str]"
    beside: str


@pytest.fixture(scope="module")
def asked(client: Client, valves: Valves, environment: dict[str, str], told: Told) -> Iterator[Asked]:
    """What a program asks for twice, while the rest of bonterms is done."""
    valves.of["bonterms"].open()
    beside = client.launch("bonterms", tags=EVERYTHING)
    valves.of["commonaccord"].hold()
    wanted = ("request", "commonaccord", "--priority", "5", "--by", "a test", "--json")
    first, again = json.loads(told(*wanted)), json.loads(told(*wanted))
    number = str(first["request"])
    with subprocess.Popen(
        bootstrap("wait", number, "--json"), env=environment, stdout=subprocess.PIPE, text=True
    ) as waiting:
        try:
            run = client.run_of_request(first["request"])
            yield Asked(first["request"], again, run, waiting, beside)
        finally:
            waiting.kill()


def test_a_request_becomes_one_run_with_its_tags_and_priority(client: Client, asked: Asked) -> None:
    assert asked.again == {"request": asked.first, "new": False, "priority": 5}
    [run] = client.runs_tagged("bootstrap/request", asked.first)
    assert run["jobName"] == "bootstrap_commonaccord"
    assert run["tags"]["dagster/priority"] == "5"
    assert run["tags"]["dagster/sensor_name"] == "requests"


def test_a_second_run_of_a_source_waits_in_the_queue(client: Client, asked: Asked, valves: Valves) -> None:
    assert client.wait_until_ended(asked.beside) == "SUCCESS"  # two may go on at once: two of one source may not
    wait_for(lambda: valves.of["commonaccord"].waiting, "the first embeds")
    second = client.launch("commonaccord", tags=EVERYTHING | job_tags("commonaccord"))
    other = client.launch("bonterms", tags=EVERYTHING | job_tags("bonterms"))
    assert client.wait_until_ended(other) == "SUCCESS"  # which came after it
    assert (client.run(asked.run)["status"], client.run(second)["status"]) == ("STARTED", "QUEUED")


def test_batches_turn_green_one_after_the_other_while_their_run_goes_on(
    client: Client, asked: Asked, valves: Valves
) -> None:
    def green() -> set[str]:
        valves.of["commonaccord"].let(PIECE)
        return client.partitions("commonaccord")["materialized"]

    wait_for(lambda: valves.of["commonaccord"].waiting, "it embeds")
    some = wait_for(green, "some batches are green")
    more = wait_for(lambda: (now := green()) > some and now, "more are green")
    assert more < KEYS
    assert client.run(asked.run)["status"] == "STARTED"


def test_who_waits_for_a_request_hears_when_its_sources_and_the_index_are_done(
    client: Client, asked: Asked, valves: Valves, told: Told
) -> None:
    assert asked.waiting.poll() is None
    valves.of["commonaccord"].open()
    heard = json.loads(asked.waiting.communicate(timeout=PATIENCE)[0])
    assert asked.waiting.returncode == 0
    assert [(one["id"], one["status"], one["run_id"]) for one in heard] == [(asked.first, "completed", asked.run)]
    assert client.run(asked.run)["status"] == "SUCCESS"
    assert client.partitions("commonaccord")["materialized"] == KEYS
    assert client.materialised_by("reference_index") == [asked.run]
    assert completed(told)[asked.first]["status"] == "completed"


def completed(told: Told) -> dict[int, dict[str, Any]]:
    """What `bootstrap events` tells of requests that have ended."""
    lines = told("events", "--name", "bootstrap/ingest.completed", "--json").splitlines()
    return {event["payload"]["request"]: event["payload"] for event in map(json.loads, lines)}


@pytest.fixture(scope="module")
def one_is_missing(client: Client, valves: Valves, asked: Asked) -> float:
    """When it was seen that every source but contract_nli is complete."""
    valves.of["commonaccord"].open()
    assert client.wait_until_ended(asked.beside) == client.wait_until_ended(asked.run) == "SUCCESS"
    if client.partitions("cuad")["materialized"] != KEYS:
        assert client.wait_until_ended(client.launch("cuad", tags=EVERYTHING)) == "SUCCESS"
    return time.time()


@pytest.fixture(scope="module")
def second(one_is_missing: float, valves: Valves, told: Told) -> int:
    """A request for what is missing, whose run the provider holds. The automation looks meanwhile."""
    valves.of["contract_nli"].hold(after=40)
    return int(json.loads(told("request", "contract_nli", "--json"))["request"])


def test_a_cancelled_request_ends_its_run_at_the_next_safe_point_and_keeps_what_it_has(
    client: Client, asked: Asked, second: int, valves: Valves, told: Told, count: Callable[[str], int]
) -> None:
    valve = valves.of["contract_nli"]
    run = client.run_of_request(second)
    wait_for(lambda: valve.waiting, "its run embeds")
    before = count("contract_nli")
    told("cancel", str(second))

    def ended() -> bool:
        valve.let(PIECE)
        return client.run(run)["endTime"] is not None

    wait_for(ended, "the run has ended")
    assert "cancelled" in told("wait", str(second), code=1)
    assert completed(told)[second]["status"] == "cancelled"
    assert client.run(run)["status"] == "CANCELED"
    assert 0 < before <= count("contract_nli") < len(valves.texts_of("contract_nli"))
    assert client.materialised_by("reference_index") == [asked.run]


def test_a_run_from_the_shell_that_was_killed_is_found_by_the_daemon(
    client: Client, asked: Asked, valves: Valves, environment: dict[str, str]
) -> None:
    """No code server has started it: it is run monitoring that looks for its process."""
    valves.of["contract_nli"].hold()
    with subprocess.Popen(bootstrap("run", "contract_nli"), env=environment, stderr=subprocess.DEVNULL) as shell:
        try:
            wait_for(lambda: valves.of["contract_nli"].waiting, "it embeds")
            started = client.runs(pipelineName="bootstrap_contract_nli", statuses=["STARTED"])
            [run] = [one for one in started if "bootstrap/request" not in one["tags"]]
        finally:
            kill([*psutil.Process(shell.pid).children(), psutil.Process(shell.pid)])
    assert client.wait_until_ended(run["runId"]) == "FAILURE"
    assert "is gone" in client.messages(run["runId"])


def test_the_index_is_built_by_itself_when_all_sources_are_there_and_not_before(
    client: Client, valves: Valves, one_is_missing: float
) -> None:
    def looked() -> bool:
        return client.ticks("build_index")[0]["timestamp"] > one_is_missing

    valves.open()
    wait_for(looked, "the automation has looked")
    assert client.runs_tagged(*BY_ITSELF) == []
    assert client.partitions("contract_nli")["materialized"] != KEYS
    assert client.wait_until_ended(client.launch("contract_nli", tags=EVERYTHING)) == "SUCCESS"
    [run] = wait_for(lambda: client.runs_tagged(*BY_ITSELF), "the automation makes a run")
    assert client.wait_until_ended(run["runId"]) == "SUCCESS"
    assert client.materialised_by("reference_index")[0] == run["runId"]


BY_ITSELF = ("dagster/sensor_name", "build_index")


def test_the_logs_hold_no_warning(running: Running) -> None:
    runs, own = running.log("code-server"), running.log("daemon") + running.log("webserver")
    assert [line for line in runs.splitlines() if "warn" in line.lower() or "deprecat" in line.lower()] == []
    assert complaints(own) == []  # the failed runs of other tests stand in the code server's log alone


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
