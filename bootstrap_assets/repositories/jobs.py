"""Jobs: from a wish to an index that is stored, and searched.

    clone ──> discover ──> parse ──> symbols ──> references ──> dependencies ──> store ──> embed

`store` is one transaction: index and records are the old or the new. Whatever stops a job before it leaves the
old, after it nothing but vectors to be had; the same job begins anew and parses and pays nothing twice.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import UUID

from bootstrap_assets.corpus import load, settlement
from bootstrap_assets.corpus.staging import Staging, stage
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding import stages as batch_stages
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.fill import MARGIN, Filler
from bootstrap_assets.embedding.vectors import Work
from bootstrap_assets.errors import BudgetError, StoppedError, explain, is_transient
from bootstrap_assets.repositories import folders, records, registry, snapshot, store
from bootstrap_assets.repositories.addresses import Access
from bootstrap_assets.repositories.clone import Clone, clone, latest
from bootstrap_assets.repositories.errors import AttemptsError
from bootstrap_assets.repositories.git import LIMITS, Credentials, Limits
from bootstrap_assets.repositories.indexing import Index, index_commit
from bootstrap_assets.repositories.parsing import Parser
from bootstrap_assets.repositories.records import Change
from bootstrap_assets.repositories.store import KeptBlobs, Repository
from bootstrap_assets.repositories.work import Job, Worker, working
from bootstrap_assets.settings import Settings
from bootstrap_assets.stopping import Stop

statement = statements_of(__name__)

_log = logging.getLogger(__name__)

COUNTS = (*registry.COUNTS, "findings")


def process(corpus: Corpus, names: Sequence[str] | None = None) -> int:
    """Work on the open jobs of these repositories (None: of all) until each has ended; returns how many it did.

    What may pass is tried again later, what lasts fails its job alone. Raises StoppedError when asked to stop,
    once the job at work has ended or its time to drain is over.
    """
    folders.sweep(clones(corpus.settings))
    jobs = 0
    with _worker(corpus) as worker:
        while job := worker.claim(names):
            try:
                jobs += _run(corpus, worker, job) if _may_begin(corpus, job) else _given_up(corpus, worker, job)
            finally:
                worker.release(job)
    if corpus.stop.is_set():
        raise StoppedError
    return jobs


def retry(connection: Connection, names: Sequence[str] | None = None) -> list[str]:
    """Let what failed begin again: jobs, and texts that were refused a vector; returns the repositories."""
    again = set(registry.retry(connection, names))
    for state in registry.states(connection, names):
        if records.retry_texts(connection, state.name) and state.name not in again:
            registry.enqueue(connection, state.name, state.commit)
            again.add(state.name)
    return sorted(again)


def clones(settings: Settings) -> Path:
    """The folder that temporary clones lie in."""
    return settings.root / "clones"


def access(settings: Settings) -> Access:
    """Which addresses are asked."""
    return Access(private=settings.repository_private)


def credentials(settings: Settings, address: str) -> Credentials:
    """Who asks an address: the password is for the one host that it is set for."""
    host = address.partition("://")[2].partition("/")[0]
    is_for_it = host and host.lower() == settings.repository_host.lower()
    secret = settings.repository_password
    return Credentials(
        user=settings.repository_user,
        password=secret.get_secret_value() if secret and is_for_it else "",
        helper=settings.repository_helper,
    )


def remote_commit(
    settings: Settings, repository: Repository, limits: Limits = LIMITS, stop: Stop | None = None
) -> str:
    """The commit that a repository's ref means now, as its server says."""
    return latest(
        repository.address,
        repository.ref,
        clones(settings),
        access(settings),
        credentials(settings, repository.address),
        limits,
        stop,
    )


def _worker(corpus: Corpus) -> AbstractContextManager[Worker]:
    settings = corpus.settings
    return working(
        corpus.database,
        limit=settings.repositories_at_work,
        run_id=corpus.run_id,
        drain_seconds=settings.repository_drain_seconds,
        stop=corpus.stop,
    )


def _may_begin(corpus: Corpus, job: Job) -> bool:
    """Whether a job has attempts left: those count too that a dead process began and nobody ended."""
    return job.attempts <= corpus.settings.repository_retries + 1


def _given_up(corpus: Corpus, worker: Worker, job: Job) -> bool:
    """A job whose attempts are used up: it ended each process that worked on it."""
    error = AttemptsError(
        f"its {job.attempts - 1} attempts are used up, and the process of the last one died: "
        f"`bootstrap repositories retry {job.repository}` tries it again"
    )
    _log.info("[%s] %s: failed: %s", job.correlation_id, job.repository, error)
    corpus.database.transact(partial(worker.fail, job=job, error=error, seconds={}))
    return True


def _run(corpus: Corpus, worker: Worker, job: Job) -> bool:
    """One attempt at a job; whether it ended."""
    with worker.watching(job) as stop:
        attempt = Attempt(replace(corpus, stop=stop), worker, job)
        try:
            attempt.run()
            return True
        except Exception as error:  # noqa: BLE001 - whatever it is, it fails this job alone
            return _ended_by(corpus, attempt, error)


def _ended_by(corpus: Corpus, attempt: "Attempt", error: Exception) -> bool:
    worker, job = attempt.worker, attempt.job
    if attempt.corpus.stop.is_set() or (isinstance(error, StoppedError) and not isinstance(error, BudgetError)):
        attempt.say("stopped in %s", attempt.stage)
        corpus.database.transact(partial(worker.put_back, job=job))  # one that is cancelled stays so
        return False
    if is_transient(error) and job.attempts <= corpus.settings.repository_retries:
        delay = corpus.settings.repository_retry_seconds * 2 ** (job.attempts - 1)
        attempt.say("failed in %s, again in %g s: %s", attempt.stage, delay, explain(error))
        corpus.database.transact(partial(worker.put_back, job=job, error=error, delay=delay))
        return False
    attempt.say("failed in %s: %s", attempt.stage, explain(error))
    corpus.database.transact(partial(worker.fail, job=job, error=error, seconds=attempt.seconds))
    return True


class Attempt:
    """One attempt at a job, stage by stage; `seconds` of each that ended. Its corpus has the job's own stop."""

    def __init__(self, corpus: Corpus, worker: Worker, job: Job) -> None:
        self.corpus = corpus
        self.worker = worker
        self.job = job
        self.repository = Repository(job.repository, job.address, job.ref, job.tenant)
        self.stage = ""
        self.seconds: dict[str, float] = {}
        self._began = time.monotonic()

    def say(self, line: str, *values: object) -> None:
        """A line of the log, with the correlation id."""
        _log.info(f"[%s] {self.job.repository}: {line}", self.job.correlation_id, *values)

    def begin(self, stage: str) -> None:
        """A stage begins, and with it the one before has ended."""
        self._lap()
        self.stage = stage
        self.say("%s", stage)
        self.worker.begin_stage(self.job, stage, self.seconds)

    def _lap(self) -> None:
        if self.stage:
            self.seconds[self.stage] = time.monotonic() - self._began
        self._began = time.monotonic()

    def run(self) -> None:
        """All stages; those that a commit went through already are left out."""
        self.begin("clone")
        commit = self.job.revision or remote_commit(self.corpus.settings, self.repository, stop=self.corpus.stop)
        if not self._is_stored(commit):
            commit = self._index(commit)
        settlement.settle(self.corpus.database)  # also what an earlier attempt left
        self.begin("embed")
        self._embed()
        self._lap()
        self._end(commit)

    def _is_stored(self, commit: str) -> bool:
        with self.corpus.database.connection() as connection:
            return store.is_indexed(connection, self.job.repository, commit)

    def _index(self, commit: str) -> str:
        with ExitStack() as open_things:
            commit_of_clone = open_things.enter_context(self._clone(commit))
            parser = open_things.enter_context(Parser(stop=self.corpus.stop))
            stagings: list[tuple[Change, Staging]] = []

            def symbols(index: Index) -> None:
                stagings.append(open_things.enter_context(self._records(index, commit_of_clone)))

            index = index_commit(
                commit_of_clone,
                parser,
                memory=KeptBlobs(self.corpus.database, {one.oid for one in commit_of_clone.entries()}),
                snapshot=snapshot.read(self.corpus.database, self.job.repository),
                stop=self.corpus.stop,
                stage=self.begin,
                symbols=symbols,
            )
            self.begin("store")
            self.corpus.database.transact(partial(self._store, index=index, staging=stagings[0]))
        return index.commit

    def _clone(self, commit: str) -> AbstractContextManager[Clone]:
        settings, address = self.corpus.settings, self.job.address
        return clone(
            address,
            commit,
            clones(settings),
            access(settings),
            credentials(settings, address),
            stop=self.corpus.stop,
        )

    @contextmanager
    def _records(self, index: Index, commit_of_clone: Clone) -> Iterator[tuple[Change, Staging]]:
        self.corpus.database.transact(partial(store.keep_blobs, blobs=index.fresh))
        with self.corpus.database.connection() as connection:
            change = records.change_of(connection, self.repository, index.files)
        entries = records.documents_of(self.repository, change.files, index.parsed, commit_of_clone.read)
        with stage(records.SOURCE, entries) as staging:
            yield change, staging

    def _store(self, connection: Connection, index: Index, staging: tuple[Change, Staging]) -> None:
        if self.corpus.stop.is_set() or not self.worker.holds(connection, self.job):
            raise StoppedError
        change, entries = staging
        if change.files or change.missing:
            load.store(connection, entries, change.scope(self.repository), allow_deletes=True)
        store.swap(connection, self.repository, index)

    def _embed(self) -> None:
        corpus = self.corpus
        texts = partial(batch_stages.texts_of_documents, space=corpus.space, documents=self._documents())
        hashes = corpus.database.transact(texts)
        if hashes:
            limit = int(corpus.embedder.model.context * MARGIN)
            work = Work(
                corpus.space, records.SOURCE, corpus.settings.batches, limit=limit, only=hashes, bounded=True
            )
            corpus.database.transact(partial(spaces.refill, space=corpus.space))
            Filler(corpus, work, on_batch=lambda _batch: None).run()

    def _documents(self) -> list[UUID]:
        with self.corpus.database.connection() as connection:
            return records.ids_of(self.job.repository, records.paths_of(connection, self.job.repository))

    def _end(self, commit: str) -> None:
        def end(connection: Connection) -> dict[str, int]:
            counts, refused = self._counts(connection)
            reason = f"{refused:,} texts have no vector: `bootstrap failures list`" if refused else None
            self.worker.end(
                connection, self.job, commit=commit, seconds=self.seconds, counts=counts, reason=reason
            )
            return counts

        self.say("completed: %s", self.corpus.database.transact(end))

    def _counts(self, connection: Connection) -> tuple[dict[str, int], int]:
        row = connection.execute(statement("counts"), {"repository": self.job.repository}).fetchone()
        counts = dict(zip(COUNTS, row or (), strict=True))
        parameters = {"documents": self._documents(), "space": self.corpus.space.id}
        row = connection.execute(statement("refused_texts"), parameters).fetchone()
        refused = int(row[0]) if row else 0
        counts["findings"] += refused
        return counts, refused
