"""The local embedder: WordLlama's static token vectors, averaged. No key, no network, no GPU."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bootstrap_assets.embed.models import LOCAL
from bootstrap_assets.embed.protocol import Embeddings, InputType, Model
from bootstrap_assets.errors import RefusedError

_BLOCK = 64
"""Texts tokenised at once: bounds the memory for their tokens."""


class LocalEmbedder:
    """Mean of the text's token vectors, as a unit vector; documents and queries alike."""

    model: Model = LOCAL
    account = "local"

    def embed(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        """Embed texts; RefusedError where one has no token (an empty text)."""
        tokenizer, table = _load()
        vectors = np.empty((len(texts), self.model.dimensions), dtype=np.float32)
        tokens = 0
        for start in range(0, len(texts), _BLOCK):
            encoded = tokenizer.encode_batch_fast(list(texts[start : start + _BLOCK]), add_special_tokens=False)
            for row, text in enumerate(encoded, start):
                ids = text.ids
                if not ids:
                    raise RefusedError("an empty text has no vector")
                tokens += len(ids)
                vectors[row] = table[ids].mean(axis=0)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embeddings(vectors, tokens)


@cache
def _load() -> tuple[Any, Any]:
    """Tokenizer and token vectors (vocabulary x 256), from the files in WordLlama's wheel.

    Its loader looks for them in the wrong folder of its package unless it is told which.
    """
    import wordllama

    loaded = wordllama.WordLlama.load(
        dim=LOCAL.dimensions, cache_dir=Path(wordllama.__file__).parent, disable_download=True
    )
    # WordLlama's own `embed` pads every text to the longest of its batch: gigabytes for one long contract.
    loaded.tokenizer.no_padding()
    return loaded.tokenizer, loaded.embedding
