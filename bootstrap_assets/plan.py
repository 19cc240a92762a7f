"""What a run would embed and cost, before anything is paid.

The records are really parsed, and compared with what is in the database, in a file of the plan's own that goes
with it. Nothing else is written, no lock is taken, and no space is made: a run that is at work goes on, and a
database that may only be read will do. Where no embedded server was ever made, none is made for it.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
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
    estimates = []
    with _corpus(settings) as connection, closing(Outline()) as draft:
        models = []
        if connection:
            with connection.transaction():
                models = spaces.with_vectors(connection)
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        model = choose_model(settings, models)
        for source in sources:
            archives = locate.fetch(settings, source)
            plan = _Plan(connection, settings, source, archives, model, draft, allow_deletes=allow_deletes)
            estimates.append(plan.estimate())
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
        draft: Outline,
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
        draft.clear()
        self._outline = draft
        if not self._read(settings, archives):
            self._parse(settings, archives)

    def _parse(self, settings: Settings, archives: Sequence[Archive]) -> None:
        entries = reading.parse(self._source, archives, reading.options_of(settings, self._source))
        outline.parse_into(self._outline, self._source.name, entries, cutter(self._limit), self._limit)

    def _read(self, settings: Settings, archives: Sequence[Archive]) -> bool:
        """Take what is in the corpus, where that is what these archives give; False where it is not."""
        if self._connection is None:
            return False
        options = reading.options_of(settings, self._source)
        fingerprint = reading.fingerprint_of(self._source, options, archives)
        with self._connection.transaction():
            is_loaded = corpus_store.is_loaded(self._connection, self._source.name, fingerprint)
            if is_loaded:
                outline.read_into(self._outline, self._connection, self._source.name)
        return is_loaded

    def estimate(self) -> Estimate:
        model, name, refused, pace = self._model, self._source.name, None, None
        if self._connection is None:
            foreseen = foresight.foresee(None, None, name, self._outline, limit=self._limit)
        else:
            with self._connection.transaction():
                space = spaces.find(self._connection, model.provider, model.name, model.dimensions)
                foreseen = foresight.foresee(self._connection, space, name, self._outline, limit=self._limit)
                refused = self._refused(self._connection)
                pace = ledger.tokens_per_second(self._connection, space) if space else None
        send, requests, tokens = self._packed()
        return Estimate(
            source=name,
            records=self._outline.records,
            texts=self._outline.texts,
            already=foreseen.already,
            failed=foreseen.failed,
            send=send,
            tokens=tokens,
            requests=requests,
            dollars=model.cost(tokens),
            minutes=_minutes(model, requests, tokens, pace),
            refused=refused,
            invented=self._invented,
        )

    def _packed(self) -> tuple[int, int, int]:
        """How many texts would be sent, in how many requests, with how many tokens."""
        model, send, requests, tokens = self._model, 0, 0, 0
        texts = foresight.to_send(self._outline, self._source.name)
        most = int(model.request_tokens * MARGIN)
        for request in pack(texts, max_texts=model.request_texts, max_tokens=most):
            send, requests = send + len(request), requests + 1
            tokens += sum(text.tokens for text in request)
        return send, requests, tokens

    def _refused(self, connection: Connection) -> str | None:
        name = self._source.name
        before, vanishing = outline.vanishing(connection, name, self._outline)
        refusal = corpus_store.refusal(name, self._outline.records, before, vanishing)
        return str(refusal) if refusal and not self._allow_deletes else None


def _minutes(model: Model, requests: int, tokens: int, pace: float | None) -> float | None:
    least = model.minutes(requests, tokens)
    return least if least is not None else tokens / pace / 60 if pace else None
