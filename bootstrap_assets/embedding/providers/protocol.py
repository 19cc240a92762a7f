"""What an embedder is: a model and one method."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt


class InputType(StrEnum):
    """What a text is embedded as; some models put different prompts before the two."""

    DOCUMENT = "document"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class Model:
    """A model and its limits.

    `context`: tokens a text may have; longer ones are pooled from their parts. `request_texts` and
    `request_tokens`: what one request may hold. `dollars`: per million tokens. `parallel`: whether several
    requests at once are any faster. `requests_minute` and `tokens_minute`: the account's rate limits, None where
    there are none. `feedback`: whether the vector of a query gains by those of its best texts, as those of a model
    do that knows a text only by its words.
    """

    provider: str
    name: str
    dimensions: int
    context: int
    request_texts: int
    request_tokens: int
    dollars: float
    parallel: bool = True
    requests_minute: int | None = None
    tokens_minute: int | None = None
    feedback: bool = False

    def cost(self, tokens: int) -> float:
        """Dollars for that many tokens."""
        return tokens * self.dollars / 1_000_000


@dataclass(frozen=True, slots=True)
class Embeddings:
    """An answer: unit vectors of shape (texts, dimensions), and the tokens that were charged."""

    vectors: npt.NDArray[np.float32]
    tokens: int


@runtime_checkable
class Fitting(Protocol):
    """An embedder that learns of the corpus what its queries need; stored vectors do not depend on it."""

    def fit(self, texts: Iterable[str]) -> bytes:
        """What it learns of these texts, for `embedder_of` to be given with every query."""


class Embedder(Protocol):
    """Turns texts into vectors. Called from several threads at once."""

    @property
    def model(self) -> Model:
        """The model and its limits."""

    @property
    def account(self) -> str:
        """Who is asked and who pays, as a name without a secret: rate limits and breakers go by it."""

    def embed(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        """Embed at most `model.request_texts` texts, in order.

        Raises RefusedError where a text is the reason, TooLargeError where there are too many; AccessError where
        the account is; RateLimitedError, ProviderError, NoAnswerError and AnswerError for what may pass.
        """
