"""What a scorer sees of a piece: its words and word pairs, and less of those of the pieces before and after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bootstrap_assets.extras import needs_extra

MOST_TERMS = 60_000
"""Words and word pairs that are told apart, the most frequent: bounds the memory of a scorer."""

NEIGHBOURS = 0.4
"""What the pieces before and after count, beside the piece itself: .25 and .6 are no better (docs/quality.md)."""

MANY = 12_000
"""Pieces from which on words of neighbours are left out."""

Matrix = Any
"""A sparse matrix of SciPy: a row for each piece, a column for each term of each place that counts."""

Arrays = dict[str, npt.NDArray[Any]]
"""What is stored: arrays of numbers and of texts, by name."""


@dataclass(frozen=True)
class Features:
    """The terms that are known, and how rare each is (inverse document frequency).

    `neighbours`: whether the words of the pieces before and after count too. Of many pieces they would take
    five times as long, and their scores, which calibration weighs, say nearly as much.
    """

    terms: tuple[str, ...]
    idf: npt.NDArray[np.float32]
    neighbours: bool

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Features":
        """What the pieces of a lesson teach of words; of few texts also the words that occur once."""
        vectorizer = _vectorizer(min_df=2 if len(texts) > 500 else 1, max_features=MOST_TERMS)
        vectorizer.fit(texts)
        return cls(
            tuple(map(str, vectorizer.get_feature_names_out())),
            vectorizer.idf_.astype(np.float32),
            len(texts) <= MANY,
        )

    def matrix(self, texts: Sequence[str], owner: npt.NDArray[np.int64]) -> Matrix:
        """The features of consecutive pieces; `owner` tells the contracts apart, for neighbours are of one."""
        from scipy import sparse

        own = self._vectorizer().transform(texts).astype(np.float32)
        if not self.neighbours:
            return own.tocsr()
        same = np.flatnonzero(owner[1:] == owner[:-1])
        ones = np.full(len(same), NEIGHBOURS, dtype=np.float32)
        shift = sparse.csr_matrix((ones, (same + 1, same)), shape=(len(texts), len(texts)))
        return sparse.hstack([own, shift @ own, shift.T @ own]).tocsr()

    def share(self, text: str) -> float:
        """The share of a text's words that are known, 0 where it has none."""
        words = self._vectorizer(ngram_range=(1, 1)).build_analyzer()(text)
        terms = self._terms()
        return sum(word in terms for word in words) / len(words) if words else 0.0

    def arrays(self) -> Arrays:
        """As they are stored."""
        return {
            "terms": np.array("\n".join(self.terms).encode(), dtype=np.bytes_),
            "idf": self.idf,
            "neighbours": np.array([self.neighbours]),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Features":
        """What `arrays` gave."""
        return cls(
            tuple(bytes(arrays["terms"].item()).decode().split("\n")), arrays["idf"], bool(arrays["neighbours"][0])
        )

    def _terms(self) -> frozenset[str]:
        return frozenset(self.terms)

    def _vectorizer(self, **options: Any) -> Any:
        vectorizer = _vectorizer(vocabulary=list(self.terms), **options)
        vectorizer.idf_ = self.idf.astype(np.float64)
        return vectorizer


def _vectorizer(**options: Any) -> Any:
    with needs_extra("labels", "what the labels know"):
        from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(**{"ngram_range": (1, 2), "sublinear_tf": True} | options)
