"""Scorers of labels, measured: training, classifying 50 pages, memory.

    make bench-labels

Generated contracts as many and as long as all of CUAD's, with 41 categories that have words of their own; nothing
but the machine's processor decides, so its seconds stand beside those of the clock. Where a corpus lies here
(`bootstrap run`), also what that teaches; nothing is stored.
"""

import random
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import numpy as np

from bootstrap_assets.database.connection import Database, existing_database_url
from bootstrap_assets.errors import BootstrapError
from bootstrap_assets.labels import VERSION, lessons
from bootstrap_assets.labels.classification import Teacher, classify_with
from bootstrap_assets.labels.lessons import Contract, Lesson, Row, lesson_of
from bootstrap_assets.labels.pieces import pieces_of
from bootstrap_assets.labels.reading import Reading
from bootstrap_assets.labels.scorers import Scorers, train
from bootstrap_assets.labels.store import Origin
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.sources.spec import Label

CONTRACTS, SENTENCES = 510, 271
"""Contracts of CUAD, and pieces of each on average, as its development share has them."""

CATEGORIES, SHARE, OWN = 41, 0.3, 40
"""Categories, the share of contracts that has each, and the words that mark it."""

WORDS, SIZE = 20_000, 24
"""Words of the language, by Zipf's law, and words of a sentence on average."""

PAGES, CHARACTERS = 50, 3_000
"""Of the contract that is classified: pages, and characters of each."""


class Language:
    """Sentences of words by Zipf's law; a category's sentences have some words of its own."""

    def __init__(self, seed: int) -> None:
        self._draw = np.random.default_rng(seed)
        letters = random.Random(seed)
        self._words = [
            "".join(letters.choices("abcdefghilmnoprstuv", k=letters.randint(2, 10))) for _ in range(WORDS)
        ]
        weights = 1 / np.arange(1, WORDS + 1)
        self._sums = np.cumsum(weights / weights.sum())

    def sentence(self, category: int | None = None) -> str:
        """A sentence, of a category or of none."""
        count = 4 + int(self._draw.poisson(SIZE - 4))
        places = np.searchsorted(self._sums, self._draw.random(count)).tolist()
        if category is not None:
            own = self._draw.integers(OWN, size=3) + 1_000 + OWN * category
            places[1:1] = own.tolist()
        return " ".join(self._words[min(place, WORDS - 1)] for place in places).capitalize() + "."


def generated(contracts: int = CONTRACTS) -> Lesson:
    """A lesson of CUAD's size."""
    language, draw = Language(1), random.Random(1)
    bodies: list[Contract] = []
    rows: list[Row] = []
    for number in range(contracts):
        identifier = UUID(int=number)
        labels = [it for it in range(CATEGORIES) if draw.random() < SHARE]
        sentences: list[tuple[str, int | None]] = [(language.sentence(it), it) for it in labels]
        sentences += [(language.sentence(), None) for _ in range(SENTENCES - len(labels))]
        draw.shuffle(sentences)
        start = 0
        for sentence, category in sentences:
            if category is not None:
                rows.append((identifier, f"Category {category}", None, None, None, start, start + len(sentence)))
            start += len(sentence) + 1
        text = "\n".join(sentence for sentence, _ in sentences)
        bodies.append(Contract(identifier, str(number), None, text, tuple(pieces_of(text))))
    return lesson_of("cuad", Label.CATEGORY, bodies, rows)


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Print what the work within takes."""
    clock, processor = time.perf_counter(), time.process_time()
    yield
    seconds, used = time.perf_counter() - clock, time.process_time() - processor
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{what}: {seconds:.1f} s, of the processor {used:.1f} s; at most {memory:.2f} GB so far", flush=True)


def classified(scorers: Scorers, contracts: int, text: str, what: str) -> None:
    """Classify a text by scorers of CUAD's categories."""
    origin = Origin("generated", (), contracts, VERSION, datetime.now(UTC))
    teacher = Teacher(SOURCES["cuad"], scorers, origin, False)
    with measured(what):
        classify_with([teacher], Reading(text))


def of_corpus() -> Iterator[Lesson]:
    """The lessons of the corpus that lies here; none where there is no corpus."""
    try:
        url = existing_database_url(load_settings())
    except BootstrapError:
        return
    with Database(url, size=1) as database:
        for source in SOURCES.values():
            lesson = database.transact(partial(lessons.read, source=source))
            if lesson:
                yield lesson


def main() -> None:
    """Print the figures."""
    for lesson in of_corpus():
        with measured(
            f"{lesson.source}, {len(lesson.contracts)} contracts, {len(lesson.texts):,} pieces: training"
        ):
            train(lesson)
    with measured(f"making {CONTRACTS} contracts"):
        lesson = generated()
    with measured(f"generated, {len(lesson.contracts)} contracts, {len(lesson.texts):,} pieces: training"):
        scorers = train(lesson)
    whole = "\n".join(contract.text for contract in lesson.contracts[:20])
    for pages in (PAGES, 6 * PAGES):
        classified(scorers, CONTRACTS, whole[: pages * CHARACTERS], f"classifying {pages} pages")


if __name__ == "__main__":
    main()
