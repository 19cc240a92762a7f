"""The local embedder: WordLlama's static token vectors, averaged. No key, no network, no GPU."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bootstrap_assets.embedding.providers.protocol import Embedder, Embeddings, InputType, Model, SpaceModel
from bootstrap_assets.errors import ConfigurationError, RefusedError
from bootstrap_assets.settings import Settings

LOCAL = Model(
    provider="local",
    name="wordllama-l2-supercat-distinct",
    dimensions=256,
    context=16_000,
    request_texts=512,
    request_tokens=64_000,
    dollars=0.0,
    parallel=False,
    feedback=True,
)
"""A static model has no context limit of its own; this bound keeps the memory for one text small.

The name says how a text's vector is made of its tokens': another way is another space.
"""

RARITY = 1e-3
"""a of the weight a / (a + p) of a query's token that makes the share p of all tokens (Arora, Liang, Ma 2017)."""

_BLOCK = 64
"""Texts tokenised at once: bounds the memory for their tokens."""

Weights = npt.NDArray[np.float32]
"""For each token of the vocabulary, how much it counts in a query."""


class LocalProvider:
    """This machine: one model, which needs no key and costs nothing."""

    name = LOCAL.provider
    title = "the local model"
    key: str | None = None
    is_free = True

    def missing(self, settings: Settings) -> str | None:
        """None: it needs nothing."""
        return None

    def choose(self, settings: Settings, own: SpaceModel | None) -> Model:
        """The only model."""
        return LOCAL

    def model(self, settings: Settings, name: str, dimensions: int) -> Model:
        """The only model; ConfigurationError where a space is of another, from a later version or an older one."""
        if (name, dimensions) != (LOCAL.name, LOCAL.dimensions):
            raise ConfigurationError(f"the vectors are of {self.name}'s {name}, which this version does not know")
        return LOCAL

    def embedder(self, settings: Settings, model: Model, statistics: bytes | None) -> Embedder:
        """An embedder, with what one learnt from the corpus."""
        return LocalEmbedder(statistics)

    def remarks(self, model: Model) -> list[str]:
        """None: nothing leaves this machine."""
        return []


class LocalEmbedder:
    """Mean of the vectors of a text's distinct tokens, as a unit vector.

    A token counts once, however often it occurs. In a query, but not in a document, a token counts the more the
    rarer it is in the corpus: `statistics`, which `fit` gives, say how rare. So a new fit makes no stored vector
    obsolete. docs/quality.md has the measurements.
    """

    model: Model = LOCAL
    account = "local"

    def __init__(self, statistics: bytes | None = None) -> None:
        """`statistics`: what `fit` gave; None weighs all tokens of a query alike."""
        self._statistics = statistics

    def embed(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        """Embed texts; RefusedError where one has no token (an empty text)."""
        tokenizer, table = _load()
        weights = _weights(self._statistics) if self._statistics and input_type is InputType.QUERY else None
        vectors = np.empty((len(texts), self.model.dimensions), dtype=np.float32)
        tokens = 0
        for start in range(0, len(texts), _BLOCK):
            encodings = tokenizer.encode_batch_fast(list(texts[start : start + _BLOCK]), add_special_tokens=False)
            for row, text in enumerate(encodings, start):
                ids = np.unique(text.ids)
                if not len(ids):
                    raise RefusedError("an empty text has no vector")
                tokens += len(text.ids)
                vectors[row] = table[ids].mean(axis=0) if weights is None else weights[ids] @ table[ids]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embeddings(vectors, tokens)

    def fit(self, texts: Iterable[str]) -> bytes:
        """How often each token occurs in texts of the corpus, to be given to another embedder as `statistics`."""
        tokenizer, table = _load()
        counts = np.zeros(len(table), dtype="<u4")
        for text in texts:
            [encoding] = tokenizer.encode_batch_fast([text], add_special_tokens=False)
            np.add.at(counts, encoding.ids, 1)
        return counts.tobytes()


@cache
def _weights(statistics: bytes) -> Weights:
    counts = np.frombuffer(statistics, dtype="<u4").astype(np.float64)
    share = counts / max(counts.sum(), 1)
    weights: Weights = (RARITY / (RARITY + share)).astype(np.float32)
    return weights


@cache
def _load() -> tuple[Any, Any]:
    """Tokenizer and token vectors (vocabulary x 256), from the files in WordLlama's wheel.

    Its loader looks for them in the wrong folder of its package unless it is told which.
    """
    import wordllama

    model = wordllama.WordLlama.load(
        dim=LOCAL.dimensions, cache_dir=Path(wordllama.__file__).parent, disable_download=True
    )
    # WordLlama's own `embed` pads every text to the longest of its batch: gigabytes for one long contract.
    model.tokenizer.no_padding()
    return model.tokenizer, model.embedding
