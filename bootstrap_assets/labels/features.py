"""What a scorer sees of a piece: its words and word pairs, less of its neighbours', and those of its stretch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
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

STRETCH, SHORTEST = 1_400, 500
"""Characters of a stretch at most, unless a piece is longer; and from which on a heading begins another."""

HEADING = re.compile(r"(?:article|section)\b|\d{1,2}(?:\.\d{1,2})?[.)]?\s+[A-Z]", re.IGNORECASE)
"""How a piece begins that begins a stretch."""

Matrix = Any
"""A sparse matrix of SciPy: a row for each piece, a column for each term of each place that counts."""

Arrays = dict[str, npt.NDArray[Any]]
"""What is stored: arrays of numbers and of texts, by name."""


@dataclass(frozen=True)
class View:
    """What scorers see of consecutive pieces: a row for each in `pieces`, for each stretch one in `stretches`.

    `owner` tells contracts apart, `stretch` has the number of each piece's stretch.
    """

    pieces: Matrix
    stretches: Matrix
    owner: npt.NDArray[np.int64]
    stretch: npt.NDArray[np.int64]

    @property
    def owners(self) -> npt.NDArray[np.int64]:
        """The contract of each stretch."""
        return self.owner[np.unique(self.stretch, return_index=True)[1]]


def stretches_of(texts: Sequence[str], owner: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each piece the number of its stretch: pieces of one contract, about a section together."""
    numbers = np.zeros(len(texts), dtype=np.int64)
    number, length = -1, STRETCH
    for place, text in enumerate(texts):
        is_other = place == 0 or owner[place] != owner[place - 1]
        is_heading = length >= SHORTEST and HEADING.match(text) is not None
        if is_other or is_heading or length + len(text) > STRETCH:
            number, length = number + 1, 0
        length += len(text)
        numbers[place] = number
    return numbers


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

    def view(self, texts: Sequence[str], owner: npt.NDArray[np.int64]) -> View:
        """The features of consecutive pieces; `owner` tells the contracts apart, for neighbours are of one."""
        stretch = stretches_of(texts, owner)
        borders = np.flatnonzero(np.diff(stretch, append=-1)) + 1
        joined = [" ".join(texts[start:end]) for start, end in pairwise([0, *borders])] if len(texts) else []
        vectorizer = self._vectorizer()
        pieces, stretches = (_rows(vectorizer, some, len(self.terms)) for some in (texts, joined))
        return View(self._with_neighbours(pieces, owner), stretches, owner, stretch)

    def _with_neighbours(self, own: Matrix, owner: npt.NDArray[np.int64]) -> Matrix:
        from scipy import sparse

        if not self.neighbours:
            return own
        same = np.flatnonzero(owner[1:] == owner[:-1])
        ones = np.full(len(same), NEIGHBOURS, dtype=np.float32)
        shift = sparse.csr_matrix((ones, (same + 1, same)), shape=(len(owner), len(owner)))
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


def _rows(vectorizer: Any, texts: Sequence[str], columns: int) -> Matrix:
    from scipy import sparse

    if not texts:
        return sparse.csr_matrix((0, columns), dtype=np.float32)
    return vectorizer.transform(texts).astype(np.float32).tocsr()


def _vectorizer(**options: Any) -> Any:
    with needs_extra("labels", "what the labels know"):
        from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(**{"ngram_range": (1, 2), "sublinear_tf": True} | options)
