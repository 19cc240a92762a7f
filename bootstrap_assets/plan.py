"""What a run would embed and cost, before anything is paid.

The records are really parsed, and compared with what is in the database in memory. Nothing is written, no lock is
taken, and no space is made: a run that is at work goes on, and a database that may only be read will do. Where no
embedded server was ever made, none is made for it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg

from bootstrap_assets.corpus import load as corpus_store
from bootstrap_assets.corpus import outline
from bootstrap_assets.corpus.outline import Outline
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Connection, connect, existing_database_url
from bootstrap_assets.embedding import batching, foresight, ledger, spaces
from bootstrap_assets.embedding.batches import pack
from bootstrap_assets.embedding.choose import choose_model
from bootstrap_assets.embedding.fill import MARGIN
from bootstrap_assets.embedding.parts import cutter
from bootstrap_assets.embedding.providers.protocol import Model
from bootstrap_assets.errors import NoCorpusError
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources import reading
from bootstrap_assets.sources.fetch import locate
from bootstrap_assets.sources.fetch.locate import Archive
from bootstrap_assets.sources.spec import Source


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would do for a source.

    `texts` are distinct, `already` of them have a vector, `failed` are dead letters; `send` are to be sent, which
    another source of the same run does not send yet. `tokens` are estimated; `minutes` is the least that the rate
    limits allow, or without limits what its last requests took, None where that is not known. `refused`: why a
    run would not load the archive, None where it would; the figures are those of a run that is told to.
    `invented`: some of it is the sample.
    """

    source: str
    records: int
    texts: int
    already: int
    failed: int
    send: int
    tokens: int
    requests: int
    dollars: float
    minutes: float | None
    refused: str | None = None
    invented: bool = False


def estimate(
    settings: Settings, sources: Sequence[Source], *, allow_deletes: bool = False
) -> tuple[Model, list[Estimate]]:
    """The model that would embed, and what it would take for each of some sources, in this order.

    SchemaError where the database has an older or a newer schema; one that has none, or is not made yet, is an
    empty corpus.
    """
    choose_model(settings)  # what is wrong in any case is said before a server is started
    counted: set[bytes] = set()
    estimates = []
    with _corpus(settings) as connection:
        known = []
        if connection:
            with connection.transaction():
                known = spaces.with_vectors(connection)
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        model = choose_model(settings, known)
        for source in sources:
            archives = locate.fetch(settings, source)
            plan = _Plan(connection, settings, source, archives, model, allow_deletes=allow_deletes)
            estimates.append(plan.estimate(counted))
    return model, estimates


@contextmanager
def _corpus(settings: Settings) -> Iterator[Connection | None]:
    """A connection to the corpus, or None where there is none yet."""
    url = None
    with suppress(NoCorpusError):
        url = existing_database_url(settings)
    if url is None:
        yield None
        return
    with connect(url) as connection:
        with connection.transaction():
            is_blank = schema.current(connection) is None
        yield None if is_blank else connection


class _Plan:
    """A source's archives against the database, in short transactions: none is open while they are parsed."""

    def __init__(
        self,
        connection: Connection | None,
        settings: Settings,
        source: Source,
        archives: Sequence[Archive],
        model: Model,
        *,
        allow_deletes: bool,
    ) -> None:
        self._connection = connection
        self._source = source
        self._allow_deletes = allow_deletes
        self._model = model
        self._limit = int(model.context * MARGIN)
        self._invented = any(archive.invented for archive in archives)
        if connection:
            with connection.transaction():
                schema.require_current(connection)
                batching.check(connection, settings.batches)
        self._outline = self._loaded(settings, archives) or outline.parsed(
            source.name,
            reading.parse(source, archives, reading.options_of(settings, source)),
            cutter(self._limit),
            self._limit,
        )

    def _loaded(self, settings: Settings, archives: Sequence[Archive]) -> Outline | None:
        """What is in the corpus, where that is what these archives give."""
        if self._connection is None:
            return None
        options = reading.options_of(settings, self._source)
        fingerprint = reading.fingerprint_of(self._source, options, archives)
        with self._connection.transaction():
            if corpus_store.is_loaded(self._connection, self._source.name, fingerprint):
                return outline.stored(self._connection, self._source.name)
        return None

    def estimate(self, counted: set[bytes]) -> Estimate:
        model, limit, refused, pace = self._model, self._limit, None, None
        if self._connection is None:
            found = foresight.missing(self._outline, {}, limit=limit)
        else:
            with self._connection.transaction():
                space = spaces.find(self._connection, model.provider, model.name, model.dimensions)
                found = foresight.foresee(self._connection, space, self._source.name, self._outline, limit=limit)
                refused = self._refused(self._connection)
                pace = ledger.tokens_per_second(self._connection, space) if space else None
        texts = [text for text in found.send if text.content_hash not in counted]
        counted.update(text.content_hash for text in texts)
        tokens = sum(text.tokens for text in texts)
        most = int(model.request_tokens * MARGIN)
        requests = sum(1 for _ in pack(texts, max_texts=model.request_texts, max_tokens=most))
        return Estimate(
            source=self._source.name,
            records=len(self._outline.records),
            texts=len(self._outline.texts),
            already=found.already,
            failed=found.failed,
            send=len(texts),
            tokens=tokens,
            requests=requests,
            dollars=model.cost(tokens),
            minutes=_minutes(model, requests, tokens, pace),
            refused=refused,
            invented=self._invented,
        )

    def _refused(self, connection: Connection) -> str | None:
        name = self._source.name
        before, vanishing = outline.vanishing(connection, name, self._outline)
        refusal = corpus_store.refusal(name, len(self._outline.records), before, vanishing)
        return str(refusal) if refusal and not self._allow_deletes else None


def _minutes(model: Model, requests: int, tokens: int, pace: float | None) -> float | None:
    least = model.minutes(requests, tokens)
    return least if least is not None else tokens / pace / 60 if pace else None
