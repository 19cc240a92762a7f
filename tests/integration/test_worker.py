"""Workers: any number of processes embed what is missing, and none pays for what another paid for."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from bootstrap_assets import worker
from bootstrap_assets.database.connection import Database
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import PermanentError, SchemaError, StoppedError
from bootstrap_assets.settings import Settings
from tests.conftest import open_for_test
from tests.fakes.faults import Always, Fault
from tests.fakes.voyage_server import VoyageServer
from tests.integration.test_fill import column, in_parallel, load
from tests.made_up_source import contracts

WITHOUT_VECTOR = """
SELECT count(*) FROM reference_records WHERE content_hash NOT IN (SELECT content_hash FROM VECTORS)"""


def execute(corpus: Corpus, query: str) -> None:
    with corpus.database.connection() as connection:
        connection.execute(query.encode())


def drain(corpus: Corpus) -> worker.Work:
    return worker.work(corpus, idle_exit=True, report=lambda _line, **_facts: None)


def eventually(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_two_workers_leave_nothing_and_pay_for_nothing_twice(
    corpus: Corpus, settings: Settings, database_url: str, voyage: VoyageServer
) -> None:
    load(corpus, contracts(60))
    voyage.latency = 0.05
    shares: list[int] = []
    with Database(database_url) as others:
        other = open_for_test(settings, others)
        works = [lambda corpus=corpus: shares.append(drain(corpus).texts) for corpus in (corpus, other)]
        assert in_parallel(*works) == []
    assert column(corpus, WITHOUT_VECTOR) == [0]
    assert sum(shares) == voyage.texts_paid == 240
    assert voyage.texts_paid_twice == 0
    assert column(corpus, "SELECT status FROM bootstrap_progress") == ["completed"]


def test_a_worker_embeds_what_comes_while_it_waits(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "POLL", 0.05)
    ends: list[BaseException] = []
    thread = Thread(
        target=lambda: ends.extend(
            in_parallel(lambda: worker.work(corpus, report=lambda line, **_facts: print(line)))
        )
    )
    thread.start()
    load(corpus, contracts(3))
    assert eventually(lambda: column(corpus, WITHOUT_VECTOR) == [0])
    load(corpus, contracts(5))
    assert eventually(lambda: column(corpus, WITHOUT_VECTOR) == [0])
    corpus.stop.set()
    thread.join(10)
    assert [type(error) for error in ends] == [StoppedError]


@pytest.mark.parametrize("sources", [(), ("repositories",)])
def test_texts_of_repositories_and_documents_are_embedded_like_any(
    corpus: Corpus, sources: tuple[str, ...]
) -> None:
    load(corpus, contracts(3))
    for table in ("reference_records", "reference_documents"):
        execute(corpus, f"UPDATE {table} SET source = 'repositories'")
    execute(corpus, "DELETE FROM bootstrap_progress")
    assert column(corpus, WITHOUT_VECTOR) == [12]
    assert worker.work(corpus, sources, idle_exit=True, report=lambda _line, **_facts: None).texts == 12
    assert column(corpus, WITHOUT_VECTOR) == [0]
    assert column(corpus, "SELECT source FROM bootstrap_progress") == []  # their own work goes on by itself


def test_an_outage_is_waited_out(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(3))
    voyage.faults = Always(Fault.server_error)
    lines: list[str] = []

    def report(line: str, /, **_facts: object) -> None:
        lines.append(line)
        if line.startswith("tries again"):
            voyage.faults = None

    assert worker.work(corpus, idle_exit=True, report=report).texts == 12
    assert any(line.startswith("tries again in 1 s") for line in lines)


def test_a_refused_key_is_not(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(3))
    voyage.faults = Always(Fault.unauthorized)
    with pytest.raises(PermanentError, match="401"):
        drain(corpus)


NEWER = "UPDATE bootstrap_schema_version SET version_num = '9999'"
WITHOUT_A_COLUMN = f"{NEWER}; ALTER TABLE embedding_usage RENAME COLUMN seconds TO duration"


def test_an_old_worker_ends_with_a_clear_line_when_a_new_schema_came(corpus: Corpus, voyage: VoyageServer) -> None:
    """A rolling upgrade: what is in flight is kept, and nothing more is begun."""
    load(corpus, contracts(60))
    voyage.latency = 0.3

    def report(line: str, /, **_facts: object) -> None:
        if "works in" in line:
            Thread(target=lambda: eventually(lambda: voyage.arrived > 0) and execute(corpus, NEWER)).start()

    with pytest.raises(SchemaError, match="9999"):
        worker.work(corpus, report=report)
    assert column(corpus, WITHOUT_VECTOR) == [0]
    assert voyage.texts_paid == 240


def test_a_schema_that_takes_a_column_away_is_named_instead_of_the_column(
    corpus: Corpus, voyage: VoyageServer
) -> None:
    load(corpus, contracts(60))
    voyage.latency = 0.3

    def report(line: str, /, **_facts: object) -> None:
        if "works in" in line:
            Thread(
                target=lambda: eventually(lambda: voyage.arrived > 0) and execute(corpus, WITHOUT_A_COLUMN)
            ).start()

    with pytest.raises(SchemaError, match="9999"):
        worker.work(corpus, report=report)
    assert column(corpus, "SELECT count(*) FROM reference_texts") == [240]


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, settings: Settings, voyage: VoyageServer) -> None:
    """A shell whose corpus is this test's own and whose provider is the fake one."""
    assert settings.database_url
    monkeypatch.setenv("BOOTSTRAP_HOME", str(settings.root))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("VOYAGE_API_KEY", "test-key")
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_BASE_URL", voyage.url)
    monkeypatch.setenv("BOOTSTRAP_BATCHES", str(settings.batches))


def start(*arguments: str) -> "subprocess.Popen[str]":
    command = [str(Path(sys.executable).parent / "bootstrap"), "worker", *arguments]
    return subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.usefixtures("environ")
def test_the_command_ends_when_nothing_is_left_and_says_what_it_did(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(3))
    with start("--idle-exit") as process:
        printed, messages = process.communicate(timeout=60)
    assert process.returncode == 0, messages
    assert "nothing is left: 12 texts embedded in 1 request" in printed
    assert voyage.texts_paid == 12


@pytest.mark.usefixtures("environ")
def test_a_signal_lets_it_finish_what_is_in_flight(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(3))
    voyage.latency = 2.0
    with start() as process:
        assert eventually(lambda: voyage.texts_paid > 0)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert voyage.texts_paid == 12
    assert column(corpus, WITHOUT_VECTOR) == [0]


@pytest.mark.usefixtures("environ")
def test_a_worker_changes_no_schema_but_says_what_is_wrong_with_it(
    blank_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", blank_database_url)
    with start("--idle-exit") as process:
        _, messages = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "bootstrap" in messages
    assert "Traceback" not in messages
    with Database(blank_database_url) as database, database.connection() as connection:
        assert connection.execute("SELECT to_regclass('reference_texts')").fetchone() == (None,)


@pytest.mark.usefixtures("environ")
def test_a_probe_says_whether_a_worker_of_this_host_is_alive(corpus: Corpus, settings: Settings) -> None:
    def is_well() -> bool:
        with start("--health") as probe:
            probe.communicate(timeout=60)
        return probe.returncode == 0

    assert not is_well()
    with start() as process:
        was_well = eventually(lambda: bool(list((settings.root / "workers").glob("*")))) and is_well()
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert was_well
    [file] = (settings.root / "workers").iterdir()
    long_ago = time.time() - 2.1 * settings.heartbeat_seconds
    os.utime(file, (long_ago, long_ago))
    assert not is_well()


@pytest.mark.usefixtures("environ")
def test_a_worker_that_ends_leaves_no_sign_of_life(corpus: Corpus, settings: Settings) -> None:
    with start("--idle-exit") as process:
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert list((settings.root / "workers").iterdir()) == []


@pytest.mark.usefixtures("environ")
def test_each_line_is_a_document_where_that_is_set(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTSTRAP_LOG_FORMAT", "json")
    monkeypatch.setenv("BOOTSTRAP_CORRELATION", "night-7")
    load(corpus, contracts(3))
    with start("--idle-exit") as process:
        _, messages = process.communicate(timeout=60)
    assert process.returncode == 0
    first, *documents = [json.loads(line) for line in messages.splitlines()]
    assert first.keys() == {"time", "level", "host", "pid", "run", "correlation", "message"}
    assert (first["pid"], first["host"], first["level"]) == (process.pid, socket.gethostname(), "info")
    assert {document["run"] for document in documents} == {first["run"]}
    assert {document["correlation"] for document in documents} == {"night-7"}
    batches = {document["batch"] for document in documents if "batch" in document}
    assert batches == set(column(corpus, "SELECT batch FROM bootstrap_batches"))
    assert [document["source"] for document in documents if "texts in" in document["message"]] == ["made_up"]
    assert column(corpus, "SELECT DISTINCT run_id FROM embedding_usage") == [first["run"]]


@pytest.mark.usefixtures("environ")
def test_the_last_word_of_one_that_fails_is_a_document_too(
    blank_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", blank_database_url)
    with start("--log-format", "json") as process:
        _, messages = process.communicate(timeout=60)
    [line] = [json.loads(line) for line in messages.splitlines()]
    assert (line["level"], process.returncode) == ("error", 1)
    assert "bootstrap run" in line["message"]
