"""Whether a run would find nothing to do: then `bootstrap run` says so without starting Dagster.

Nothing is taken on trust: archives are hashed, records and vectors counted. And the last run that Dagster knows
of must have left just this, or its asset graph would not show what is there.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from bootstrap_assets.corpus import load as corpus_store
from bootstrap_assets.corpus import overview, settlement
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Connection, connect, existing_database_url
from bootstrap_assets.embedding import batching, completeness, context, spaces
from bootstrap_assets.embedding.providers.protocol import Fitting
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.errors import BootstrapError, NoCorpusError
from bootstrap_assets.operations import completions
from bootstrap_assets.search import index
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.fetch import locate, shared_lock
from bootstrap_assets.sources.fetch.locate import Archive
from bootstrap_assets.sources.reading import fingerprint_of, options_of
from bootstrap_assets.sources.spec import Source

INDEX = "reference_index"


def is_reached(settings: Settings, sources: Sequence[Source]) -> bool:
    """Whether the corpus is what a run of some sources would make it, and Dagster knows."""
    with suppress(NoCorpusError), connect(existing_database_url(settings)) as connection:
        if schema.current(connection) != schema.head():
            return False  # the run makes it, upgrades it, or says why it cannot
        batching.check(connection, settings.batches)
        space = _complete_space(connection, settings)
        # What is wrong with an archive is told by the run.
        with suppress(BootstrapError):
            return space is not None and _is_recorded(connection, settings, sources, space)
    return False


def is_complete(settings: Settings, sources: Sequence[Source]) -> bool:
    """Whether the corpus is what a run of some sources would make it, whatever Dagster knows.

    An archive that this host would have to download is for the run, which holds it to the database's lock. So is a
    folder of archives that cannot be read, of which the run tells.
    """
    with suppress(BootstrapError, OSError), connect(existing_database_url(settings)) as connection:
        if schema.current(connection) == schema.head():
            space = _complete_space(connection, settings)
            at_hand = partial(locate.at_hand, settings)
            return space is not None and _versions(connection, settings, sources, space, at_hand) is not None
    return False


def record(settings: Settings, sources: Sequence[Source], run_id: str) -> None:
    """Note what a run of some sources left; nothing where it left something to do."""
    with connect(existing_database_url(settings)) as connection:
        space = _complete_space(connection, settings)
        fetch = partial(locate.fetch, settings)
        versions = _versions(connection, settings, sources, space, fetch) if space else None
        if versions:
            completions.record(connection, run_id, versions)


def _is_recorded(connection: Connection, settings: Settings, sources: Sequence[Source], space: Space) -> bool:
    entries = completions.versions(connection)
    if not entries.keys() >= {INDEX, *(source.name for source in sources)}:
        return False
    versions = _versions(connection, settings, sources, space, partial(locate.fetch, settings))
    return versions is not None and versions.items() <= entries.items()


def _complete_space(connection: Connection, settings: Settings) -> Space | None:
    """The embedder's space, where its index is as it should be and nothing of the corpus is missing in it."""
    embedder = context.embedder_for(connection, settings)
    model = embedder.model
    space = spaces.find(connection, model.provider, model.name, model.dimensions, settings.element_type)
    if space is None or space.state not in ("active", "ready") or not settlement.is_settled(connection):
        return None
    if isinstance(embedder, Fitting) and not spaces.is_fitted(connection, space):
        return None
    is_whole = index.is_up_to_date(connection, space) and not spaces.uncovered(connection, space)
    return space if is_whole else None


def _versions(
    connection: Connection,
    settings: Settings,
    sources: Sequence[Source],
    space: Space,
    archives_of: Callable[[Source], Sequence[Archive] | None],
) -> dict[str, str] | None:
    """The version of what each source and the index hold.

    None where a source is not what its archives say, has none, or has others than the hosts of this database use.
    """
    common = [space.id, space.name, settings.batches]
    versions = {INDEX: _version([*common, completeness.coverage_version(connection, space)])}
    for source in sources:
        archives = archives_of(source)
        if archives is None or not shared_lock.agrees(connection, archives):
            return None
        fingerprint = fingerprint_of(source, options_of(settings, source), archives)
        is_loaded = corpus_store.is_loaded(connection, source.name, fingerprint)
        if not is_loaded or completeness.errors(connection, space, source.name).letters:
            return None
        records = overview.records_version(connection, source.name)
        versions[source.name] = _version([*common, fingerprint, records, source.version])
    return versions


def _version(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[: overview.VERSION_LENGTH]
