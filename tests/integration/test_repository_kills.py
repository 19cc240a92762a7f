"""A process that is killed while it indexes leaves no folder, no half index and nobody who waits for it."""

import multiprocessing
import time
from dataclasses import replace
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import ForkServerContext
from typing import Any

import psutil
import pytest

from bootstrap_assets.database.connection import Database
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.repositories import jobs, registry, store
from bootstrap_assets.settings import Settings
from tests.conftest import open_for_test
from tests.fakes.git_repository import GitRepository
from tests.integration.test_repository_jobs import add, enqueue, index, is_swept, rows, state

STAGES = ("clone", "discover", "parse", "symbols", "references", "dependencies", "store", "swap", "embed")
"""Where a process is killed; `swap`: when all is written and nothing is committed."""

OLD = {"a.py": "def old():\n    pass\n", "b.py": "from a import old\nold()\n"}
NEW = {"a.py": "def new():\n    pass\n", "b.py": "from a import new\nnew()\n"}


def work(settings: Settings, stage: str, pipe: Pipe) -> None:
    """What a process does until it is killed: it says when it is there, and waits."""

    def wait() -> None:
        pipe.send(stage)
        time.sleep(60)

    begin, swap = jobs.Attempt.begin, store.swap

    def paused_begin(self: jobs.Attempt, name: str) -> None:
        begin(self, name)
        if name == stage:
            wait()

    def paused_swap(*arguments: Any) -> bool:
        answer = swap(*arguments)
        if stage == "swap":
            wait()
        return answer

    jobs.Attempt.begin = paused_begin  # type: ignore[method-assign]
    store.swap = paused_swap
    with Database(settings.database_url.get_secret_value()) as database:  # type: ignore[union-attr]
        jobs.process(open_for_test(settings, database))


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Where processes come from that have all modules loaded already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def killed_in(stage: str, settings: Settings, processes: ForkServerContext) -> None:
    ours, theirs = processes.Pipe()
    process = processes.Process(target=work, args=(settings, stage, theirs))
    process.start()
    assert ours.poll(30), stage
    assert ours.recv() == stage
    process.kill()
    process.join(10)


def index_of(corpus: Corpus) -> tuple[set[str], set[str], set[str]]:
    """What a reader sees: symbols, what references lead to, texts of the records."""
    symbols = {row[0] for row in rows(corpus, "SELECT name FROM repository_symbols")}
    targets = {row[0] for row in rows(corpus, "SELECT to_name FROM repository_references WHERE to_name <> ''")}
    texts = {row[0] for row in rows(corpus, "SELECT raw_text FROM reference_documents")}
    return symbols, targets, texts


def helpers_of(corpus: Corpus) -> list[str]:
    """Commands of git that still work on a folder of ours."""
    root = str(jobs.clones(corpus.settings))
    commands = (" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"]))
    return [command for command in commands if root in command]


def test_a_process_killed_in_any_stage_leaves_the_old_index_and_the_next_makes_the_new(
    corpus: Corpus, tmp_path: Any, processes: ForkServerContext
) -> None:
    corpus = replace(corpus, settings=corpus.settings.model_copy(update={"repository_retries": len(STAGES)}))
    origin = GitRepository(tmp_path / "origin")
    origin.commit(OLD)
    add(corpus, str(origin.folder))
    index(corpus)
    old = ({"old"}, {"old"}, set(OLD.values()))
    new = ({"new"}, {"new"}, set(NEW.values()))
    assert index_of(corpus) == old
    origin.commit(NEW)
    enqueue(corpus)
    for stage in STAGES:
        killed_in(stage, corpus.settings, processes)
        assert state(corpus).status == "processing"
        assert index_of(corpus) == (new if stage == "embed" else old), stage
    jobs.process(corpus)
    assert (state(corpus).status, index_of(corpus)) == ("completed", new)
    assert rows(corpus, "SELECT count(*) FROM index_jobs WHERE status IN ('pending', 'processing')") == [(0,)]
    assert is_swept(corpus)
    assert helpers_of(corpus) == []


def test_a_job_that_kills_each_process_fails_after_its_attempts_and_can_be_tried_again(
    corpus: Corpus, tmp_path: Any, processes: ForkServerContext
) -> None:
    corpus = replace(corpus, settings=corpus.settings.model_copy(update={"repository_retries": 1}))
    origin = GitRepository(tmp_path / "origin")
    origin.commit(OLD)
    add(corpus, str(origin.folder))
    enqueue(corpus)
    for _ in range(2):
        killed_in("clone", corpus.settings, processes)
    jobs.process(corpus)
    now = state(corpus)
    assert (now.status, now.error_class) == ("failed", "AttemptsError")
    assert "2 attempts are used up" in now.reason
    assert index_of(corpus) == (set(), set(), set())
    with corpus.database.connection() as connection:
        assert registry.retry(connection) == ["ours"]
    jobs.process(corpus)
    assert state(corpus).status == "completed"
