"""The stages of the work on a tenant's documents: each takes the documents that lack it, and nothing else.

    pending ──> extracted ──> chunked ──> embedded ──> complete
            text          passages    vectors      connections

Every document is claimed by one process at a time (work.py), and each stage ends in the transaction that writes
what it gave. So whatever stops the work, the same call goes on with what is left, and no completed stage is done
again.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from psycopg.types.json import Jsonb

from bootstrap_assets.corpus import load, settlement
from bootstrap_assets.corpus.scope import Scope
from bootstrap_assets.corpus.staging import stage
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.documents import connections, states
from bootstrap_assets.documents.extraction.extractor import Extractor
from bootstrap_assets.documents.extraction.model import ExtractedDocument, Limits, as_json, from_json
from bootstrap_assets.documents.records import parsed_of
from bootstrap_assets.documents.steps import CHUNK, CONNECT, EMBED, EXTRACT, Step
from bootstrap_assets.documents.work import Claim, Worker, working
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding import stages as batch_stages
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.fill import MARGIN, Filled, Filler
from bootstrap_assets.embedding.vectors import Work
from bootstrap_assets.errors import PermanentError, RefusedError, StoppedError, is_transient
from bootstrap_assets.spans import span

statement = statements_of(__name__)

LOOK = 1.0
"""Seconds between two looks whether a document that is being extracted is still wanted."""

FILE_NAME = 200
"""Bytes of a file's name that every file system takes."""

AT_ONCE = 200
"""Documents whose texts are embedded together: one request holds passages of many."""


TOGETHER, TOGETHER_BYTES = 50, 4 << 20
"""Documents that are cut, or connected, in one transaction, for each has its price: so many, and none more once
they have so many bytes, for they are in memory together."""

SMALL_AT_ONCE, SMALL_BYTES = 10, 256 << 10
"""Small documents that are claimed together where each is extracted by itself; a large one is claimed alone."""


@dataclass(slots=True)
class Processed:
    """What a stage did: documents that it brought on, those that failed in it with the reason, seconds."""

    count: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    fill: Filled | None = None


def process(corpus: Corpus, tenant: str) -> dict[str, Processed]:
    """Bring all documents of a tenant on until each is complete or failed; by what they are after each stage."""
    return {step.end: run(corpus, tenant, step) for step in STAGES}


def run(corpus: Corpus, tenant: str, step: Step) -> Processed:
    """One stage, for all documents of a tenant that wait for it. Raises StoppedError when asked to stop."""
    processed, started = Processed(), time.monotonic()
    with span("document stage", tenant=tenant, stage=step.doing), _worker(corpus) as worker:
        STAGES[step](corpus, worker, tenant, processed)
    if corpus.stop.is_set():
        raise StoppedError
    processed.seconds = time.monotonic() - started
    return processed


def _worker(corpus: Corpus) -> AbstractContextManager[Worker]:
    settings = corpus.settings
    return working(
        corpus.database,
        limit=settings.documents_at_work,
        run_id=corpus.run_id,
        every=settings.heartbeat_seconds,
        stop=corpus.stop,
    )


def _extract_all(corpus: Corpus, worker: Worker, tenant: str, processed: Processed) -> None:
    limits = Limits(seconds=corpus.settings.document_seconds)
    with Extractor(limits, heartbeat_seconds=LOOK) as extractor, tempfile.TemporaryDirectory() as folder:
        for claim in _one_by_one(worker, tenant, EXTRACT):
            work = partial(_extract, corpus, worker, extractor, claim, Path(folder))
            _each(corpus, worker, claim, EXTRACT, processed, work)


def _extract(corpus: Corpus, worker: Worker, extractor: Extractor, claim: Claim, folder: Path) -> bool:
    with corpus.database.connection() as connection:
        parameters = {"document": claim.document_id, "version": claim.version}
        row = connection.execute(statement("read_file"), parameters).fetchone()
    if row is None:
        return False  # it was removed, replaced or cancelled
    short = PurePosixPath(claim.name).name.encode()[-FILE_NAME:].decode(errors="ignore")
    file, stop = folder / short, corpus.stop.child()

    def look() -> None:
        if worker.is_unwanted(claim):
            stop.set()

    file.write_bytes(row[0])
    try:
        extracted = extractor.extract(file, sha256=claim.version.hex(), heartbeat=look, stop=stop)
    except StoppedError:
        if corpus.stop.is_set():
            raise
        return False  # nobody wants this document, or these bytes of it, any more
    finally:
        file.unlink()
    return corpus.database.transact(partial(_keep, worker=worker, claim=claim, extracted=extracted))


def _keep(connection: Connection, worker: Worker, claim: Claim, extracted: ExtractedDocument) -> bool:
    parameters = {
        "document": claim.document_id,
        "version": claim.version,
        "extractor": f"{extracted.extractor} {extracted.version}",
        "extracted": Jsonb(as_json(extracted)),
    }
    connection.execute(statement("put_extraction"), parameters)
    return worker.end(connection, claim, EXTRACT, pages=extracted.pages)


def _chunk_all(corpus: Corpus, worker: Worker, tenant: str, processed: Processed) -> None:
    _together(corpus, worker, tenant, CHUNK, processed, partial(_chunk, corpus, worker))
    settlement.settle(corpus.database)


def _together(
    corpus: Corpus,
    worker: Worker,
    tenant: str,
    step: Step,
    processed: Processed,
    work: Callable[[list[Claim]], int],
) -> None:
    """Many documents in one transaction; where that fails, each by itself: one fails alone."""
    while claims := worker.claim(tenant, step, most=TOGETHER, most_bytes=TOGETHER_BYTES):
        try:
            processed.count += work(claims)
        except Exception as error:
            if is_transient(error):
                corpus.database.transact(partial(worker.put_back, claims=claims, step=step))
                raise
            for claim in claims:
                _each(corpus, worker, claim, step, processed, partial(work, [claim]))
        worker.release(claims)


def _chunk(corpus: Corpus, worker: Worker, claims: list[Claim]) -> int:
    parsed = [parsed_of(claim.tenant, claim.name, _extracted(corpus, claim)) for claim in claims]
    ids = tuple(one.document.source_id for one in parsed)
    scope = Scope(states.SOURCE, ids, tenant=claims[0].tenant)

    def store(connection: Connection) -> int:
        ended = [
            worker.end(connection, claim, CHUNK, passages=len(one.records))
            for claim, one in zip(claims, parsed, strict=True)
        ]
        if _is_each(ended):
            load.store(connection, staging, scope, allow_deletes=True)
        return sum(ended)

    with stage(states.SOURCE, parsed) as staging:
        return corpus.database.transact(store)


def _is_each(ended: list[bool]) -> bool:
    """Whether each document was as it was claimed: bytes of some may be others by now, or it was removed.

    Raises PermanentError where that is true of some of many: each is worked on by itself then.
    """
    if len(ended) > 1 and not all(ended):
        raise PermanentError("not all of these documents are as they were claimed")
    return all(ended)


def _extracted(corpus: Corpus, claim: Claim) -> ExtractedDocument:
    with corpus.database.connection() as connection:
        row = connection.execute(statement("read_extraction"), {"document": claim.document_id}).fetchone()
    if row is None:
        raise PermanentError("what was extracted is gone: `bootstrap documents retry --extract` extracts it again")
    return from_json(row[0])


def _embed_all(corpus: Corpus, worker: Worker, tenant: str, processed: Processed) -> None:
    while claims := worker.claim(tenant, EMBED, most=AT_ONCE):
        try:
            documents = [claim.document_id for claim in claims]
            texts = partial(batch_stages.texts_of_documents, space=corpus.space, documents=documents)
            processed.fill = _fill(corpus, corpus.database.transact(texts))
            corpus.database.transact(
                partial(_embedded, corpus=corpus, worker=worker, claims=claims, processed=processed)
            )
        except BaseException:
            corpus.database.transact(partial(worker.put_back, claims=claims, step=EMBED))
            raise
        finally:
            worker.release(claims)


def _fill(corpus: Corpus, hashes: list[bytes]) -> Filled:
    limit = int(corpus.embedder.model.context * MARGIN)
    work = Work(corpus.space, states.SOURCE, corpus.settings.batches, limit=limit, only=hashes, bounded=True)
    corpus.database.transact(partial(spaces.refill, space=corpus.space))
    return Filler(corpus, work, on_batch=lambda _batch: None).run()


def _embedded(
    connection: Connection, corpus: Corpus, worker: Worker, claims: list[Claim], processed: Processed
) -> None:
    query = statement("without_vector").format(vectors=corpus.space.vectors)
    parameters = {"documents": [claim.document_id for claim in claims], "space": corpus.space.id}
    lacking = {document: (count, reason) for document, count, reason in connection.execute(query, parameters)}
    for claim in claims:
        if claim.document_id in lacking:
            count, reason = lacking[claim.document_id]
            error = RefusedError(f"{count:,} of its passages have no vector: {reason or 'they were not embedded'}")
            worker.fail(connection, claim, error)
            processed.failed[claim.name] = str(error)
        else:
            processed.count += worker.end(connection, claim, EMBED)


def _connect_all(corpus: Corpus, worker: Worker, tenant: str, processed: Processed) -> None:
    if not corpus.database.transact(connections.is_possible):
        return  # they wait for the reference corpus
    _together(corpus, worker, tenant, CONNECT, processed, partial(_connect, corpus, worker))


def _connect(corpus: Corpus, worker: Worker, claims: list[Claim]) -> int:
    def connect(connection: Connection) -> int:
        counts = connections.connect(connection, [claim.document_id for claim in claims])
        ended = [
            worker.end(connection, claim, CONNECT, connections=counts.get(claim.document_id, 0))
            for claim in claims
        ]
        return len(ended) if _is_each(ended) else 0

    return corpus.database.transact(connect)


def _one_by_one(worker: Worker, tenant: str, step: Step) -> Iterator[Claim]:
    while claims := worker.claim(tenant, step, most=SMALL_AT_ONCE, most_bytes=SMALL_BYTES):
        yield from claims
        worker.release(claims)


def _each(
    corpus: Corpus, worker: Worker, claim: Claim, step: Step, processed: Processed, work: Callable[[], int]
) -> None:
    """Do the work on one document. What lies in the document fails it alone; what may pass ends the stage."""
    try:
        count = work()
        processed.count += count
        if not count:  # it was cancelled, or is another one by now
            corpus.database.transact(partial(worker.put_back, claims=[claim], step=step))
    except Exception as error:
        if is_transient(error) or isinstance(error, StoppedError):
            corpus.database.transact(partial(worker.put_back, claims=worker.claims, step=step))
            raise
        corpus.database.transact(partial(worker.fail, claim=claim, error=error))
        processed.failed[claim.name] = str(error)


STAGES: dict[Step, Callable[[Corpus, Worker, str, Processed], None]] = {
    EXTRACT: _extract_all,
    CHUNK: _chunk_all,
    EMBED: _embed_all,
    CONNECT: _connect_all,
}
"""In their order."""
