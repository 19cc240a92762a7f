"""What the labels know, on the page: the scorers of each source, and how far what they say can be trusted."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.labels import store
from bootstrap_assets.labels.calibration import BINS, Reliability, cross_checked
from bootstrap_assets.labels.scorers import Scorers

STEPS = 10
"""Steps of the probability that are shown."""


@dataclass(frozen=True, slots=True)
class Step:
    """Pieces of which about this probability was said (the mean), the share that is right, how many they are."""

    probability: float
    right: float
    pieces: int


@dataclass(frozen=True, slots=True)
class Trust:
    """The scorers of a source, on contracts that they were not trained on; `recall` and `mean` over its labels."""

    source: str
    scorers: int
    contracts: int
    recall: float
    mean: float
    steps: Sequence[Step]


def read(connection: Connection) -> list[Trust]:
    """Of each source that has scorers."""
    sources = dict.fromkeys(entry.source for entry in store.listing(connection))
    pairs = [(source, store.read(connection, source)) for source in sources]
    return [_trust(source, *pair) for source, pair in pairs if pair]


def _trust(source: str, scorers: Scorers, origin: store.Origin) -> Trust:
    qualities = [scorer.quality for scorer in scorers.scorers]
    return Trust(
        source,
        len(qualities),
        origin.contracts,
        fmean(quality.recall for quality in qualities),
        fmean(quality.mean for quality in qualities),
        steps_of(cross_checked([scorer.reliability for scorer in scorers.scorers])),
    )


def steps_of(reliability: Reliability) -> list[Step]:
    """The steps in which anything was said."""
    middles = (np.arange(BINS) + 0.5) / BINS
    counts, hits = (column.reshape(STEPS, -1) for column in (reliability.counts, reliability.hits))
    sums = (reliability.counts * middles).reshape(STEPS, -1).sum(axis=1)
    rows = zip(sums, hits.sum(axis=1), counts.sum(axis=1), strict=True)
    return [Step(float(total / count), float(right / count), int(count)) for total, right, count in rows if count]
