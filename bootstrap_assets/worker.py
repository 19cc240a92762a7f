"""A worker: one of any number of processes that give texts the vectors they lack, until there are none.

It loads no source and changes no schema. What another worker holds by lease is left to it, and waited for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import psycopg

from bootstrap_assets import pipeline
from bootstrap_assets.corpus import overview
from bootstrap_assets.database import schema
from bootstrap_assets.embedding import completeness, stages
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.fill import BatchDone, Filled
from bootstrap_assets.errors import BreakerOpenError, StoppedError, is_transient
from bootstrap_assets.operations.progress import owner
from bootstrap_assets.sources.registry import BESIDE

POLL = 2.0
"""Seconds between two looks whether there is work: a look reads a few rows, however large the corpus."""

LONGEST_PAUSE = 300.0
"""Seconds at most between two attempts, while a provider or the database is away."""


class Report(Protocol):
    """Takes what a worker says: a line, how serious it is (info or warning), the source and batch it is about."""

    def __call__(
        self, message: str, /, *, level: str = "info", source: str | None = None, batch: int | None = None
    ) -> None:
        """Take a line."""


@dataclass(slots=True)
class Work:
    """What a worker has done."""

    texts: int = 0
    requests: int = 0
    dollars: float = 0.0

    def add(self, result: Filled) -> None:
        """Add what was done to a source."""
        self.texts += result.texts + result.pooled
        self.requests += result.requests
        self.dollars += result.cost


def work(corpus: Corpus, sources: Sequence[str] = (), *, idle_exit: bool = False, report: Report) -> Work:
    """Embed what some sources (none: all) lack, as it comes; with `idle_exit` only until nothing is left.

    Ends with StoppedError at its next safe point when the corpus's stop is set. An error that may pass is waited
    out, longer each time; any other is raised.
    """
    worker = _Worker(corpus, sources, report)
    report(f"{owner()} works in the space {corpus.space.name}")
    while True:
        is_idle = worker.look()
        if is_idle and idle_exit:
            return worker.work
        if corpus.stop.wait(POLL if is_idle else worker.pause):
            raise StoppedError


class _Worker:
    def __init__(self, corpus: Corpus, sources: Sequence[str], report: Report) -> None:
        self.work = Work()
        self.pause = 0.0
        self._corpus = corpus
        self._sources = sources
        self._report = report
        self._version: str | None = None

    def look(self) -> bool:
        """Do what there is to do; returns whether nothing is left."""
        try:
            return self._look()
        except Exception as error:
            if isinstance(error, psycopg.ProgrammingError):
                self._require_schema()  # which says so where another version came in the middle
            if not (is_transient(error) or isinstance(error, BreakerOpenError)):
                raise
            self.pause = min(LONGEST_PAUSE, max(1.0, self.pause * 2))
            self._report(f"tries again in {self.pause:.0f} s: {error}", level="warning")
            return False

    def _look(self) -> bool:
        transact = self._corpus.database.transact
        self._require_schema()
        version = transact(partial(completeness.coverage_version, space=self._corpus.space))
        if version == self._version:
            return True
        for source in self._sources or transact(overview.sources):
            self._fill(source)
        self.pause, self._version = 0.0, version
        return False

    def _require_schema(self) -> None:
        """Raise SchemaError where a newer version has upgraded the database while this one was at work."""
        self._corpus.database.transact(schema.require_current)

    def _fill(self, source: str) -> None:
        corpus, transact = self._corpus, self._corpus.database.transact
        if source in BESIDE:  # what waits for these texts goes on by itself
            hashes = transact(partial(stages.texts_of_source, space=corpus.space, source=source))
            if hashes:
                self._tell(source, pipeline.embed_texts(corpus, source, hashes))
        elif transact(partial(stages.count_embedded, space=corpus.space, source=source)).left:
            on_batch = partial(self._tell_batch, source)
            self._tell(source, pipeline.embed_records(corpus, source, on_batch=on_batch))

    def _tell_batch(self, source: str, batch: BatchDone) -> None:
        if batch.embedded:
            line = f"{source}: batch {batch.batch} is complete, {batch.embedded:,} texts embedded"
            self._report(line, source=source, batch=batch.batch)

    def _tell(self, source: str, result: Filled) -> None:
        self.work.add(result)
        cost = f", ${result.cost:.4f}" if result.cost else ""
        status = "" if source in BESIDE else f"; now {result.status}"
        self._report(f"{source}: {result.texts:,} texts in {result.seconds:.1f} s{cost}{status}", source=source)
