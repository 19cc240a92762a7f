"""The whole way of the data: archives, records, texts, vectors, index. Without Dagster, which only calls it.

    fetch ──> load ──> embed ──> build_index
    archive   records  vectors   HNSW + full text

Each stage hands over through rows in PostgreSQL, so any stage can run again, alone, or on another machine.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import uuid4

from bootstrap_assets import sample
from bootstrap_assets.embed.choose import choose_embedder
from bootstrap_assets.embed.protocol import Embedder, Fitting
from bootstrap_assets.errors import ArchiveError, ConfigurationError, StoppedError
from bootstrap_assets.fill import MARGIN, BatchDone, Filled, Filler
from bootstrap_assets.gate import limiter_of
from bootstrap_assets.records import Finding, ParsedDocument, content_hash
from bootstrap_assets.sample import provenance
from bootstrap_assets.send import Patience
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources import download
from bootstrap_assets.sources.passages import cut
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.sources.spec import SHARED_VERSION, Parsed, Source, describe_folder, find_archives
from bootstrap_assets.stopping import Stop
from bootstrap_assets.store import batching, failures, index, progress, retention, schema, spaces
from bootstrap_assets.store import corpus as corpus_store
from bootstrap_assets.store.corpus import Loaded
from bootstrap_assets.store.database import Connection, Database, database_url
from bootstrap_assets.store.heartbeat import beating
from bootstrap_assets.store.index import Indexed
from bootstrap_assets.store.ledger import Payer
from bootstrap_assets.store.progress import Tally
from bootstrap_assets.store.spaces import Space
from bootstrap_assets.store.vectors import Work

FITTED_ON = 5_000
"""Texts that an embedder learns from: enough to tell frequent tokens from rare ones."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A file of a source, as published: where it lies, its size in bytes and its SHA-256.

    `invented`: it is not, but written by our own sample or generator.
    """

    path: Path
    size: int
    sha256: str
    invented: bool = False


@dataclass(frozen=True, slots=True)
class Corpus:
    """What every stage works with: settings, an open database, an embedder and its space.

    `run_id` names the run in the ledger, where what it spent is counted against `max_cost` (dollars). Setting
    `stop`, from another thread, ends the work at its next safe point with StoppedError.
    """

    settings: Settings
    database: Database
    embedder: Embedder
    space: Space
    run_id: str = field(default_factory=lambda: uuid4().hex)
    max_cost: float | None = None
    stop: Stop = field(default_factory=Stop)

    @property
    def payer(self) -> Payer:
        """On whose account this run's requests go."""
        return Payer(limiter_of(self.embedder), self.run_id, self.max_cost)


@contextmanager
def open_corpus(
    settings: Settings, *, run_id: str | None = None, max_cost: float | None = None, stop: Stop | None = None
) -> Iterator[Corpus]:
    """Open the database, started and migrated if need be, and the space of the embedder for it."""
    choose_embedder(settings)  # what is wrong in any case is said before a server is started
    url = database_url(settings)
    schema.upgrade(url)
    with Database(url, size=settings.embed_workers + 4) as database:
        with database.connection() as connection:
            batching.require(connection, settings.batches)
            embedder = embedder_for(connection, settings)
            model = embedder.model
            space = spaces.ensure(connection, model.provider, model.name, model.dimensions)
        yield Corpus(settings, database, embedder, space, run_id or uuid4().hex, max_cost, stop or Stop())


def embedder_for(connection: Connection, settings: Settings) -> Embedder:
    """The embedder for a database, by its settings and the vectors that it has (embed/choose.py has the rule)."""
    return choose_embedder(settings, spaces.known(connection))


def bootstrap(
    corpus: Corpus, sources: Sequence[Source] | None = None, *, force: bool = False, allow_deletes: bool = False
) -> tuple[dict[str, Filled], Indexed]:
    """The whole way, for all sources or some: returns what was embedded of each, and what became of the index."""
    filled: dict[str, Filled] = {}
    for source in sources if sources is not None else SOURCES.values():
        archives = fetch(corpus.settings, source, force=force)
        load(corpus, source, archives, allow_deletes=allow_deletes)
        filled[source.name] = embed(corpus, source)
    return filled, build_index(corpus)


def fetch(settings: Settings, source: Source, *, force: bool = False) -> list[Archive]:
    """The archives of a source: bundled, downloaded, or lying in a folder. ArchiveError where there are none.

    `force` downloads again what has changed on the server.
    """
    return [_describe(path) for path in _locate(settings, source, force=force)]


def load(corpus: Corpus, source: Source, archives: Sequence[Archive], *, allow_deletes: bool = False) -> Loaded:
    """Parse a source's archives and bring its rows to what they say, in one transaction.

    Does nothing where the corpus already holds what these archives give.
    """
    loaded = partial(
        merge,
        settings=corpus.settings,
        source=source,
        archives=archives,
        allow_deletes=allow_deletes,
        on_records=_teller(corpus, source.name),
    )
    with _at_work(corpus, source.name, afresh=True):
        result = corpus.database.transact(loaded)
        corpus.database.transact(partial(progress.settle, space=corpus.space, source=source.name))
        return result


def merge(
    connection: Connection,
    settings: Settings,
    source: Source,
    archives: Sequence[Archive],
    *,
    allow_deletes: bool = False,
    on_records: Callable[[int], None] = lambda _records: None,
) -> Loaded:
    """`load` within a transaction of the caller's."""
    options = options_of(settings, source)
    fingerprint = fingerprint_of(source, options, archives)
    if corpus_store.is_loaded(connection, source.name, fingerprint):
        loaded = corpus_store.counts(connection, source.name)
        loaded.unchanged_archive = True
        progress.parsed(connection, source.name, loaded.records)
        return loaded
    loaded = corpus_store.load(
        connection,
        source.name,
        parse(source, archives, options),
        cut=parts_of,
        allow_deletes=allow_deletes,
        on_records=on_records,
    )
    progress.loaded(connection, source.name, fingerprint, loaded)
    return loaded


def embed(
    corpus: Corpus,
    source: Source,
    *,
    batches: Sequence[int] | None = None,
    on_batch: Callable[[BatchDone], None] = lambda _batch: None,
) -> Filled:
    """Fill the vectors that a source, or some of its batches, lacks. `on_batch` is told each complete batch."""
    filler = _filler(corpus, source.name, batches=batches, on_batch=on_batch)
    corpus.database.transact(partial(spaces.refill, space=corpus.space))
    return _fill(corpus, source.name, filler)


def retry_failures(
    corpus: Corpus, *, source: str | None = None, error_class: str | None = None
) -> dict[str, Filled]:
    """Embed the texts of the dead letters of the corpus's space, and nothing else; by source."""
    chosen = corpus.database.transact(
        partial(failures.hashes_by_source, space=corpus.space, source=source, error_class=error_class)
    )
    done: dict[str, Filled] = {}
    if chosen:
        corpus.database.transact(partial(spaces.refill, space=corpus.space))
    for name, hashes in chosen.items():
        done[name] = _fill(corpus, name, _filler(corpus, name, only=hashes))
    return done


def build_index(corpus: Corpus, *, rebuild: bool = False) -> Indexed:
    """Build or keep the index of the space, and promote it when it covers the corpus; prune what is old.

    A space takes the place of another one that is searched only where its provider or model was set.
    """
    _fit(corpus)
    indexed = index.build(
        corpus.database, corpus.space, rebuild=rebuild, chosen=corpus.settings.names_a_model, stop=corpus.stop
    )
    retention.prune(corpus.database)
    return indexed


def _fit(corpus: Corpus) -> None:
    """Let the embedder learn what its queries need, where it learnt from another corpus than this."""
    transact, space = corpus.database.transact, corpus.space
    if not isinstance(corpus.embedder, Fitting) or transact(partial(spaces.is_fitted, space=space)):
        return
    version, texts = transact(partial(spaces.some_texts, limit=FITTED_ON))
    transact(partial(spaces.fit, space=space, learnt=corpus.embedder.fit(texts), of=version))


def _filler(
    corpus: Corpus,
    source: str,
    *,
    batches: Sequence[int] | None = None,
    only: list[bytes] | None = None,
    on_batch: Callable[[BatchDone], None] = lambda _batch: None,
) -> Filler:
    settings, model = corpus.settings, corpus.embedder.model
    work = Work(
        space=corpus.space,
        source=source,
        count=settings.batches,
        limit=int(model.context * MARGIN),
        requested=list(batches) if batches is not None else None,
        only=only,
    )
    return Filler(
        corpus.database,
        corpus.embedder,
        work,
        payer=corpus.payer,
        patience=Patience(settings.retries, settings.retry_seconds, settings.breaker_seconds),
        workers=settings.embed_workers,
        on_batch=on_batch,
        stop=corpus.stop.child(),
    )


def _fill(corpus: Corpus, source: str, filler: Filler) -> Filled:
    with _at_work(corpus, source) as tally:
        try:
            filled = filler.run()
        finally:
            tally.embedded = filler.embedded
        end = partial(progress.end, space=corpus.space, source=source, tally=tally)
        filled.status = corpus.database.transact(end).status
    return filled


@contextmanager
def _at_work(corpus: Corpus, source: str, *, afresh: bool = False) -> Iterator[Tally]:
    every = corpus.settings.heartbeat_seconds
    with (
        progress.working_on(corpus.database, source, afresh=afresh) as tally,
        beating(corpus.database, source, every=every),
    ):
        yield tally


def _locate(settings: Settings, source: Source, *, force: bool) -> list[Path]:
    if settings.data == "official":
        return _download(settings, source, force=force)
    if settings.data == "sample":
        written = sample.write_sample(settings.root / "sample")
        return [path for path in written if path.parent.name == source.name]
    folder = Path(settings.data).expanduser()
    if not folder.is_dir():
        raise ConfigurationError(f"BOOTSTRAP_DATA: there is no folder {folder}")
    found = find_archives(folder / source.name) if (folder / source.name).is_dir() else []
    if not found:
        raise ArchiveError(
            f"{source.name}: no archive in {folder / source.name}; "
            f"put {', '.join(remote.filename for remote in source.remotes)} there "
            f"({describe_folder(folder / source.name)})"
        )
    return found


def _download(settings: Settings, source: Source, *, force: bool) -> list[Path]:
    folder = settings.root / "downloads" / source.name
    lock = download.ChecksumLock(folder)
    return [download.fetch(remote, folder, lock=lock, force=force).path for remote in source.remotes]


def _describe(path: Path) -> Archive:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Archive(path, path.stat().st_size, digest, provenance.is_invented(path))


def parse(source: Source, archives: Sequence[Archive], options: Mapping[str, object]) -> Parsed:
    """What a source's archives hold; documents from invented ones say so, also where others lie beside them."""
    entries = source.parse([archive.path for archive in archives], options)
    invented = [archive.path for archive in archives if archive.invented]
    if not invented:
        return entries
    if len(invented) == len(archives):
        return (_owned(entry) for entry in entries)
    # By their texts: of two documents with one id, the second gets another.
    ours = {text for entry in source.parse(invented, options) if (text := _text_of(entry))}
    return (_owned(entry) if _text_of(entry) in ours else entry for entry in entries)


def _text_of(entry: ParsedDocument | Finding) -> bytes | None:
    return content_hash(entry.document.text) if isinstance(entry, ParsedDocument) else None


def _owned(entry: ParsedDocument | Finding) -> ParsedDocument | Finding:
    return provenance.own(entry) if isinstance(entry, ParsedDocument) else entry


def options_of(settings: Settings, source: Source) -> dict[str, object]:
    """What a source is parsed with."""
    return dict(source.options) | settings.source_options.get(source.name, {})


def parts_of(text: str) -> list[str]:
    """The passages that a text too long for a model is pooled from."""
    return [text[passage.start : passage.end] for passage in cut(text)]


def fingerprint_of(source: Source, options: dict[str, object], archives: Sequence[Archive]) -> str:
    """What tells whether a source's records would come out the same: archives, the parser's versions, options."""
    parts = [
        SHARED_VERSION,
        source.version,
        options,
        [[archive.path.name, archive.sha256] for archive in archives],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _teller(corpus: Corpus, source: str, every: float = 0.5) -> Callable[[int], None]:
    """Tells the records parsed so far, at most every half second, outside the load's own transaction."""
    last = time.monotonic()

    def tell(records: int) -> None:
        nonlocal last
        if corpus.stop.is_set():
            raise StoppedError
        if time.monotonic() - last >= every:
            last = time.monotonic()
            with corpus.database.connection() as connection:
                progress.parsed(connection, source, records)

    return tell
