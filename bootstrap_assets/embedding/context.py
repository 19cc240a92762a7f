"""What every stage works with: settings, an open database, an embedder and its space."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from bootstrap_assets import spans
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Connection, Database, existing_database_url
from bootstrap_assets.database.readiness import ready_database_url
from bootstrap_assets.embedding import batching, spaces
from bootstrap_assets.embedding.choose import choose_embedder
from bootstrap_assets.embedding.gate import limiter_of
from bootstrap_assets.embedding.ledger import PRIORITIES, Payer
from bootstrap_assets.embedding.providers.protocol import Embedder
from bootstrap_assets.embedding.send import Patience, Sender
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.settings import Settings
from bootstrap_assets.stopping import Stop


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
        """Who pays for this run's requests."""
        settings = self.settings
        priority = PRIORITIES[settings.priority] if settings.priority else None
        return Payer(limiter_of(self.embedder), self.run_id, self.max_cost, priority, settings.weight)

    @property
    def patience(self) -> Patience:
        """How often and how soon a request is tried again."""
        return Patience(self.settings.retries, self.settings.retry_seconds, self.settings.breaker_seconds)

    def sender(self, source: str, stop: Stop | None = None) -> Sender:
        """What sends a source's requests, on this run's account; `stop` ends every wait."""
        return Sender(
            self.database,
            self.embedder,
            self.space,
            source,
            payer=self.payer,
            patience=self.patience,
            stop=stop or self.stop,
        )


@contextmanager
def open_corpus(
    settings: Settings,
    *,
    run_id: str | None = None,
    max_cost: float | None = None,
    stop: Stop | None = None,
    upgrade: bool = True,
) -> Iterator[Corpus]:
    """Open the database (started and migrated if need be), its embedder and that embedder's space.

    With BOOTSTRAP_MIGRATE=never, and without `upgrade`, it has to be there and of this version: NoCorpusError or
    SchemaError where it is not.
    """
    run_id = run_id or uuid4().hex
    choose_embedder(settings)  # what is wrong in any case is reported before a server is started
    url = ready_database_url(settings) if upgrade else existing_database_url(settings)
    with Database(url, size=settings.embed_workers + 4) as database, spans.run(run_id, settings.correlation):
        with database.connection() as connection:
            schema.require_current(connection)
            batching.require(connection, settings.batches)
            embedder = embedder_for(connection, settings)
            model = embedder.model
            space = spaces.ensure(
                connection,
                model.provider,
                model.name,
                model.dimensions,
                element_type=settings.element_type,
                feedback=model.feedback,
            )
        yield Corpus(settings, database, embedder, space, run_id, max_cost, stop or Stop())


def embedder_for(connection: Connection, settings: Settings) -> Embedder:
    """The embedder for a database, by its settings and the vectors that it has: see embedding/choose.py."""
    return choose_embedder(settings, spaces.with_vectors(connection))
