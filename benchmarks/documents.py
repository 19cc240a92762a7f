"""Tenants' documents through all stages: long ones, and a thousand small ones of twenty tenants.

    make bench-documents

On a PostgreSQL that is started for this and syncs to no disk. The long ones: seconds of each stage with the model
of the package, and the most memory of this process and of the extractor's child. The small ones through Dagster, a
run for each tenant in this process, against the fake provider: seconds, and what each document takes beyond its
extraction and the filling of its vectors. A folder of 10,000 small files: seconds of the first look, and the next.
"""

import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.extraction import made_epub, made_pdf
from bootstrap_assets import pipeline
from bootstrap_assets.database.embedded import server
from bootstrap_assets.documents import inbox, stages, states, tenants
from bootstrap_assets.documents.extraction.extractor import Extractor
from bootstrap_assets.documents.folders import LocalFolder
from bootstrap_assets.embedding.context import Corpus, open_corpus
from bootstrap_assets.sample.synthetic import clause_texts
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.registry import SOURCES
from tests.fakes.voyage_server import VoyageServer

TENANTS, DOCUMENTS, CLAUSES = 20, 50, 5
FILES = 10_000


class Stopwatch:
    """Seconds that were spent in some functions."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def on(self, holder: Any, name: str) -> None:
        """Count the seconds of a function, or of a method, from now on."""
        work: Callable[..., Any] = getattr(holder, name)

        @wraps(work)
        def timed(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return work(*arguments, **options)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

        setattr(holder, name, timed)


@contextmanager
def corpus_in(home: Path, **settings: Any) -> Iterator[Corpus]:
    """A corpus with one source as its reference, on a server that syncs to no disk."""
    url = server.start(home)
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
            connection.execute(f"ALTER SYSTEM SET {setting}".encode())
        connection.execute("SELECT pg_reload_conf()")
    try:
        with open_corpus(load_settings(home=home, database_url=url, **settings)) as corpus:
            pipeline.bootstrap(corpus, [SOURCES["bonterms"], SOURCES["contract_nli"]])
            yield corpus
    finally:
        server.stop(home)


def mebibytes(who: int) -> float:
    """The most memory that this process, or one of its children that have ended, held."""
    return resource.getrusage(who).ru_maxrss / 1024


def long_ones(corpus: Corpus, folder: Path) -> None:
    """A PDF of 300 pages and a book of 500 chapters, one after the other."""
    for name, content in (("long.pdf", made_pdf(300)), ("long.epub", made_epub(500))):
        (folder / name).write_bytes(content)
        tenant = name.partition(".")[2]
        with corpus.database.connection() as connection:
            tenants.add(connection, tenant)
        inbox.add(corpus.database, tenant, [folder / name])
        started = time.perf_counter()
        done = stages.process(corpus, tenant)
        seconds = time.perf_counter() - started
        with corpus.database.connection() as connection:
            [state] = states.listing(connection, tenant=tenant)
        each = ", ".join(f"{stage} {processed.seconds:.1f}" for stage, processed in done.items())
        print(f"{name}: {state.stage}, {state.passages:,} passages, {seconds:.1f} s ({each})")
    own, child = mebibytes(resource.RUSAGE_SELF), mebibytes(resource.RUSAGE_CHILDREN)
    print(f"most memory: {own:.0f} MiB of the process, {child:.0f} MiB of the extractor's child")


def small_ones(corpus: Corpus, provider: VoyageServer, folder: Path, watch: Stopwatch) -> None:
    """A run of Dagster for each tenant, each with as many small documents."""
    from bootstrap_assets.defs.documents import TENANTS as PARTITIONS

    names = [f"tenant-{number}" for number in range(TENANTS)]
    made = [text for text, _ in clause_texts(TENANTS * DOCUMENTS * CLAUSES, seed=7)]
    for number, name in enumerate(names):
        with corpus.database.connection() as connection:
            tenants.add(connection, name)
        (folder / name).mkdir()
        for document in range(DOCUMENTS):
            first = (number * DOCUMENTS + document) * CLAUSES
            sections = [
                f"## {place}. Section\n\n{text}" for place, text in enumerate(made[first : first + CLAUSES])
            ]
            (folder / name / f"{document}.md").write_text("\n\n".join(sections))
        inbox.add(corpus.database, name, [folder / name])
    import dagster as dg

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(PARTITIONS.name or "", names)
        watch.seconds.clear()
        started = time.perf_counter()
        for name in names:
            materialize(corpus, instance, name)
        seconds = time.perf_counter() - started
    _tell(corpus, provider, seconds, watch)


def materialize(corpus: Corpus, instance: Any, tenant: str) -> None:
    """The four assets of a tenant's documents, in one run in this process."""
    import dagster as dg

    from bootstrap_assets.defs import documents
    from bootstrap_assets.defs.resources import CorpusResource

    class Opened(CorpusResource):
        def settings(self) -> Any:
            return corpus.settings

    assets = [
        documents.document_text,
        documents.document_passages,
        documents.document_embeddings,
        documents.document_connections,
    ]
    run = dg.materialize(
        assets,
        partition_key=tenant,
        instance=instance,
        resources={"corpus": Opened()},
        run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
    )
    assert run.success


def _tell(corpus: Corpus, provider: VoyageServer, seconds: float, watch: Stopwatch) -> None:
    with corpus.database.connection() as connection:
        found = [state for state in states.listing(connection) if state.tenant.startswith("tenant-")]
    count = len(found)
    assert {state.stage for state in found} == {"complete"}
    beyond = 1000 * (seconds - sum(watch.seconds.values())) / count
    spent = ", ".join(f"{name.strip('_')} {value:.1f}" for name, value in watch.seconds.items())
    print(
        f"{count:,} documents of {TENANTS} tenants, {sum(state.passages or 0 for state in found):,} passages: "
        f"{seconds:.1f} s ({spent}); {beyond:.1f} ms each beyond these; "
        f"texts paid twice: {provider.texts_paid_twice}"
    )


def many_files(corpus: Corpus, folder: Path) -> None:
    """A folder of small files, looked at twice."""
    for number in range(FILES):
        (folder / f"{number:05}.txt").write_text(f"Clause {number} binds party {number}.")
    with corpus.database.connection() as connection:
        tenants.add(connection, "files")
    for look in ("first", "second"):
        started = time.perf_counter()
        intake = inbox.scan(corpus.database, LocalFolder(folder), "files")
        print(
            f"{look} look at {FILES:,} files: {time.perf_counter() - started:.1f} s, {len(intake.added):,} added"
        )


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="bd-"))
    watch = Stopwatch()
    try:
        (home / "files").mkdir()
        with corpus_in(home / "l", embedder="local") as corpus:
            long_ones(corpus, home)
            many_files(corpus, home / "files")
        watch.on(Extractor, "extract")
        watch.on(stages, "_fill")
        with VoyageServer() as provider:
            paid = {"embedder": "voyage", "voyage_api_key": "key", "voyage_base_url": provider.url}
            with corpus_in(home / "s", **paid) as corpus:
                small_ones(corpus, provider, home, watch)
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
