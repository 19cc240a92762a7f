"""A space is promoted and rolled back under readers with long transactions, and a candidate measured meanwhile."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from random import Random
from typing import Any

import numpy as np

from bootstrap_assets import pipeline
from bootstrap_assets.database.connection import connect
from bootstrap_assets.embedding import context, spaces
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.evaluation.evaluation import evaluate
from bootstrap_assets.search import promotion
from bootstrap_assets.search.query import search
from bootstrap_assets.settings import load_settings
from tests.chaos.corpus import NAMES, source
from tests.chaos.ground import Ground, Tell
from tests.chaos.scene import Scene
from tests.chaos.table import Row

READERS = 20
SEARCHERS = 2
QUERY = "what the party must do"
SOON = 1.0
"""Seconds that no search may wait longer than."""

Answer = tuple[tuple[int, float, float | None], ...]


class Watch:
    """What readers and searchers saw, from many threads."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.mixed = 0
        self.answers = 0
        self.transactions = 0
        self.errors: list[str] = []
        self.done = threading.Event()

    def thread(self, work: Callable[[], Any]) -> threading.Thread:
        """Do something in a thread; what it raises is noted."""
        thread = threading.Thread(target=self._note, args=(work,), daemon=True)
        thread.start()
        return thread

    def _note(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001
            self.errors.append(f"{type(error).__name__}: {error}")


def promoting(ground: Ground, rng: Random, tell: Tell, *, rounds: int, hold: float, documents: int) -> Row:
    """Promote and roll back, so many rounds; each time twenty transactions are open for `hold` seconds."""
    row = Row("spaces promoted", f"{2 * rounds} decisions under {READERS} readers of {hold:g} s and more")
    with ground.scene() as scene, ExitStack() as stack:
        ground.plan(documents).write(scene.data)
        row.require(scene.run().exit_code == 0, "the run that fills the first space failed")
        active = stack.enter_context(context.open_corpus(_settings(scene, "voyage")))
        pipeline.build_index(active)
        candidate = stack.enter_context(context.open_corpus(_settings(scene, "local")))
        for name in NAMES:
            pipeline.embed(candidate, source(name))
        pipeline.build_index(candidate)
        expected = [_ask(active, candidate.space.id), _ask(active, active.space.id)]
        row.require(expected[0] != expected[1], "both spaces give the same answer")
        watch = Watch()
        with _searching(watch, active, expected):
            for number in range(rounds):
                for decide in (_promote(candidate), _rollback(active)):
                    _under_readers(watch, scene, rng, hold, decide, active, candidate)
                tell(f"round {number + 1}: {watch.answers} searches, longest {max(watch.waits):.2f} s")
        _judge(row, watch, rounds)
        row.require(_state(candidate) == "retired", "the last rollback did not hold")
    return row


def _settings(scene: Scene, embedder: str) -> Any:
    return load_settings(
        embedder=embedder,
        home=scene.folder / "home",
        database_url=scene.url,
        batches=16,
        voyage_base_url=scene.provider.url,
        voyage_api_key="chaos-key",
    )


def _ask(corpus: Corpus, space: int | None = None) -> Answer:
    hits = search(corpus.database, corpus.settings, QUERY, space=space)
    return tuple((hit.rank, round(hit.score, 6), hit.vector_score and round(hit.vector_score, 5)) for hit in hits)


@contextmanager
def _searching(watch: Watch, corpus: Corpus, expected: Sequence[Answer]) -> Any:
    def work() -> None:
        while not watch.done.is_set():
            started = time.monotonic()
            answer = _ask(corpus)
            watch.waits.append(time.monotonic() - started)
            watch.answers += 1
            watch.mixed += answer not in expected

    threads = [watch.thread(work) for _ in range(SEARCHERS)]
    try:
        yield
    finally:
        watch.done.set()
        for thread in threads:
            thread.join(60)


def _under_readers(
    watch: Watch,
    scene: Scene,
    rng: Random,
    hold: float,
    decide: Callable[[], Any],
    active: Corpus,
    candidate: Corpus,
) -> None:
    opened = threading.Barrier(READERS + 1, timeout=60)

    def read(seconds: float) -> None:
        with connect(scene.url) as reader:
            seen = {_look(watch, reader)}
            opened.wait()
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                seen.add(_look(watch, reader))
                time.sleep(0.5)
        watch.transactions += 1
        watch.mixed += len(seen) > 1

    def measure() -> None:
        evaluate(active.database, active.settings, space=candidate.space.id)

    lengths = [hold * rng.uniform(1, 1.5) for _ in range(READERS)]
    readers = [watch.thread(partial(read, seconds)) for seconds in lengths]
    opened.wait()
    for thread in (*readers, watch.thread(decide), watch.thread(measure)):
        thread.join(600)


def _look(watch: Watch, reader: Any) -> int:
    """Which space, by its dimensions, a transaction sees; a search for a vector of it finds that first."""
    query = "SELECT embedding, vector_dims(embedding) FROM reference_embeddings ORDER BY id LIMIT 1"
    vector, dimensions = reader.execute(query).fetchone()
    started = time.monotonic()
    nearest = (
        "SELECT max(vector_score) FROM search_reference(NULL, %s::vector, k => 1, context => 0, fold => false)"
    )
    [score] = reader.execute(nearest, (vector,)).fetchone()
    watch.waits.append(time.monotonic() - started)
    watch.mixed += score is None or score < 0.999
    return int(dimensions)


def _promote(corpus: Corpus) -> Callable[[], Any]:
    def decide() -> Any:
        with promotion.deciding(corpus.settings) as connection:
            return promotion.promote(connection, corpus.space.id)

    return decide


def _rollback(corpus: Corpus) -> Callable[[], Any]:
    def decide() -> Any:
        with promotion.deciding(corpus.settings) as connection:
            return promotion.rollback(connection)

    return decide


def _state(corpus: Corpus) -> str:
    return corpus.database.transact(lambda one: spaces.numbered(one, corpus.space.id)).state


def _judge(row: Row, watch: Watch, rounds: int) -> None:
    longest = max(watch.waits, default=float("inf"))
    row.told = (
        f"{len(watch.waits)} searches: median {np.median(watch.waits):.3f} s, longest {longest:.2f} s; "
        f"{watch.transactions} long transactions; {watch.mixed} mixed answers"
    )
    row.require(not watch.errors, "; ".join(sorted(set(watch.errors))))
    row.require(not watch.mixed, f"{watch.mixed} answers mixed two spaces")
    row.require(longest < SOON, f"a search waited {longest:.2f} s")
    row.require(watch.transactions == 2 * rounds * READERS, f"only {watch.transactions} readers came to their end")
