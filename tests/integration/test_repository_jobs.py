"""Jobs that index repositories: three at a time, old or new, tried again, left without a trace."""

import logging
import re
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

import bootstrap_assets as ba
from bootstrap_assets.cli import bootstrap
from bootstrap_assets.corpus import settlement
from bootstrap_assets.database.connection import Database, connect
from bootstrap_assets.documents import states, tenants
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import ConfigurationError, StoppedError
from bootstrap_assets.repositories import jobs, records, registry, removal, work
from bootstrap_assets.repositories.registry import RepositoryState
from bootstrap_assets.search.query import search
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.registry import BESIDE
from bootstrap_assets.stopping import Stop
from tests.fakes.git_repository import GitRepository
from tests.fakes.git_server import GitServer
from tests.fakes.voyage_server import VoyageServer
from tests.integration.test_repository_commands import DOCS
from tests.integration.test_tenants import SECRET, count, holds, reader, relations
from tests.made_up_source import MADE_UP
from tests.prepared import ten_contracts

FILES = {
    "a.py": 'from b import f\n\ndef g():\n    """Caps the liability."""\n    f()\n',
    "b.py": "def f(): pass\n",
    "README.md": "Before all.\n\n# Caps\nA cap on liability.\n\n# Terms\nThe term is one year.\n",
    "notes.txt": "Plain notes of nobody.\n",
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    quick = {"repository_private": True, "repository_retry_seconds": 0.05, "repository_drain_seconds": 5.0}
    return settings.model_copy(update=quick)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with GitServer(tmp_path / "served").running() as one:
        yield one


@pytest.fixture
def origin(server: GitServer) -> GitRepository:
    one = GitRepository(server.root / "ours")
    one.commit(FILES)
    return one


def rows(corpus: Corpus, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    with corpus.database.connection() as connection:
        return connection.execute(query.encode(), parameters).fetchall()


def add(corpus: Corpus, address: str, name: str = "ours", tenant: str | None = None) -> None:
    with corpus.database.connection() as connection:
        registry.add(connection, name, address, tenant=tenant, access=jobs.access(corpus.settings))


def enqueue(corpus: Corpus, name: str = "ours", revision: str = "") -> int:
    with corpus.database.connection() as connection:
        return registry.enqueue(connection, name, revision)[0]


def state(corpus: Corpus, name: str = "ours") -> RepositoryState:
    with corpus.database.connection() as connection:
        return registry.state(connection, name)


def index(corpus: Corpus, name: str = "ours") -> RepositoryState:
    enqueue(corpus, name)
    jobs.process(corpus, [name])
    return state(corpus, name)


def is_swept(corpus: Corpus) -> bool:
    return not list(jobs.clones(corpus.settings).glob("*"))


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_job_goes_through_every_stage_and_says_what_it_did(
    corpus: Corpus, server: GitServer, origin: GitRepository, caplog: pytest.LogCaptureFixture
) -> None:
    add(corpus, f"{server.url}/ours")
    with caplog.at_level(logging.INFO, "bootstrap_assets.repositories"):
        now = index(corpus)
    assert (now.status, now.commit, now.reason, now.attempts) == ("completed", origin.head, "", 1)
    assert (now.files, now.symbols, now.references, now.dependencies) == (4, 4, 2, 1)
    assert set(now.seconds) == {
        "clone", "discover", "parse", "symbols", "references", "dependencies", "store", "embed",
    }  # fmt: skip
    lines = [row.getMessage() for row in caplog.records if row.name.endswith("jobs")]
    assert len(lines) == 9
    assert all(line.startswith(f"[{now.correlation_id}] ours:") for line in lines)
    assert is_swept(corpus)


def test_symbols_sections_and_passages_are_records_with_vectors(
    corpus: Corpus, server: GitServer, origin: GitRepository
) -> None:
    add(corpus, f"{server.url}/ours")
    index(corpus)
    query = """SELECT d.source_id, r.section_path, t.content, r.metadata ->> 'line', EXISTS (
            SELECT FROM {vectors} v WHERE v.content_hash = r.content_hash)
        FROM reference_records r JOIN reference_documents d ON d.id = r.document_id JOIN reference_texts t
        ON t.content_hash = r.content_hash WHERE r.source = 'repositories' ORDER BY 1, r.char_start"""
    found = rows(corpus, query.replace("{vectors}", corpus.space.vectors.as_string()))
    assert found == [
        ("ours/README.md", None, "Before all.", "1", True),
        ("ours/README.md", "Caps", "# Caps\nA cap on liability.", "3", True),
        ("ours/README.md", "Terms", "# Terms\nThe term is one year.", "6", True),
        ("ours/a.py", "g", "def g()\n\nCaps the liability.", "3", True),
        ("ours/b.py", "f", "def f()", "1", True),
        ("ours/notes.txt", None, "Plain notes of nobody.", "1", True),
    ]


def test_the_same_commit_again_clones_nothing_and_sends_nothing(
    corpus: Corpus, server: GitServer, origin: GitRepository, voyage: VoyageServer
) -> None:
    add(corpus, f"{server.url}/ours")
    index(corpus)
    sent, asked = voyage.requests, len(server.requests)
    began = time.monotonic()
    now = index(corpus)
    assert time.monotonic() - began < 2
    assert (now.status, now.files, list(now.seconds)) == ("completed", 4, ["clone", "embed"])
    assert voyage.requests == sent
    assert not [path for path in server.requests[asked:] if "git-upload-pack" not in path]
    assert rows(corpus, "SELECT count(DISTINCT created_at) FROM reference_documents") == [(1,)]


def test_a_changed_file_alone_is_loaded_and_a_vanished_one_goes(
    corpus: Corpus, server: GitServer, origin: GitRepository
) -> None:
    add(corpus, f"{server.url}/ours")
    index(corpus)
    query = "SELECT source_id, xmin::text FROM reference_documents ORDER BY 1"
    before = dict(rows(corpus, query))
    (origin.folder / "notes.txt").unlink()
    origin.commit({"b.py": "def f(): return 2\ndef h(): pass\n"})
    index(corpus)
    after = dict(rows(corpus, query))
    assert before.keys() - after.keys() == {"ours/notes.txt"}
    assert {name for name in after if after[name] != before[name]} == {"ours/b.py"}
    assert rows(corpus, "SELECT count(*) FROM reference_texts WHERE content LIKE 'Plain notes%%'") == [(0,)]


def test_what_does_not_parse_is_a_finding_and_the_job_completed_with_it(
    corpus: Corpus, server: GitServer, origin: GitRepository
) -> None:
    origin.commit({"bad.py": "def (:\n"})
    add(corpus, f"{server.url}/ours")
    now = index(corpus)
    assert (now.status, now.findings) == ("completed_with_findings", 1)


def test_what_may_pass_is_tried_again_and_later_each_time(
    corpus: Corpus, server: GitServer, origin: GitRepository
) -> None:
    add(corpus, f"{server.url}/ours")
    server.failures = 2
    now = index(corpus)
    assert (now.status, now.attempts) == ("completed", 3)
    server.failures = 1000
    origin.commit({"b.py": "def f(): return 3\n"})
    now = index(corpus)
    assert (now.status, now.attempts, now.error_class, now.stage) == ("failed", 4, "UnreachableError", "clone")
    assert now.commit != origin.head
    server.failures = 0
    with corpus.database.connection() as connection:
        assert registry.retry(connection) == ["ours"]
    jobs.process(corpus)
    assert (state(corpus).status, state(corpus).commit) == ("completed", origin.head)


@pytest.mark.parametrize(("path", "error"), [("nothing", "NoRepositoryError"), ("ours", "NoCommitError")])
def test_what_lasts_is_not_tried_again_and_its_row_has_all_to_do_so(
    corpus: Corpus, server: GitServer, origin: GitRepository, path: str, error: str
) -> None:
    address = f"{server.url}/{path}"
    add(corpus, address)
    revision = "0" * 40
    enqueue(corpus, revision=revision)
    jobs.process(corpus)
    letter = rows(corpus, "SELECT status, attempts, error_class, address, ref, revision FROM index_jobs")
    assert letter == [("failed", 1, error, address, "", revision)]
    assert is_swept(corpus)


def test_a_text_that_the_provider_refuses_is_a_finding_and_is_tried_again_by_retry(
    corpus: Corpus, server: GitServer, origin: GitRepository, voyage: VoyageServer
) -> None:
    voyage.poison = {FILES["notes.txt"].strip()}
    add(corpus, f"{server.url}/ours")
    now = index(corpus)
    assert (now.status, now.findings, now.error_class) == ("completed_with_findings", 1, None)
    assert "1 texts have no vector" in now.reason
    voyage.poison = set()
    with corpus.database.connection() as connection:
        assert jobs.retry(connection) == ["ours"]
    jobs.process(corpus)
    assert (state(corpus).status, state(corpus).findings) == ("completed", 0)
    assert "parse" not in state(corpus).seconds


def test_asked_twice_is_one_job_and_a_later_wish_replaces_one_that_waits(
    corpus: Corpus, server: GitServer, origin: GitRepository
) -> None:
    add(corpus, f"{server.url}/ours")
    assert enqueue(corpus) == enqueue(corpus)
    enqueue(corpus, revision=origin.head)
    assert rows(corpus, "SELECT status FROM index_jobs ORDER BY id") == [("cancelled",), ("pending",)]
    with corpus.database.connection() as connection:
        assert not registry.is_new(connection, "ours", origin.head)
        assert registry.is_new(connection, "ours", "1" * 40)


def test_five_jobs_are_worked_on_three_at_a_time(
    corpus: Corpus, server: GitServer, origin: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"r{number}" for number in range(5)]
    for name in names:
        add(corpus, f"{server.url}/ours", name)
        enqueue(corpus, name)
    most, at_work, lock = [0], [0], threading.Lock()
    run = jobs._run

    def counted(*arguments: Any) -> bool:
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        time.sleep(0.3)
        try:
            return run(*arguments)
        finally:
            with lock:
                at_work[0] -= 1

    monkeypatch.setattr(jobs, "_run", counted)
    threads = [threading.Thread(target=jobs.process, args=(corpus,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [3]
    assert {state(corpus, name).status for name in names} == {"completed"}


def pausing(monkeypatch: pytest.MonkeyPatch, stage: str) -> tuple[threading.Event, threading.Event]:
    """Let a job wait where a stage begins: it is there, it may go on."""
    there, go = threading.Event(), threading.Event()
    begin = jobs.Attempt.begin

    def paused(self: jobs.Attempt, name: str) -> None:
        begin(self, name)
        if name == stage:
            there.set()
            while not go.wait(0.02) and not self.corpus.stop.is_set():
                pass

    monkeypatch.setattr(jobs.Attempt, "begin", paused)
    return there, go


def in_a_thread(corpus: Corpus) -> tuple[threading.Thread, list[BaseException]]:
    errors: list[BaseException] = []

    def process() -> None:
        try:
            jobs.process(corpus)
        except StoppedError as error:
            errors.append(error)

    thread = threading.Thread(target=process)
    thread.start()
    return thread, errors


def test_a_repository_that_is_removed_while_it_is_indexed_leaves_nothing(
    corpus: Corpus, server: GitServer, origin: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(corpus, f"{server.url}/ours")
    enqueue(corpus)
    there, _ = pausing(monkeypatch, "store")
    thread, _ = in_a_thread(corpus)
    assert there.wait(10)
    removal.remove(corpus.database, "ours")
    thread.join(10)
    assert not thread.is_alive()
    for table in ("repositories", "index_jobs", "repository_snapshots", "repository_files", "reference_documents"):
        assert rows(corpus, f"SELECT count(*) FROM {table}") == [(0,)], table
    assert is_swept(corpus)


def test_a_removed_repository_takes_its_records_and_texts_with_it(
    corpus: Corpus, server: GitServer, origin: GitRepository
) -> None:
    add(corpus, f"{server.url}/ours")
    index(corpus)
    removal.remove(corpus.database, "ours")
    for table in ("reference_records", "reference_texts", "repository_symbols", "repository_blobs", "index_jobs"):
        assert rows(corpus, f"SELECT count(*) FROM {table}") == [(0,)], table


def test_a_stop_lets_the_job_at_work_end(
    settings: Settings, corpus: Corpus, server: GitServer, origin: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(corpus, f"{server.url}/ours")
    add(corpus, f"{server.url}/ours", "other")
    enqueue(corpus)
    enqueue(corpus, "other")
    there, go = pausing(monkeypatch, "parse")
    thread, errors = in_a_thread(corpus)
    assert there.wait(10)
    corpus.stop.set()
    go.set()
    thread.join(10)
    assert errors
    assert sorted([state(corpus).status, state(corpus, "other").status]) == ["completed", "pending"]


def test_a_stop_puts_a_job_back_that_does_not_end_in_time(
    settings: Settings, corpus: Corpus, server: GitServer, origin: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = replace(corpus, settings=settings.model_copy(update={"repository_drain_seconds": 0.5}))
    add(hasty, f"{server.url}/ours")
    enqueue(hasty)
    there, _ = pausing(monkeypatch, "parse")
    thread, errors = in_a_thread(hasty)
    assert there.wait(10)
    began = time.monotonic()
    hasty.stop.set()
    thread.join(10)
    assert time.monotonic() - began < 5
    assert errors
    assert (state(hasty).status, state(hasty).attempts) == ("pending", 0)
    assert is_swept(hasty)
    monkeypatch.undo()
    jobs.process(replace(corpus, stop=Stop()))
    assert state(corpus).status == "completed"


def test_a_repository_belongs_to_its_tenant_and_its_name_to_nobody_else(
    corpus: Corpus, server: GitServer, origin: GitRepository
) -> None:
    with corpus.database.connection() as connection:
        tenants.add(connection, "acme")
    add(corpus, f"{server.url}/ours", tenant="acme")
    index(corpus)
    assert rows(corpus, "SELECT DISTINCT tenant_id FROM reference_records") == [("acme",)]
    with pytest.raises(ConfigurationError, match="belongs to somebody else"):
        add(corpus, f"{server.url}/ours")
    with pytest.raises(ConfigurationError, match="no tenant"):
        add(corpus, f"{server.url}/ours", tenant="nobody")
    assert removal.remove_of_tenant(corpus.database, "acme") == 1


def test_the_queue_says_how_many_wait_and_how_many_failed(corpus: Corpus, server: GitServer) -> None:
    add(corpus, f"{server.url}/nothing")
    enqueue(corpus)
    with corpus.database.connection() as connection:
        assert registry.queue(connection).waiting == 1
    jobs.process(corpus)
    with corpus.database.connection() as connection:
        queue = registry.queue(connection)
    assert (queue.waiting, queue.ended, queue.failed, queue.failure_rate) == (0, 1, 1, 1.0)


def test_a_place_of_a_dead_process_is_free_at_once(
    corpus: Corpus, server: GitServer, origin: GitRepository
) -> None:
    add(corpus, f"{server.url}/ours")
    enqueue(corpus)
    with connect(corpus.database.url, autocommit=True) as dead:
        for place in range(3):
            dead.execute("SELECT pg_advisory_lock(%s, %s)", (work.PLACES, place))
        thread, _ = in_a_thread(corpus)
        time.sleep(0.5)
        assert state(corpus).status == "pending"
        dead.execute("SELECT pg_advisory_unlock_all()")
        thread.join(10)
    assert state(corpus).status == "completed"


def test_a_tenants_repository_is_sealed_from_everybody_else(corpus: Corpus, server: GitServer) -> None:
    secret = GitRepository(server.root / "secret")
    secret.commit({f"{SECRET}.py": f'import {SECRET}s\ndef {SECRET}():\n    """{SECRET}"""\n    {SECRET}()\n'})
    with corpus.database.connection() as connection:
        tenants.add(connection, "other")
    add(corpus, f"{server.url}/secret", SECRET, tenant="other")
    index(corpus, SECRET)
    tables = {
        *("repositories", "index_jobs", "repository_snapshots", "repository_files", "repository_symbols"),
        *("repository_references", "repository_dependencies", "reference_documents", "reference_records"),
    }
    for tenant, visible in (("asker", set()), (None, set()), ("other", tables)):
        with reader(corpus, tenant) as connection:
            rows_of = {name: count(connection, holds(name, [SECRET])) for name in relations(connection)}
            assert rows_of["repository_blobs"] is None
            assert {name for name, number in rows_of.items() if number} >= visible
            assert visible or not any(rows_of.values())


def test_a_repository_is_found_by_a_search_beside_the_contracts_or_alone_and_a_tenants_by_that_tenant(
    corpus: Corpus, server: GitServer, origin: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    ten_contracts(corpus)
    with corpus.database.connection() as connection:
        tenants.add(connection, "acme")
    add(corpus, f"{server.url}/ours")
    add(corpus, f"{server.url}/ours", "theirs", tenant="acme")
    index(corpus)
    index(corpus, "theirs")
    hits = search(corpus.database, corpus.settings, "caps the liability", k=20)
    assert "ours: a.py" in {hit.document for hit in hits}
    assert {hit.source for hit in hits} == {"repositories", MADE_UP.name}
    names = {"HOME": str(corpus.settings.home), "DATABASE_URL": corpus.database.url, "EMBEDDER": "voyage"}
    for name, value in {**names, "VOYAGE_BASE_URL": str(corpus.settings.voyage_base_url)}.items():
        monkeypatch.setenv(f"BOOTSTRAP_{name}", value)
    monkeypatch.setenv("VOYAGE_API_KEY", "test-key")
    assert BESIDE == (states.SOURCE, records.SOURCE)
    with ba.open() as opened:
        for tenant, repositories in ((None, {"ours"}), ("acme", {"ours", "theirs"}), ("nobody", {"ours"})):
            hits = opened.search("caps the liability", k=20, sources=["Repositories"], tenant=tenant, fold=False)
            assert {hit.source for hit in hits} == {"repositories"}
            places = {record["document"].partition(":")[0] for hit in hits for record in hit.records}
            assert places == repositories, tenant
        with pytest.raises(ConfigurationError, match=r"known: .*documents, repositories"):
            opened.search("caps", sources="repository")
    [line] = re.findall("^bootstrap (search .*)$", DOCS, re.MULTILINE)
    result = CliRunner().invoke(bootstrap, shlex.split(line))
    assert result.exit_code == 0, result.output
    assert "ours: a.py" in result.stdout
    assert MADE_UP.name not in result.stdout


def test_a_job_that_is_cancelled_ends_and_leaves_the_old_index(
    corpus: Corpus, server: GitServer, origin: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(corpus, f"{server.url}/ours")
    index(corpus)
    before = state(corpus).commit
    origin.commit({"b.py": "def f(): return 9\n"})
    enqueue(corpus)
    there, _ = pausing(monkeypatch, "store")
    thread, _ = in_a_thread(corpus)
    assert there.wait(10)
    with corpus.database.connection() as connection:
        assert registry.cancel(connection, "ours") == 1
    thread.join(10)
    assert not thread.is_alive()
    assert (state(corpus).status, state(corpus).commit) == ("cancelled", before)
    assert is_swept(corpus)


def test_every_line_about_a_job_that_fails_has_its_correlation_id_and_no_password(
    corpus: Corpus, server: GitServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.password = "open sesame"
    host = server.url.removeprefix("http://")
    secret = {"repository_password": SecretStr("wrong words"), "repository_host": host}
    corpus = replace(corpus, settings=corpus.settings.model_copy(update=secret))
    add(corpus, f"{server.url}/ours")
    with caplog.at_level(logging.DEBUG, "bootstrap_assets"):
        now = index(corpus)
    lines = [row.getMessage() for row in caplog.records if row.name.startswith("bootstrap_assets.repositories")]
    assert (now.status, now.error_class) == ("failed", "DeniedError")
    assert lines
    assert all(line.startswith(f"[{now.correlation_id}]") for line in lines)
    assert server.authorisations[-1]
    assert "wrong words" not in f"{lines}{rows(corpus, 'SELECT index_jobs::text FROM index_jobs')}"


def test_the_pauses_between_attempts_grow(
    corpus: Corpus, server: GitServer, origin: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = {"repository_retry_seconds": Settings.model_fields["repository_retry_seconds"].default}
    corpus = replace(corpus, settings=corpus.settings.model_copy(update=update))
    add(corpus, f"{server.url}/ours")
    enqueue(corpus)
    server.failures = 1000
    pauses: list[float] = []
    put_back = work.Worker.put_back

    def at_once(self: work.Worker, connection: Any, job: Any, error: Any = None, delay: float = 0.0) -> None:
        pauses.append(delay)
        put_back(self, connection, job, error)
        connection.execute("UPDATE index_jobs SET attempts = %s", [job.attempts])

    monkeypatch.setattr(work.Worker, "put_back", at_once)
    jobs.process(corpus)
    assert pauses == [60.0, 120.0, 240.0]
    assert state(corpus).status == "failed"


def test_the_password_goes_to_its_host_and_not_to_one_that_has_its_name_in_the_path(settings: Settings) -> None:
    secret = {"repository_password": SecretStr("word"), "repository_host": "git.example"}
    settings = settings.model_copy(update=secret)
    for address in ("https://git.example/x", "https://GIT.example/x"):
        assert jobs.credentials(settings, address).password == "word"
    for address in ("https://other.example//git.example/x", "https://git.example.other/x", "/here//git.example/x"):
        assert not jobs.credentials(settings, address).password


def test_a_job_that_waits_or_failed_goes_to_the_address_that_was_given_last(
    corpus: Corpus, server: GitServer, origin: GitRepository
) -> None:
    add(corpus, f"{server.url}/wrong")
    assert index(corpus).status == "failed"
    add(corpus, f"{server.url}/ours")
    with corpus.database.connection() as connection:
        assert jobs.retry(connection, ["ours"]) == ["ours"]
    jobs.process(corpus)
    assert state(corpus).status == "completed"
    add(corpus, f"{server.url}/wrong")
    enqueue(corpus)
    add(corpus, f"{server.url}/ours")
    assert index(corpus).status == "completed"


def test_what_was_cut_off_between_the_swap_and_what_follows_it_is_done_by_the_next_attempt(
    corpus: Corpus, server: GitServer, origin: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(corpus, f"{server.url}/ours")
    index(corpus)
    origin.commit({"notes.txt": "Quite other notes.\n"})
    ends = iter([ConnectionError("cut off")])

    def settle(database: Database) -> int:
        for error in ends:
            raise error
        return settlement.settle(database)

    monkeypatch.setattr(jobs, "settlement", SimpleNamespace(settle=settle))
    assert (index(corpus).status, state(corpus).attempts) == ("completed", 2)
    with corpus.database.connection() as connection:
        assert settlement.is_settled(connection)
