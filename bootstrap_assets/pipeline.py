"""The path of the data: archives, records, texts, vectors, index. Without Dagster, which only calls it.

    fetch ──> load ──> embed ──> build_index
    archive   records  vectors   HNSW + full text

Each stage hands over through rows in PostgreSQL, so any stage can run again, alone, or on another machine.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from bootstrap_assets.corpus import load as corpus_store
from bootstrap_assets.corpus import overview, settlement
from bootstrap_assets.corpus.load import Loaded
from bootstrap_assets.corpus.records import Finding, ParsedDocument
from bootstrap_assets.corpus.scope import Scope
from bootstrap_assets.corpus.staging import Staging, stage
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.documents.states import SOURCE as DOCUMENTS
from bootstrap_assets.embedding import failures, spaces, stages
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.fill import MARGIN, BatchDone, Filled, Filler
from bootstrap_assets.embedding.providers.protocol import Fitting
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.embedding.vectors import Work
from bootstrap_assets.errors import StoppedError
from bootstrap_assets.labels import likelihoods
from bootstrap_assets.operations import progress, retention
from bootstrap_assets.operations.heartbeat import beating
from bootstrap_assets.operations.progress import Tally
from bootstrap_assets.repositories.records import SOURCE as REPOSITORIES
from bootstrap_assets.search import index
from bootstrap_assets.search.index import Indexed
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.fetch.locate import Archive
from bootstrap_assets.sources.fetch.shared_lock import fetch
from bootstrap_assets.sources.reading import fingerprint_of, options_of, parse
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.sources.spec import Source
from bootstrap_assets.spans import span, with_batches

FITTED_ON = 5_000
"""Texts that an embedder learns from: enough to tell frequent tokens from rare ones."""


def bootstrap(
    corpus: Corpus, sources: Sequence[Source] | None = None, *, force: bool = False, allow_deletes: bool = False
) -> tuple[dict[str, Filled], Indexed]:
    """Run every stage for all sources or some: returns what was embedded of each, and the outcome of the index."""
    results: dict[str, Filled] = {}
    for source in sources if sources is not None else SOURCES.values():
        archives = fetch(corpus.database, corpus.settings, source, force=force)
        load(corpus, source, archives, allow_deletes=allow_deletes)
        results[source.name] = embed(corpus, source)
    return results, build_index(corpus)


def load(corpus: Corpus, source: Source, archives: Sequence[Archive], *, allow_deletes: bool = False) -> Loaded:
    """Parse a source's archives, then make its rows agree with them, in one transaction.

    Does nothing where the corpus already holds what these archives give.
    """
    options = options_of(corpus.settings, source)
    fingerprint, transact = fingerprint_of(source, options, archives), corpus.database.transact
    with span("load", source=source.name), _at_work(corpus, source.name, afresh=True):
        result = transact(partial(_earlier_load, source=source.name, fingerprint=fingerprint))
        if result is None:
            entries = parse(source, archives, options)
            with stage(source.name, entries, _reporter(corpus, source.name)) as staging:
                result = transact(
                    partial(
                        _store, staging=staging, source=source.name, fingerprint=fingerprint, allow=allow_deletes
                    )
                )
            transact(partial(corpus_store.analyze, outcome=result))
        settlement.settle_some(corpus.database)
        transact(partial(stages.settle, space=corpus.space, source=source.name))
        return result


def load_documents(
    corpus: Corpus,
    source: str,
    documents: Iterable[ParsedDocument | Finding],
    *,
    removed: Sequence[str] = (),
    allow_deletes: bool = False,
) -> Loaded:
    """Make some documents of a source agree with `documents`, and delete those `removed` (source ids).

    No other document is read or changed, and what is known about the source's last parse is adjusted. Raises
    MassDeleteError where more than a fifth of the records of all these documents would go. `embed_documents` gives
    them their vectors.
    """
    with _at_work(corpus, source, afresh=True):
        with stage(source, documents, _reporter(corpus, source)) as staging:
            scope = Scope(source, tuple(dict.fromkeys([*staging.documents, *removed])))
            store = partial(
                _store_documents, space=corpus.space, staging=staging, scope=scope, allow=allow_deletes
            )
            result = corpus.database.transact(store)
        corpus.database.transact(partial(corpus_store.analyze, outcome=result))
        settlement.settle(corpus.database)
        corpus.database.transact(partial(stages.settle, space=corpus.space, source=source, bounded=True))
    return result


def _store_documents(
    connection: Connection, *, space: Space, staging: Staging, scope: Scope, allow: bool
) -> Loaded:
    ids = scope.parameters["documents"]
    embedded_before = stages.embedded_of_documents(connection, space, ids)
    result = corpus_store.store(connection, staging, scope, allow_deletes=allow)
    progress.record_documents(connection, scope.source, result)
    embedded = stages.embedded_of_documents(connection, space, ids) - embedded_before
    stages.add_embedded(connection, scope.source, embedded)
    return result


def embed_documents(corpus: Corpus, source: str, documents: Sequence[str]) -> Filled:
    """Fill the vectors that some documents (source ids) lack; nothing is asked over the rest of the source."""
    ids = Scope(source, tuple(documents)).parameters["documents"]
    only = corpus.database.transact(partial(stages.texts_of_documents, space=corpus.space, documents=ids))
    corpus.database.transact(partial(spaces.refill, space=corpus.space))
    return _fill(corpus, source, _filler(corpus, source, only=only, bounded=True), bounded=True)


def merge(
    connection: Connection,
    settings: Settings,
    source: Source,
    archives: Sequence[Archive],
    *,
    allow_deletes: bool = False,
) -> Loaded:
    """`load` within the caller's transaction."""
    options = options_of(settings, source)
    fingerprint = fingerprint_of(source, options, archives)
    if result := _earlier_load(connection, source.name, fingerprint):
        return result
    with stage(source.name, parse(source, archives, options)) as staging:
        return _store(connection, staging, source.name, fingerprint, allow=allow_deletes)


def _earlier_load(connection: Connection, source: str, fingerprint: str) -> Loaded | None:
    if not corpus_store.is_loaded(connection, source, fingerprint):
        return None
    result = corpus_store.counts(connection, Scope(source))
    result.unchanged_archive = True
    progress.record_parsed(connection, source, result.records)
    return result


def _store(connection: Connection, staging: Staging, source: str, fingerprint: str, *, allow: bool) -> Loaded:
    result = corpus_store.store(connection, staging, Scope(source), allow_deletes=allow)
    progress.record_load(connection, source, fingerprint, result)
    return result


def embed(
    corpus: Corpus,
    source: Source,
    *,
    batches: Sequence[int] | None = None,
    on_batch: Callable[[BatchDone], None] = lambda _batch: None,
) -> Filled:
    """Fill the vectors that a source, or some of its batches, lacks. `on_batch` gets each complete batch."""
    return embed_records(corpus, source.name, batches=batches, on_batch=on_batch)


def embed_records(
    corpus: Corpus,
    source: str,
    *,
    batches: Sequence[int] | None = None,
    on_batch: Callable[[BatchDone], None] = lambda _batch: None,
) -> Filled:
    """`embed` by the source's name: what is stored of it is all that counts."""
    on_batch = with_batches(on_batch, source)
    filler = _filler(corpus, source, batches=batches, on_batch=on_batch)
    corpus.database.transact(partial(spaces.refill, space=corpus.space))
    with settlement.beside(corpus.database):
        return _fill(corpus, source, filler)


def embed_texts(corpus: Corpus, source: str, hashes: list[bytes]) -> Filled:
    """Fill the vectors of some texts of a source that no load of ours brought; its progress is kept elsewhere."""
    corpus.database.transact(partial(spaces.refill, space=corpus.space))
    return _filler(corpus, source, only=hashes, bounded=True).run()


def retry_failures(
    corpus: Corpus, *, source: str | None = None, error_class: str | None = None
) -> dict[str, Filled]:
    """Embed the texts of the dead letters of the corpus's space, and nothing else; by source.

    Not those of tenants' documents: their stages go on with them, see documents.states.retry.
    """
    hashes_by_source = corpus.database.transact(
        partial(failures.hashes_by_source, space=corpus.space, source=source, error_class=error_class)
    )
    hashes_by_source.pop(REPOSITORIES, None)  # their jobs go on with them: repositories.jobs.retry
    hashes_by_source.pop(DOCUMENTS, None)
    results: dict[str, Filled] = {}
    if hashes_by_source:
        corpus.database.transact(partial(spaces.refill, space=corpus.space))
    for name, hashes in hashes_by_source.items():
        results[name] = _fill(corpus, name, _filler(corpus, name, only=hashes))
    return results


def build_index(corpus: Corpus, *, rebuild: bool = False) -> Indexed:
    """Build or keep the index of the space; prune what is old; have scorers, if any, read what is new.

    The first space of a corpus is searched from then on. Beside one that is searched it becomes `ready` where it
    covers the corpus, and waits for `bootstrap spaces promote`.
    """
    with span("index", space=corpus.space.name):
        _fit(corpus)
        result = index.build(corpus.database, corpus.space, rebuild=rebuild, stop=corpus.stop)
    retention.prune(corpus.database)
    likelihoods.read_new(corpus.database, corpus.stop)
    return result


def build_space(corpus: Corpus) -> Indexed:
    """Fill the corpus's space with all records that are stored, and index it. Nothing is fetched or loaded."""
    for source in corpus.database.transact(overview.sources):
        embed_records(corpus, source)
    return build_index(corpus)


def _fit(corpus: Corpus) -> None:
    """Let the embedder learn what its queries need, where it learnt from a different corpus."""
    transact, space = corpus.database.transact, corpus.space
    if not isinstance(corpus.embedder, Fitting) or transact(partial(spaces.is_fitted, space=space)):
        return
    version, texts = transact(partial(spaces.some_texts, limit=FITTED_ON))
    transact(partial(spaces.fit, space=space, statistics=corpus.embedder.fit(texts), of=version))


def _filler(
    corpus: Corpus,
    source: str,
    *,
    batches: Sequence[int] | None = None,
    only: list[bytes] | None = None,
    bounded: bool = False,
    on_batch: Callable[[BatchDone], None] = lambda _batch: None,
) -> Filler:
    settings, model = corpus.settings, corpus.embedder.model
    work = Work(
        space=corpus.space,
        source=source,
        count=settings.batches,
        limit=int(model.context * MARGIN),
        batches=list(batches) if batches is not None else None,
        only=only,
        bounded=bounded,
    )
    return Filler(corpus, work, on_batch=on_batch)


def _fill(corpus: Corpus, source: str, filler: Filler, *, bounded: bool = False) -> Filled:
    with span("embed", source=source), _at_work(corpus, source) as tally:
        try:
            result = filler.run()
        finally:
            tally.embedded = filler.embedded
        end = partial(stages.end, space=corpus.space, source=source, tally=tally, bounded=bounded)
        result.status = corpus.database.transact(end).status
    return result


@contextmanager
def _at_work(corpus: Corpus, source: str, *, afresh: bool = False) -> Iterator[Tally]:
    every = corpus.settings.heartbeat_seconds
    with (
        progress.working_on(corpus.database, source, afresh=afresh) as tally,
        beating(corpus.database, source, every=every),
    ):
        yield tally


def _reporter(corpus: Corpus, source: str, every: float = 0.5) -> Callable[[int], None]:
    """Reports the records parsed so far, at most every half second, outside the load's own transaction."""
    last = time.monotonic()

    def report(records: int) -> None:
        nonlocal last
        if corpus.stop.is_set():
            raise StoppedError
        if time.monotonic() - last >= every:
            last = time.monotonic()
            with corpus.database.connection() as connection:
                progress.record_parsed(connection, source, records)

    return report
