"""How much the index finds of what an exact search finds, for vectors of the corpus itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.search.exact import blocks, drawn, nearest, recall

statement = statements_of(__name__)

MIN_RECALL = 0.95


RECALL_QUERIES = 50


RECALL_AT = 10


EF_SEARCH = 100
"""As the search sets it before an evaluation has found what is enough (`reference_rank`)."""


@dataclass(frozen=True)
class Recall:
    """Share of the true nearest `k` that the index finds, for each query (the hash of the text it is of)."""

    k: int
    found: Mapping[bytes, float]

    @cached_property
    def mean(self) -> float:
        """The mean share, 0 to 1; 1 where there was nothing to find."""
        return float(np.mean(list(self.found.values()))) if self.found else 1.0

    @property
    def worst(self) -> list[tuple[bytes, float]]:
        """The queries that found least."""
        return sorted(((q, share) for q, share in self.found.items() if share < 1), key=lambda pair: pair[1])


def measure_recall(
    connection: Connection, space: Space, *, queries: int = RECALL_QUERIES, k: int = RECALL_AT
) -> Recall:
    """Compare the index, with the search's effort, with an exact search, for vectors of the corpus itself."""
    hashes, asked = drawn(connection, space, queries)
    if not hashes:
        return Recall(k, {})
    limits = nearest(blocks(connection, space), hashes, asked, depth=k)
    row = connection.execute(statement("search_effort"), {"id": space.id}).fetchone()
    effort = row[0] if row and row[0] else EF_SEARCH
    for name, value in (("enable_seqscan", "off"), ("hnsw.ef_search", str(effort))):
        connection.execute("SELECT set_config(%s, %s, true)", (name, value))
    query = statement("neighbours").format(vectors=space.vectors)
    found = {}
    for digest, vector, limit in zip(hashes, asked, limits, strict=True):
        true = limit[np.isfinite(limit)]
        if len(true):
            near = connection.execute(query, {"hash": digest, "vector": vector, "k": k})
            found[digest] = recall([distance for (distance,) in near], true)
    return Recall(k, found)
