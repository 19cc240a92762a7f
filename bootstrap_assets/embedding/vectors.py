"""Vectors of a space: what is missing, and storing what came, once checked, by binary COPY and merge."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.copy import copy_temporary
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.batches import LEASE_BUCKETS, Text, bounds
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.errors import AnswerError, VectorError

statement = statements_of(__name__)

Vectors = npt.NDArray[np.float32]
"""Unit vectors, one a row: shape (texts, dimensions)."""

NORM_TOLERANCE = 0.05
"""How far from 1 a vector's length may be; providers give unit vectors."""


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A batch of a source: its distinct texts, those of them without a vector, and those that are dead letters."""

    batch: int
    texts: int
    missing: int
    failed: int


@dataclass(frozen=True, slots=True)
class Work:
    """The share of the corpus to be embedded: batches of a source (None: all) out of `count`, in a space.

    Texts above `limit` estimated tokens do not fit the model: they are cut, and pooled from their parts. `only`:
    these texts and no others, even where they are dead letters. `bounded`: they are what some documents lack, and
    nothing is asked over the whole source.
    """

    space: Space
    source: str
    count: int
    limit: int
    batches: list[int] | None = None
    only: list[bytes] | None = None
    bounded: bool = False

    def parameters(self) -> dict[str, object]:
        """As parameters of the statements."""
        return {
            "source": self.source,
            "count": self.count,
            "limit": self.limit,
            "requested": self.batches,
            "only": self.only,
            "space": self.space.id,
        }


def plan(connection: Connection, work: Work) -> list[BatchPlan]:
    """The batches that hold texts, with what is missing."""
    query = statement("plan").format(vectors=work.space.vectors)
    return [BatchPlan(*row) for row in connection.execute(query, work.parameters())]


def count_missing(connection: Connection, work: Work, dead: Sequence[bytes]) -> list[tuple[int, int, int]]:
    """Texts to be sent, except the `dead`: lease bucket, batch, number. Parts may lie in batches not asked for."""
    query = statement("count_missing").format(missing=statement("missing").format(vectors=work.space.vectors))
    parameters = work.parameters() | {"first": None, "end": None, "dead": list(dead), "buckets": LEASE_BUCKETS}
    return connection.execute(query, parameters).fetchall()


def missing(connection: Connection, work: Work, bucket: int | None, dead: Sequence[bytes]) -> list[bytes]:
    """Hashes of the texts to be sent that lie in a lease bucket (None: in any), in order."""
    first, end = bounds(bucket, LEASE_BUCKETS) if bucket is not None else (None, None)
    query = statement("missing").format(vectors=work.space.vectors)
    parameters = work.parameters() | {"first": first, "end": end, "dead": list(dead)}
    return [row[0] for row in connection.execute(query, parameters)]


def still_missing(connection: Connection, space: Space, hashes: Sequence[bytes]) -> list[Text]:
    """Those of the texts that have no vector now."""
    query = statement("still_missing").format(vectors=space.vectors)
    return [Text(*row) for row in connection.execute(query, {"hashes": list(hashes)})]


def check(vectors: Vectors, *, texts: int, dimensions: int) -> None:
    """Raise AnswerError unless there is a vector of the right dimension for each text."""
    if vectors.ndim != 2 or len(vectors) != texts:
        raise AnswerError(f"asked for {texts} vectors, got {len(vectors)}")
    if vectors.shape[1] != dimensions:
        raise AnswerError(f"expected vectors of {dimensions} dimensions, got {vectors.shape[1]}")


def sound(vectors: Vectors) -> npt.NDArray[np.bool_]:
    """Which of the vectors are finite and of unit length, by row."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(vectors, axis=1)
        good: npt.NDArray[np.bool_] = np.abs(lengths - 1) <= NORM_TOLERANCE  # not true of NaN
    return good


def complaint(vector: Vectors) -> VectorError:
    """What is wrong with a single vector, shape (dimensions,)."""
    if not np.isfinite(vector).all():
        return VectorError("the vector holds values that are not finite")
    return VectorError(f"the vector has the length {np.linalg.norm(vector):.3g}; a unit vector was expected")


def store(
    connection: Connection, space: Space, texts: Sequence[Text], vectors: Vectors, *, pooled: bool = False
) -> int:
    """Store the vectors of texts; returns how many were new. A text that vanished is left out.

    Raises AnswerError or VectorError, before anything is written, where they are not what they should be.
    """
    check(vectors, texts=len(texts), dimensions=space.dimensions)
    good = sound(vectors)
    if not good.all():
        raise complaint(vectors[int(np.argmin(good))])
    connection.execute(statement("create_vector_staging"))
    rows = ((text.content_hash, vector, text.tokens, pooled) for text, vector in zip(texts, vectors, strict=True))
    columns = ["content_hash", "embedding", "tokens", "pooled"]
    copy_temporary(connection, "stage_vectors", columns, ["bytea", "vector", "int4", "bool"], rows)
    return connection.execute(statement("merge_vectors").format(vectors=space.vectors)).rowcount


def long_texts(connection: Connection, work: Work) -> list[Text]:
    """Texts (without their content) that were cut into parts and have no vector yet."""
    query = statement("oversized").format(vectors=work.space.vectors)
    return [Text(digest, "", tokens) for digest, tokens in connection.execute(query, work.parameters())]


def pool(connection: Connection, space: Space, text: Text) -> bool:
    """Store the token-weighted mean of a long text's part vectors; False while one of them is missing."""
    query = statement("part_vectors").format(vectors=space.vectors)
    parts = connection.execute(query, {"hash": text.content_hash, "space": space.id}).fetchall()
    if not parts or any(vector is None for vector, _ in parts):
        return False
    mean = weighted_mean(np.stack([vector.to_numpy() for vector, _ in parts]), [tokens for _, tokens in parts])
    store(connection, space, [text], mean[np.newaxis], pooled=True)
    return True


def weighted_mean(vectors: Vectors, tokens: Sequence[int]) -> Vectors:
    """The mean of part vectors, each weighted by its tokens, as a unit vector."""
    mean = np.average(vectors, axis=0, weights=np.asarray(tokens, dtype=np.float64))
    unit: Vectors = (mean / np.linalg.norm(mean)).astype(np.float32)
    return unit
