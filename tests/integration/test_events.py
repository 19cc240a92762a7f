"""Requests and events: asked once, told in the same transaction, waited for to the very end."""

import fcntl
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from bootstrap_assets import cli, pipeline
from bootstrap_assets.database import connection as store_database
from bootstrap_assets.database.connection import Connection, Database, connect
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.operations import outbox as events
from bootstrap_assets.operations import requests
from bootstrap_assets.operations.events import (
    EVENTS,
    Event,
    IngestCancelled,
    IngestRequested,
    SourceCompleted,
    parse,
)
from bootstrap_assets.sources.registry import SOURCES
from tests.fakes.voyage_server import Always, Fault, VoyageServer
from tests.integration.test_fill import in_parallel, load
from tests.made_up_source import MADE_UP, contracts


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, database_url: str, home: Path) -> None:
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", database_url)
    monkeypatch.setenv("BOOTSTRAP_HOME", str(home))


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.bootstrap, arguments)


def told(database: Database) -> list[tuple[str, dict[str, Any]]]:
    with database.connection() as connection:
        return [(row.name, row.payload) for row in events.listing(connection)]


def ask(database: Database, *sources: str, **more: Any) -> tuple[int, bool]:
    with database.connection() as connection:
        return requests.ask(connection, IngestRequested(sources=list(sources)), **more)


def test_names_are_domain_entity_and_action() -> None:
    for name, kind in EVENTS.items():
        assert name == kind.name
        domain, _, rest = name.partition("/")
        assert domain == "bootstrap"
        assert len(rest.split(".")) == 2


def test_an_event_is_read_back_as_what_it_was(database: Database) -> None:
    event = SourceCompleted(
        source="cuad",
        status="completed",
        processed_records=3,
        embedded_records=0,
        records_with_vectors=2,
        error_count=1,
    )
    with database.connection() as connection:
        events.emit(connection, event)
        [row] = events.listing(connection)
    assert parse(row.name, row.payload) == event


@pytest.mark.parametrize(
    ("name", "payload", "message"),
    [
        ("bootstrap/ingest.begun", {}, "unknown event"),
        ("bootstrap/ingest.requested", {"priority": 1000}, "priority"),
        ("bootstrap/ingest.requested", {"source": ["cuad"]}, "source: Extra"),
        ("bootstrap/ingest.cancelled", {}, "request: Field required"),
    ],
)
def test_a_wrong_event_names_the_field(name: str, payload: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse(name, payload)


def test_a_source_tells_its_beginning_its_tenths_and_its_end(corpus: Corpus, voyage: VoyageServer) -> None:
    from dataclasses import replace

    corpus.embedder._model = replace(corpus.embedder.model, request_texts=8)  # type: ignore[attr-defined]
    load(corpus, contracts(20))
    pipeline.embed(corpus, MADE_UP)
    rows = told(corpus.database)
    assert rows[0] == ("bootstrap/source.process", {"source": "made_up"})
    percents = [payload["percent"] for name, payload in rows if name == "bootstrap/source.progress"]
    assert percents == sorted(percents)
    assert len(percents) == 10
    assert percents[-1] == 100
    assert rows[-1] == (
        "bootstrap/source.completed",
        {
            "source": "made_up",
            "status": "completed",
            "processed_records": 80,
            "embedded_records": 80,
            "records_with_vectors": 80,
            "error_count": 0,
            "invented": False,
        },
    )


def test_the_end_of_a_source_tells_what_this_work_embedded_and_what_is_there(corpus: Corpus) -> None:
    def ended() -> tuple[int, int]:
        payload = told(corpus.database)[-1][1]
        return payload["embedded_records"], payload["records_with_vectors"]

    documents = contracts(20)
    load(corpus, documents)
    pipeline.embed(corpus, MADE_UP)
    assert ended() == (80, 80)
    pipeline.embed(corpus, MADE_UP)
    assert ended() == (0, 80)
    documents["Same"] = documents["Contract 3"]  # the same texts: their vectors are there
    documents["Long"] = {"Long": " ".join(f"Paragraph {number} of many." for number in range(1_800))}
    load(corpus, documents)
    pipeline.embed(corpus, MADE_UP)
    assert ended() == (2, 86)


def test_a_source_that_fails_half_way_tells_what_it_embedded(corpus: Corpus, voyage: VoyageServer) -> None:
    from dataclasses import replace

    corpus.embedder._model = replace(corpus.embedder.model, request_texts=8)  # type: ignore[attr-defined]
    load(corpus, contracts(20))
    voyage.faults = [None, None, *[Fault.unauthorized] * 20]
    with pytest.raises(Exception, match="401"):
        pipeline.embed(corpus, MADE_UP)
    payload = told(corpus.database)[-1][1]
    stored = corpus.database.transact(lambda connection: spaces.count(connection, corpus.space))
    assert (payload["status"], payload["embedded_records"]) == ("failed", stored)
    assert 0 < stored < 80


def test_a_source_that_fails_tells_it(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(2))
    voyage.faults = Always(Fault.unauthorized)
    with pytest.raises(Exception, match="401"):
        pipeline.embed(corpus, MADE_UP)
    assert told(corpus.database)[-1][1]["status"] == "failed"


def test_what_is_rolled_back_was_never_told(database: Database) -> None:
    with database.connection() as connection:
        requests.ask(connection, IngestRequested())
        connection.rollback()
    assert told(database) == []


def test_asking_twice_for_the_same_is_one_request(database: Database) -> None:
    first, new = ask(database, "cuad", "bonterms")
    assert new
    assert ask(database, "bonterms", "cuad") == (first, False)
    other, new = ask(database, "cuad")
    assert new
    assert other != first
    assert len(told(database)) == 2
    with database.connection() as connection:
        assert requests.end(connection, first, "completed")
    assert ask(database, "cuad", "bonterms")[1]


def test_the_same_source_twice_or_all_by_name_is_the_same_request(environ: None, database: Database) -> None:
    def number(*sources: str) -> int:
        return int(json.loads(invoke("request", *sources, "--json").stdout)["request"])

    assert number("cuad") == number("cuad", "cuad")
    assert number() == number(*SOURCES)
    with database.connection() as connection:
        assert [one.sources for one in requests.listing(connection)] == [["cuad"], []]
    assert ask(database, "cuad", "cuad") == (1, False)


def test_asking_the_publishers_too_is_another_request(database: Database) -> None:
    first, _ = ask(database, "cuad")
    with database.connection() as connection:
        event = IngestRequested(sources=["cuad"], force_refresh=True)
        other, new = requests.ask(connection, event)
    assert new
    assert other != first


def test_asking_again_makes_a_request_more_urgent_until_it_has_begun(environ: None, database: Database) -> None:
    first = json.loads(invoke("request", "cuad", "--json").stdout)
    assert first["priority"] == 0
    assert "with priority 5" in invoke("request", "cuad", "--priority", "5").stdout
    again = json.loads(invoke("request", "cuad", "--priority", "-5", "--json").stdout)
    assert again == {"request": first["request"], "new": False, "priority": 5}
    with database.connection() as connection:
        requests.start(connection, first["request"], "run")
    assert "with priority 5" in invoke("request", "cuad", "--priority", "9").stdout


def test_what_is_under_way_as_another_request_is_not_resumed(environ: None, database: Database) -> None:
    number, _ = ask(database, "cuad")
    with database.connection() as connection:
        requests.cancel(connection, number)
    other, new = ask(database, "cuad")
    assert new
    refused = invoke("resume", str(number)).exception
    assert isinstance(refused, ConfigurationError)
    assert "under way as another request" in str(refused)
    with database.connection() as connection:
        assert requests.get(connection, number).status == "cancelled"
        requests.end(connection, other, "completed")
    assert invoke("resume", str(number)).exit_code == 0


def test_asking_at_the_same_moment_is_one_request_too(database: Database) -> None:
    numbers: list[tuple[int, bool]] = []
    assert in_parallel(*[lambda: numbers.append(ask(database, "cuad"))] * 8) == []
    assert len({number for number, _ in numbers}) == 1
    assert sum(new for _, new in numbers) == 1


def test_a_key_of_ones_own_is_what_counts(database: Database) -> None:
    first, _ = ask(database, "cuad", key="tonight")
    assert ask(database, "bonterms", key="tonight") == (first, False)


def test_a_request_that_has_not_begun_is_cancelled_at_once(database: Database) -> None:
    number, _ = ask(database, "cuad")
    with database.connection() as connection:
        assert requests.cancel(connection, number)
        assert not requests.cancel(connection, number)
        assert requests.get(connection, number).status == "cancelled"
        assert requests.resume(connection, number)
        resumed = requests.get(connection, number)
    assert (resumed.status, resumed.attempt, resumed.cancelled) == ("requested", 2, False)
    assert [name.split("/")[1] for name, _ in told(database)] == [
        "ingest.requested",
        "ingest.cancelled",
        "ingest.completed",
        "ingest.resume",
    ]


def test_a_running_request_is_asked_to_end_and_ends_later(database: Database) -> None:
    number, _ = ask(database, "cuad")
    with database.connection() as connection:
        requests.start(connection, number, "run")
        assert requests.cancel(connection, number)
        assert requests.get(connection, number).status == "running"
        assert requests.is_cancelled(connection, number)
        assert requests.end(connection, number, "cancelled")
        assert not requests.end(connection, number, "completed")


def test_a_request_ends_with_the_failures_of_its_sources(corpus: Corpus, voyage: VoyageServer) -> None:
    documents = contracts(5)
    load(corpus, documents)
    voyage.poison = {documents["Contract 1"]["Category 1"]}
    number, _ = ask(corpus.database, "made_up")
    pipeline.embed(corpus, MADE_UP)
    with corpus.database.connection() as connection:
        requests.end(connection, number, "completed")
        assert requests.get(connection, number).status == "completed_with_failures"
    name, payload = told(corpus.database)[-1]
    assert name == "bootstrap/ingest.completed"
    assert payload["totals"] == {"records": 20, "embedded_records": 19, "records_with_vectors": 19, "errors": 1}
    assert payload["duration_ms"] >= 0


def test_a_request_that_embedded_nothing_does_not_say_that_it_did(corpus: Corpus) -> None:
    load(corpus, contracts(5))
    pipeline.embed(corpus, MADE_UP)
    number, _ = ask(corpus.database, "made_up")
    pipeline.embed(corpus, MADE_UP)
    with corpus.database.connection() as connection:
        requests.end(connection, number, "completed")
    _, payload = told(corpus.database)[-1]
    assert payload["totals"] == {"records": 20, "embedded_records": 0, "records_with_vectors": 20, "errors": 0}


def test_a_request_does_not_end_with_the_failures_of_other_sources(corpus: Corpus, voyage: VoyageServer) -> None:
    documents = contracts(5)
    load(corpus, documents)
    voyage.poison = {documents["Contract 1"]["Category 1"]}
    pipeline.embed(corpus, MADE_UP)
    number, _ = ask(corpus.database, "cuad")
    everything, _ = ask(corpus.database)
    with corpus.database.connection() as connection:
        requests.end(connection, number, "completed")
        requests.end(connection, everything, "completed")
        assert requests.get(connection, number).status == "completed"
        assert requests.get(connection, everything).status == "completed_with_failures"
    (_, own), (_, both) = told(corpus.database)[-2:]
    assert own["totals"] == {"records": 0, "embedded_records": 0, "records_with_vectors": 0, "errors": 0}
    assert both["totals"] == {"records": 20, "embedded_records": 0, "records_with_vectors": 19, "errors": 1}


def test_the_most_urgent_request_comes_first(database: Database) -> None:
    with database.connection() as connection:
        for priority in (0, 5, -5):
            requests.ask(connection, IngestRequested(priority=priority), key=str(priority))
        assert [one.priority for one in requests.listing(connection)] == [5, 0, -5]


def test_a_listener_is_told_at_once(database_url: str, database: Database) -> None:
    with connect(database_url, autocommit=True) as listener:
        listener.execute("LISTEN bootstrap_events")
        number, _ = ask(database, "cuad")
        [note] = list(listener.notifies(timeout=5, stop_after=1))
    assert note.payload.endswith("bootstrap/ingest.requested")
    assert number


def test_followers_get_events_in_order_and_also_those_that_are_committed_late(
    database_url: str, database: Database
) -> None:
    followed = events.follow(database_url, after=0, every=0.2)
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.extend(next(followed).payload["request"] for _ in range(3)))
    with connect(database_url) as late:
        events.emit(late, EVENTS["bootstrap/ingest.cancelled"](request=1))  # type: ignore[call-arg]
        with database.connection() as connection:
            events.emit(connection, EVENTS["bootstrap/ingest.cancelled"](request=2))  # type: ignore[call-arg]
        thread.start()
        deadline = time.monotonic() + 10
        while seen != [2] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert seen == [2]  # a higher number than that of the one which comes now
        late.commit()
    with database.connection() as connection:
        events.emit(connection, EVENTS["bootstrap/ingest.cancelled"](request=3))  # type: ignore[call-arg]
    thread.join(20)
    assert sorted(seen) == [1, 2, 3]
    assert seen[0] == 2


def test_the_commands_ask_cancel_resume_wait_and_tell(environ: None, database: Database) -> None:
    asked = json.loads(invoke("request", "cuad", "--priority", "7", "--by", "me", "--json").stdout)
    assert asked["new"]
    number = asked["request"]
    assert "under way already" in invoke("request", "cuad").stdout
    assert isinstance(invoke("request", "cuads").exception, ConfigurationError)
    assert invoke("wait", str(number), "--timeout", "0.2").exit_code == 5
    assert "cancelled" in invoke("cancel", str(number)).stdout
    assert invoke("wait", str(number)).exit_code == 1
    assert invoke("resume", str(number)).exit_code == 0
    assert isinstance(invoke("resume", str(number)).exception, ConfigurationError)
    with database.connection() as connection:
        requests.end(connection, number, "completed")
    assert invoke("wait", str(number)).exit_code == 0
    lines = [json.loads(line) for line in invoke("events", "--json").stdout.splitlines()]
    assert [line["name"].split(".")[1] for line in lines] == [
        "requested",
        "cancelled",
        "completed",
        "resume",
        "completed",
    ]
    assert lines[0]["payload"] == {
        "sources": ["cuad"],
        "force_refresh": False,
        "priority": 7,
        "requested_by": "me",
        "tenant": None,
    }
    assert "ingest.requested" in invoke("events", "--limit", "100").stdout
    only = invoke("events", "--name", "bootstrap/ingest.resume", "--json").stdout.splitlines()
    assert len(only) == 1


def test_wait_ends_only_when_every_request_has(environ: None, database: Database) -> None:
    one, _ = ask(database, "cuad")
    two, _ = ask(database, "bonterms")
    ended: list[Result] = []
    thread = threading.Thread(target=lambda: ended.append(invoke("wait", "--timeout", "30")))
    thread.start()
    time.sleep(0.3)
    with database.connection() as connection:
        requests.end(connection, one, "completed")
    time.sleep(1.0)
    assert thread.is_alive()
    with database.connection() as connection:
        requests.end(connection, two, "completed")
    thread.join(20)
    assert ended[0].exit_code == 0


def waiting(number: int, *arguments: str) -> tuple[threading.Thread, list[Result]]:
    """`bootstrap wait`, at it."""
    ended: list[Result] = []
    thread = threading.Thread(target=lambda: ended.append(invoke("wait", str(number), *arguments)))
    thread.start()
    return thread, ended


def looking(connection: Connection) -> list[int]:
    """Server processes of connections like ours, that have begun to wait."""
    query = """SELECT pid FROM pg_stat_activity WHERE application_name = 'bootstrap-assets'
               AND pid <> pg_backend_pid() AND datname = current_database()
               AND backend_start < now() - interval '500 milliseconds'"""
    return [row[0] for row in connection.execute(query)]


def test_wait_goes_on_when_a_connection_breaks(environ: None, database: Database, database_url: str) -> None:
    number, _ = ask(database, "cuad")
    database.close()  # so that only those who wait are connected
    thread, ended = waiting(number, "--timeout", "60")
    with psycopg.connect(database_url, autocommit=True) as connection:
        broken: set[int] = set()
        while len(broken) < 3:
            assert thread.is_alive()
            for pid in looking(connection):
                connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
                broken.add(pid)
            time.sleep(0.1)
        requests.end(connection, number, "completed")
    thread.join(30)
    assert ended[0].exit_code == 0, ended[0].exception


def test_wait_says_that_it_gave_up_when_the_database_stays_away(
    environ: None, database: Database, database_url: str, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, _ = ask(database, "cuad")
    database.close()
    monkeypatch.setattr(store_database, "PATIENCE", 1.0)
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    thread, ended = waiting(number)
    with psycopg.connect(postgres, autocommit=True) as connection:
        named = {"name": name}
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = %(name)s"
        while connection.execute(count, named).fetchone() == (0,):
            time.sleep(0.05)
        time.sleep(1)
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %(name)s", named
        )
        thread.join(60)
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert ended[0].exit_code == 5, ended[0].exception
    assert "gave up waiting" in ended[0].stderr
    assert f"`bootstrap wait {number}` waits again" in ended[0].stderr


def test_where_nobody_makes_runs_of_requests_that_is_said(environ: None, database: Database, home: Path) -> None:
    asked = invoke("request", "cuad", "--json")
    assert "no `bootstrap ui` is running here" in asked.stderr
    number = json.loads(asked.stdout)["request"]
    assert invoke("wait", str(number), "--timeout", "0").stderr.count("no `bootstrap ui`") == 1
    home.mkdir(exist_ok=True)
    with (home / "ui.lock").open("w") as lock:  # as `bootstrap ui` does
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert invoke("request", "bonterms").stderr == ""
        assert invoke("wait", str(number), "--timeout", "0").stderr == ""
    assert "no `bootstrap ui`" in invoke("wait", str(number), "--timeout", "0").stderr
    with database.connection() as connection:
        requests.start(connection, number, "run")  # so somebody is
    assert invoke("wait", str(number), "--timeout", "0").stderr == ""


def test_following_loses_no_event_that_comes_between_the_listing_and_the_following(
    environ: None, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it tell one twice."""
    listing, follow = events.listing, events.follow

    def cancelled(number: int) -> None:
        with database.connection() as connection:
            events.emit(connection, IngestCancelled(request=number))

    def listing_while_others_write(*arguments: Any, **more: Any) -> list[events.Row]:
        found = listing(*arguments, **more)
        if len(calls) < 2:
            calls.append(1)
            cancelled(len(calls))
        return found

    def follow_two(*arguments: Any, **more: Any) -> Iterator[events.Row]:
        monkeypatch.setattr(events, "listing", listing)
        cancelled(3)
        for row in follow(*arguments, **more):
            yield row
            if row.payload["request"] == 3:
                return

    calls: list[int] = []
    monkeypatch.setattr(events, "listing", listing_while_others_write)
    monkeypatch.setattr(events, "follow", follow_two)
    cancelled(0)
    lines = invoke("events", "--follow", "--json").stdout.splitlines()
    assert [json.loads(line)["payload"]["request"] for line in lines] == [0, 1, 2, 3]


def test_every_stored_event_is_one_we_know(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(5))
    pipeline.embed(corpus, MADE_UP)
    ask(corpus.database)
    for name, payload in told(corpus.database):
        assert isinstance(parse(name, payload), Event)


def test_a_status_that_does_not_exist_is_refused_by_the_database(database: Database) -> None:
    number, _ = ask(database)
    with pytest.raises(psycopg.errors.CheckViolation), database.connection() as connection:
        requests.end(connection, number, "done")
