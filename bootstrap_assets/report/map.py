"""The corpus in two dimensions: texts that say something alike lie close together.

t-SNE (van der Maaten and Hinton 2008) keeps neighbours, not distances: near means alike, far means little.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.spaces import Space

statement = statements_of(__name__)

SAMPLE = 2_000
"""Texts on the map. Twice as many take three times as long and are no easier to read."""

COMPONENTS = 50
"""Principal components that t-SNE begins with; more change little but the time."""

PERPLEXITY = 30
ITERATIONS = 500
LEAST = 10
"""A map of fewer texts shows nothing."""

Points = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Map:
    """Columns of `texts`: x, y, source, granularity, category (None where there is none). `of`: texts in all."""

    texts: pd.DataFrame
    of: int


def draw(connection: Connection, space: Space, *, sample: int = SAMPLE) -> Map | None:
    """Lay out at most `sample` of the texts with a vector; None where there are too few.

    Each source, granularity and category has its share. The same corpus, the same map.
    """
    query = statement("report_mapped").format(vectors=space.vectors)
    columns = pd.Index(["content_hash", "source", "granularity", "category", "of"])
    selection = pd.DataFrame(
        connection.execute(query, {"sample": sample}, binary=True).fetchall(), columns=columns
    )
    if len(selection) < LEAST:
        return None
    points = project(_vectors(connection, space, selection["content_hash"].tolist()))
    placed = selection.drop(columns=["content_hash", "of"]).assign(x=points[:, 0], y=points[:, 1])
    return Map(placed, int(selection["of"].iloc[0]))


def project(vectors: Points) -> Points:
    """Two coordinates, each from -1 to 1, for each row of `vectors` (n × dimensions, n ≥ LEAST).

    In one thread: the sums of several differ in the last digit, which t-SNE makes into another picture.
    """
    count = len(vectors)
    with threadpool_limits(1):
        reduced = _reduced(vectors)
        projection = TSNE(
            2,
            init=_beginning(reduced),
            perplexity=min(PERPLEXITY, (count - 1) / 3),
            max_iter=ITERATIONS,
            angle=0.7,
            random_state=0,
        )
        points: Points = projection.fit_transform(reduced)
    centred = points - (points.max(axis=0) + points.min(axis=0)) / 2
    points = (centred / max(float(np.abs(centred).max()), 1e-9)).astype(np.float32)
    return points


def _reduced(vectors: Points) -> Points:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # texts all alike have no variance to explain
        components = PCA(min(COMPONENTS, *vectors.shape), svd_solver="full")
        reduced: Points = components.fit_transform(vectors.astype(np.float64)).astype(np.float32)
    return reduced


def _beginning(reduced: Points) -> Points:
    """The first two components, small, as TSNE(init="pca") has them, and apart where two texts are in one place.

    That one divides by their spread, and crashes the process where there is none.
    """
    spread = float(reduced[:, 0].std()) or 1.0
    apart = np.random.default_rng(0).normal(0, 1e-6, (len(reduced), 2))
    return (reduced[:, :2] / spread * 1e-4 + apart).astype(np.float32)


def _vectors(connection: Connection, space: Space, hashes: list[bytes]) -> Points:
    query = statement("report_vectors").format(vectors=space.vectors)
    rows = connection.execute(query, {"hashes": hashes}, binary=True)
    return np.stack([vector.to_numpy() for _, vector in rows]).astype(np.float32)
