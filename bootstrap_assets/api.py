"""The Python API, the only import that a user needs: `import bootstrap_assets as ba`, then `ba.open()`.

    with ba.open() as corpus:
        for hit in corpus.search("cap on liability", k=5, sources=["cuad"]):
            print(hit.score, hit.document, hit.content)

What goes wrong is a `BootstrapError` with a sentence for people: `ConfigurationError` for a wrong argument,
`NoCorpusError` and `SchemaError` where there is nothing to read yet, and so on (errors.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bootstrap_assets import frames, pipeline
from bootstrap_assets.corpus import catalogue
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Database, existing_database_url
from bootstrap_assets.documents import inbox, opened, states, tenants
from bootstrap_assets.documents.inbox import Intake
from bootstrap_assets.embedding.context import open_corpus
from bootstrap_assets.embedding.fill import Filled
from bootstrap_assets.errors import (
    BootstrapError,
    BudgetError,
    ConfigurationError,
    DatabaseUnavailable,
    NoCorpusError,
    SchemaError,
)
from bootstrap_assets.labels import classification, documents, training
from bootstrap_assets.repositories.reader import Repositories
from bootstrap_assets.search import query as searching
from bootstrap_assets.search.index import Indexed
from bootstrap_assets.search.query import Filters, Hit, Mode, Ranking
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.sources.registry import SOURCES, get_source, searched_name
from bootstrap_assets.status import read_status

__all__ = (
    "BootstrapError",
    "BudgetError",
    "ConfigurationError",
    "DatabaseUnavailable",
    "Filled",
    "Hit",
    "Indexed",
    "Intake",
    "Mode",
    "NoCorpusError",
    "Ranking",
    "ReferenceCorpus",
    "Run",
    "SchemaError",
    "Settings",
    "open",
)

CONNECTIONS = 4
"""Connections that an open corpus holds at most, while it is read from several threads."""
Names = str | Sequence[str]
"""One name or several; none lets everything through."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run did: to each source, and to the index."""

    sources: dict[str, Filled]
    index: Indexed


def open(settings: Settings | None = None, **overrides: object) -> "ReferenceCorpus":
    """A corpus to read and to fill; with `with`, or closed by `close()`.

    Settings are those of the environment or those given; `overrides` replace single ones, `home="corpora/one"`.
    ConfigurationError for a wrong one. Nothing is connected before the first call.
    """
    if unknown := overrides.keys() - Settings.model_fields.keys():
        raise ConfigurationError(f"no setting is called {', '.join(sorted(unknown))}")
    if settings is None:
        return ReferenceCorpus(load_settings(**overrides))
    return ReferenceCorpus(load_settings(**settings.model_dump(exclude_unset=True) | overrides))


class ReferenceCorpus:
    """The corpus that some settings name. Made by `open`; may be used from several threads.

    Reading creates nothing: NoCorpusError where there is no corpus yet, SchemaError where its schema is another
    version's. An embedded server that was stopped is started. Only `run` makes a corpus.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._database: Database | None = None

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        mode: Mode | str = Mode.HYBRID,
        sources: Names = (),
        categories: Names = (),
        granularities: Names = (),
        labels: Names = (),
        documents: Names = (),
        tenant: str | None = None,
        min_score: float | None = None,
        fold: bool = True,
        ranking: Ranking | None = None,
        space: int | None = None,
    ) -> list[Hit]:
        """The k best texts for a query, best first, each with the records that have it, its licence and address.

        `mode`: `hybrid`, `vector` or `text`. What stands in double quotes must occur as a phrase. `documents`:
        ids, source ids or titles. `tenant`: that tenant's own documents are found too. `min_score`, 0 to 1,
        leaves out what scores less; `fold`: what says the same is one hit. `space`: the id of a space that is not
        searched otherwise (`bootstrap spaces list`); SpaceError where there is none, or it has no index.
        ConfigurationError where nothing is searched yet, or a name is unknown.
        """
        filters = Filters(
            sources=_source_names(sources),
            categories=_names(categories),
            granularities=_names(granularities),
            labels=_names(labels),
            documents=_names(documents),
            tenant=tenant,
        )
        return searching.search(
            self._open(),
            self.settings,
            query,
            k=k,
            mode=_mode(mode),
            filters=filters,
            ranking=ranking,
            min_score=min_score,
            fold=fold,
            space=space,
        )

    def classify(self, text: str) -> dict[str, Any]:
        """What the trained labels say of a contract: the document of `bootstrap classify --json`."""
        return classification.classify_text(self._open(), text)

    def train_labels(self, *, force: bool = False) -> list[training.Trained]:
        """Train the scorers of labels that changed, or (`force`) of all."""
        return training.train_all(self._open(), SOURCES.values(), force=force)

    def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        """The vector of a query, of shape (dimensions,), in the space that is searched.

        With it any other program can call the SQL function `search_reference`. A paid model's request goes into
        the ledger. ConfigurationError where nothing is searched yet.
        """
        return searching.embed_text(self._open(), self.settings, text)

    def status(self) -> dict[str, Any]:
        """What is in the corpus and how the last work on it ended: the document of `bootstrap status --json`."""
        return read_status(self.settings)

    def documents(self, *, sources: Names = (), documents: Names = (), text: bool = False) -> pd.DataFrame:
        """Documents, one in a row: id, source, title, licence, attribution, url, records, characters, metadata.

        `documents`: ids, source ids or titles. `text`: with the column `raw_text`, into which offsets point.
        """
        query = partial(catalogue.list_documents, sources=_source_names(sources), documents=_names(documents))
        frame = frames.of(self._open().transact(query), frames.DOCUMENTS)
        return frame if text else frame.drop(columns="raw_text")

    def records(
        self,
        *,
        sources: Names = (),
        categories: Names = (),
        granularities: Names = (),
        labels: Names = (),
        documents: Names = (),
    ) -> pd.DataFrame:
        """Records, one in a row, with content, place, labels, and licence and address of the document.

        `hypothesis_id`, `char_start` and `char_end` are whole numbers or missing (Int64).
        """
        query = partial(
            catalogue.list_records,
            sources=_source_names(sources),
            categories=_names(categories),
            granularities=_names(granularities),
            labels=_names(labels),
            documents=_names(documents),
        )
        return frames.of(self._open().transact(query), frames.RECORDS).astype(dict.fromkeys(frames.WHOLE, "Int64"))

    def show(self, identifier: str) -> dict[str, Any]:
        """A record by its id or source id, else a document, in full; `kind` says which.

        ConfigurationError where there is none, or where several sources have that id.
        """
        return self._open().transact(partial(catalogue.find, identifier=str(identifier)))

    @property
    def repositories(self) -> Repositories:
        """Git repositories: `index` them, then ask for `symbols`, `references`, `callers`, `dependencies`."""
        return Repositories(self.settings, self._open)

    def run(
        self,
        sources: Names = (),
        *,
        force: bool = False,
        allow_deletes: bool = False,
        max_cost: float | None = None,
    ) -> Run:
        """Load, embed and index all sources or some, in this process and without Dagster; goes on where it was.

        Makes the embedded server and the schema where there are none. `force`: asks the publishers for newer
        archives; `allow_deletes`: a source may lose more than a fifth of its records. BudgetError before it would
        have cost more than `max_cost` dollars. What was embedded before an error is kept.
        """
        selection = [get_source(name) for name in _names(sources)] or None
        with open_corpus(self.settings, max_cost=max_cost) as corpus:
            return Run(*pipeline.bootstrap(corpus, selection, force=force, allow_deletes=allow_deletes))

    def add_documents(self, paths: Path | str | Sequence[Path | str], *, tenant: str) -> Intake:
        """Take in files, folders and zip archives as a tenant's documents; says what came in, by name.

        ConfigurationError where there is no such tenant. `process_documents` works on them, or the sensor `inbox`.
        """
        places = [paths] if isinstance(paths, (str, Path)) else paths
        return inbox.add(self._open(), tenant, [Path(place) for place in places])

    def process_documents(self, tenant: str, *, max_cost: float | None = None) -> pd.DataFrame:
        """Work on a tenant's documents until each is complete or failed, in this process; then `tenant_documents`.

        BudgetError before it would have cost more than `max_cost` dollars; what was embedded before is kept.
        """
        self._open().transact(partial(tenants.require, name=tenant))
        with open_corpus(self.settings, max_cost=max_cost) as corpus:
            documents.process(corpus, tenant)
        return self.tenant_documents(tenant)

    def tenant_documents(self, tenant: str) -> pd.DataFrame:
        """A tenant's documents, one in a row: stage, times, counts, why it failed. ConfigurationError without."""
        self._open().transact(partial(tenants.require, name=tenant))
        rows = self._open().transact(partial(states.listing, tenant=tenant))
        return frames.of(
            [{name: getattr(row, name) for name in frames.STATES} for row in rows], frames.STATES
        ).astype(dict.fromkeys(frames.COUNTS, "Int64"))

    def open_document(self, document: str, *, tenant: str | None = None) -> dict[str, Any]:
        """A document's text, passages and connections, by id or name; `text[char_start:char_end]` is a passage.

        ConfigurationError where there is none, several tenants have one of that name, or it has no text yet.
        """
        with self._open().connection() as connection:
            return opened.read(connection, states.get(connection, str(document), tenant=tenant))

    def close(self) -> None:
        """Close the connections; an embedded server goes on. Later calls open them again."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def __enter__(self) -> "ReferenceCorpus":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> Database:
        if self._database is None:
            database = Database(existing_database_url(self.settings), size=CONNECTIONS)
            try:
                database.transact(schema.require_current)
            except BaseException:
                database.close()
                raise
            self._database = database
        return self._database


def _names(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _source_names(sources: Names) -> tuple[str, ...]:
    return tuple(map(searched_name, _names(sources)))


def _mode(mode: Mode | str) -> Mode:
    if mode not in list(Mode):
        raise ConfigurationError(f"unknown mode {mode!r}; known: {', '.join(Mode)}")
    return Mode(mode)
