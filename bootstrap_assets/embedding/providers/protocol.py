"""What a provider is: a name, facts, its models; and what it makes, an embedder: a model and one method."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from bootstrap_assets.settings import Settings


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
    there are none. `feedback`: whether the vector of a query gains from those of its best texts, as with a model
    that knows a text only by its words.
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

    @property
    def is_free(self) -> bool:
        """Whether it costs nothing: its vectors can be made again, and a request needs no budget."""
        return self.dollars == 0

    def cost(self, tokens: int) -> float:
        """Dollars for that many tokens."""
        return tokens * self.dollars / 1_000_000

    def minutes(self, requests: int, tokens: int) -> float | None:
        """The least that the rate limits allow, None where there are none."""
        least = [requests / self.requests_minute] if self.requests_minute else []
        least += [tokens / self.tokens_minute] if self.tokens_minute else []
        return max(least, default=None)


@dataclass(frozen=True, slots=True)
class Embeddings:
    """An answer: unit vectors of shape (texts, dimensions), and the tokens that were charged."""

    vectors: npt.NDArray[np.float32]
    tokens: int


@runtime_checkable
class Fitting(Protocol):
    """An embedder that learns from the corpus what its queries need; stored vectors do not depend on it."""

    def fit(self, texts: Iterable[str]) -> bytes:
        """What it learns from these texts; `embedder_of` makes an embedder with it for every query."""


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


class SpaceModel(Protocol):
    """Of a space of vectors, the model that made it."""

    @property
    def provider(self) -> str:
        """The name of a provider."""

    @property
    def model(self) -> str:
        """The model's name."""

    @property
    def dimensions(self) -> int:
        """Dimensions of its vectors."""


class Provider(Protocol):
    """Who makes vectors: one module each in this package, listed in `registry.py`.

    A provider's settings begin with its name (`voyage_model`, `voyage_dimensions`).
    """

    @property
    def name(self) -> str:
        """The word for it in BOOTSTRAP_EMBEDDER, in a space and in the ledger."""

    @property
    def title(self) -> str:
        """What people call it."""

    @property
    def key(self) -> str | None:
        """The variable that holds its key, None where it needs none."""

    @property
    def is_free(self) -> bool:
        """Whether none of its models costs anything."""

    def missing(self, settings: Settings) -> str | None:
        """The variable that has to be set before it can be asked, None where nothing is missing."""

    def choose(self, settings: Settings, own: SpaceModel | None) -> Model:
        """The model that the settings ask for; where they leave it open, that of the database's `own` space.

        ConfigurationError for a model that it does not offer. Needs no key.
        """

    def model(self, settings: Settings, name: str, dimensions: int) -> Model:
        """The model of a space, with its limits; ConfigurationError for one that it does not offer."""

    def embedder(self, settings: Settings, model: Model, statistics: bytes | None) -> Embedder:
        """An embedder with one of its models; ConfigurationError without a key.

        `statistics`: what an embedder of that model learnt from the corpus (see `Fitting`).
        """

    def remarks(self, model: Model) -> list[str]:
        """What a person should know before texts are sent to it."""
