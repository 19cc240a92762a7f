"""From the corpus to stored scorers: what changed is trained, and nothing else."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from bootstrap_assets.corpus import overview
from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.labels import lessons, likelihoods, store
from bootstrap_assets.labels.features import Features
from bootstrap_assets.labels.lessons import Lesson
from bootstrap_assets.labels.scorers import FEWEST, Scorers, has_enough, train
from bootstrap_assets.sources.spec import Source
from bootstrap_assets.stopping import Stop


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training did to a source's scorers, by label; `too_few` are in fewer contracts than one needs.

    `vanished`: labels that had a scorer and no longer have one, as when a publisher renames them.
    """

    source: str
    trained: tuple[str, ...]
    unchanged: tuple[str, ...]
    too_few: tuple[str, ...]
    vanished: tuple[str, ...]
    seconds: float

    @property
    def sentence(self) -> str:
        """All of it, for people."""
        parts = [f"{len(self.trained)} trained in {self.seconds:.1f} s", f"{len(self.unchanged)} unchanged"]
        if self.too_few:
            parts.append(f"{len(self.too_few)} in fewer than {FEWEST} contracts: {', '.join(self.too_few)}")
        if self.vanished:
            parts.append(f"no longer there: {', '.join(self.vanished)}")
        return f"{self.source}: {'; '.join(parts)}"


def train_all(
    database: Database, sources: Iterable[Source], *, force: bool = False, stop: Stop | None = None
) -> list[Trained]:
    """Train the scorers of all sources that teach labels and have some; `force`: also those that are unchanged.

    What of the corpus they have not read is read for the search then. MissingExtraError without the extra
    `labels`, StoppedError once `stop` is set. Each source is stored at once.
    """
    stop = stop or Stop()
    results = [_train(database, source, force=force, stop=stop) for source in sources if source.teaching]
    likelihoods.read_all(database, stop)
    return [result for result in results if result]


def _train(database: Database, source: Source, *, force: bool, stop: Stop) -> Trained | None:
    """Read, train, and store: no transaction is open while it trains. Where another stored meanwhile, again."""
    started = time.monotonic()
    work = database.transact(partial(_look, source=source, force=force))
    if work is None:
        database.transact(partial(store.keep_only, source=source.name, labels=[]))
        return None
    scorers = train(work.lesson, work.features, only=work.due, stop=stop) if work.due else None
    vanished = database.transact(partial(_store, source=source, work=work, scorers=scorers))
    if vanished is None:
        return _train(database, source, force=force, stop=stop)
    return Trained(
        source=source.name,
        trained=tuple(work.due),
        unchanged=tuple(label for label in work.enough if label not in work.due),
        too_few=tuple(label for label in _every_label(source, work.lesson) if label not in work.enough),
        vanished=tuple(vanished),
        seconds=time.monotonic() - started,
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """A lesson, of which version of the source's records, the labels with enough examples, and those to train.

    `state`: of the scorers that were stored when it was read.
    """

    lesson: Lesson
    version: str
    state: str | None
    enough: list[str]
    due: list[str]
    features: Features | None


def _look(connection: Connection, source: Source, *, force: bool) -> _Work | None:
    state, version = store.state(connection, source.name), overview.records_version(connection, source.name)
    lesson = lessons.read(connection, source)
    if lesson is None:
        return None
    enough = [label for label, examples in lesson.examples.items() if has_enough(lesson, examples)]
    before = {} if force else store.digests(connection, source.name)
    due = [label for label in enough if before.get(label) != lesson.digest(label)]
    features = store.features_of(connection, source.name, lesson.digest()) if due and not force else None
    return _Work(lesson, version, state, enough, due, features)


def _store(connection: Connection, *, source: Source, work: _Work, scorers: Scorers | None) -> list[str] | None:
    """The labels that vanished; None, and nothing is stored, where another training has stored since the look."""
    store.lock(connection)
    if store.state(connection, source.name) != work.state:
        return None
    vanished = store.keep_only(connection, work.lesson.source, work.enough)
    if scorers:
        store.write(connection, work.lesson, scorers)
    store.confirm(connection, work.lesson.source, work.version)
    store.put_into_words(connection, source)
    return vanished


def _every_label(source: Source, lesson: Lesson) -> list[str]:
    return list(dict.fromkeys([*source.labels, *lesson.examples]))
