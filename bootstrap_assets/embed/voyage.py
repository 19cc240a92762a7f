"""Voyage AI, through its own client. One request per call; retries and limits are the caller's."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from bootstrap_assets.embed.models import DEFAULT_DIMENSIONS
from bootstrap_assets.embed.protocol import Embeddings, InputType, Model
from bootstrap_assets.errors import RefusedError, TransientError, VectorError

TIMEOUT = 60.0
"""Seconds to wait for an answer."""


class VoyageEmbedder:
    """Embeds with a model of Voyage AI. Truncation is off: a text that is too long is an error, never cut."""

    def __init__(self, model: Model, api_key: str, base_url: str | None = None) -> None:
        self._model = model
        self._api_key = api_key
        self._base_url = base_url

    @property
    def model(self) -> Model:
        """The model and its limits."""
        return self._model

    def embed(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        """One request to Voyage AI.

        Raises RefusedError where the request or the key is wrong, TransientError for everything that may
        pass: time-outs, lost connections, 429, 5xx, broken answers.
        """
        answer = self._ask(texts, input_type)
        try:
            vectors = np.array(answer.embeddings, dtype=np.float32)
        except ValueError:
            raise VectorError("the vectors of one answer have different dimensions") from None
        return Embeddings(vectors, int(answer.total_tokens))

    def _ask(self, texts: Sequence[str], input_type: InputType) -> Any:
        from voyageai import error

        try:
            return self._client.embed(
                list(texts),
                model=self._model.name,
                input_type=input_type.value,
                truncation=False,
                output_dimension=(
                    None if self._model.dimensions == DEFAULT_DIMENSIONS else self._model.dimensions
                ),
            )
        except (error.InvalidRequestError, error.MalformedRequestError, error.AuthenticationError) as refused:
            raise RefusedError(f"Voyage AI refused the request: {refused}") from refused
        except error.VoyageError as failed:
            raise TransientError(f"Voyage AI failed: {failed}") from failed

    @cached_property
    def _client(self) -> Any:
        from voyageai.client import Client  # takes more than a second: only who embeds with it pays that

        return Client(api_key=self._api_key, base_url=self._base_url, timeout=TIMEOUT, max_retries=0)
