"""Voyage AI, through its own client. One request per call; retries and limits are the caller's.

The client's `Embedding.create` rather than `Client.embed`: the latter turns every vector into a list of Python
floats, 36 MB for a full request, which we would turn back.
"""

import base64
import binascii
import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from bootstrap_assets import web
from bootstrap_assets.embedding.providers.protocol import Embedder, Embeddings, InputType, Model, SpaceModel
from bootstrap_assets.embedding.providers.voyage_errors import classify, denial, host_of
from bootstrap_assets.embedding.providers.voyage_models import (
    DEFAULT_DIMENSIONS,
    DEFAULT_MODEL,
    is_legacy,
    replacement,
    voyage_model,
    with_limits,
)
from bootstrap_assets.embedding.providers.voyage_session import VoyageSession
from bootstrap_assets.errors import AccessError, AnswerError, ConfigurationError
from bootstrap_assets.setting_names import KEY
from bootstrap_assets.settings import ElementType, Settings


class VoyageProvider:
    """Voyage AI: needs a key, and costs by the token."""

    name = "voyage"
    title = "Voyage AI"
    key: str | None = KEY
    is_free = False

    def missing(self, settings: Settings) -> str | None:
        """The key, where it is not set."""
        return KEY if settings.voyage_api_key is None else None

    def choose(self, settings: Settings, own: SpaceModel | None) -> Model:
        """The model that is set, else the database's own, else the default."""
        name = settings.voyage_model or (own.model if own else DEFAULT_MODEL)
        dimensions = settings.voyage_dimensions
        if own and own.model == name and dimensions in (None, own.dimensions):
            return self._model(settings, name, own.dimensions, settings.element_type or "halfvec")
        return self._model(settings, name, dimensions, settings.element_type or "vector")

    def model(self, settings: Settings, name: str, dimensions: int) -> Model:
        """A model with the limits of the account that is set; ConfigurationError for one that is not offered."""
        return self._model(settings, name, dimensions, "halfvec")

    def _model(self, settings: Settings, name: str, dimensions: int | None, element_type: ElementType) -> Model:
        model = voyage_model(name, dimensions, element_type)
        return with_limits(model, tier=settings.voyage_tier, rpm=settings.voyage_rpm, tpm=settings.voyage_tpm)

    def embedder(self, settings: Settings, model: Model, statistics: bytes | None) -> Embedder:
        """An embedder with the key that is set; ConfigurationError without one, or where nothing can be sent."""
        if settings.voyage_api_key is None:
            raise ConfigurationError(
                f"{model.name} is a model of {self.title}: set {KEY} (a search with `--mode text` needs none)"
            )
        key = settings.voyage_api_key.get_secret_value()
        obstacle = web.obstacle(settings.voyage_base_url or f"https://{host_of(key)}/v1")
        if obstacle:
            raise ConfigurationError(f"{self.title} cannot be asked: {obstacle}")
        return VoyageEmbedder(model, key, settings.voyage_base_url, timeout=settings.voyage_timeout)

    def remarks(self, model: Model) -> list[str]:
        """That texts may be trained on, and that a model will be retired."""
        training = (
            "what is sent may be used to train the provider's models unless your organisation has opted out in "
            "its settings at Voyage AI (MongoDB): do that before texts of customers are sent"
        )
        if not is_legacy(model.name):
            return [training]
        other = replacement(model.name)
        retirement = (
            f"{model.name} is a legacy model, which Voyage AI will retire: its replacement is {other} "
            f"(BOOTSTRAP_VOYAGE_MODEL={other}; the next run then embeds anew beside it)"
        )
        return [training, retirement]


class VoyageEmbedder:
    """Embeds with a model of Voyage AI. Truncation is off: a text that is too long is an error, never cut.

    `timeout`: seconds to wait for an answer.
    """

    def __init__(self, model: Model, api_key: str, base_url: str | None = None, *, timeout: float = 60.0) -> None:
        self._model = model
        self._api_key = api_key
        self._base_url = base_url
        self._timeout = timeout

    @property
    def model(self) -> Model:
        """The model and its limits."""
        return self._model

    @property
    def account(self) -> str:
        """The provider and six digits of the key's hash: enough to tell two keys apart, not to guess one."""
        return f"voyage:{hashlib.sha256(self._api_key.encode()).hexdigest()[:6]}"

    def embed(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        """One request to Voyage AI; raises what `Embedder.embed` says."""
        answer = self._ask(texts, input_type)
        try:
            return Embeddings(_vectors(answer["data"], len(texts)), _tokens(answer["usage"]["total_tokens"]))
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise AnswerError(f"an answer of Voyage AI lacks what it should hold: {error!r}") from None

    def _ask(self, texts: Sequence[str], input_type: InputType) -> Any:
        from voyageai.api_resources import Embedding  # takes more than a second: only for those who embed with it
        from voyageai.error import VoyageError
        from voyageai.util import get_default_base_url

        dimensions = self._model.dimensions
        url = self._base_url or get_default_base_url(self._api_key)
        try:
            with _our_session():
                return Embedding.create(  # type: ignore[no-untyped-call]
                    api_key=self._api_key,
                    base_url=url,
                    request_timeout=self._timeout,
                    input=list(texts),
                    model=self._model.name,
                    input_type=input_type.value,
                    truncation=False,
                    output_dimension=None if dimensions == DEFAULT_DIMENSIONS else dimensions,
                    encoding_format="base64",
                )
        # `from None`: what the client raises may quote headers, the key among them, and Dagster shows causes.
        except VoyageError as error:
            ours = classify(error, url=url, secret=self._api_key, model=self._model.name)
            raise denial(ours, url, self._api_key) if isinstance(ours, AccessError) else ours from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # the client stumbles over the body
            raise AnswerError(f"an answer of Voyage AI cannot be read: {type(error).__name__}") from None


_ours = threading.local()  # one attribute per thread, `session`


@contextmanager
def _our_session() -> Iterator[None]:
    """Let the client send over our session, in this thread and for this call; others who use it have their own."""
    from voyageai.api_resources import api_requestor

    if not hasattr(_ours, "session"):
        _ours.session = VoyageSession()
    variables = vars(api_requestor._thread_context)
    theirs = dict(variables)
    variables.update(session=_ours.session, session_create_time=time.time())
    try:
        yield
    finally:
        variables.clear()
        variables.update(theirs)


def _tokens(total: Any) -> int:
    """The tokens that were charged. Anything else must not lower what a run has spent."""
    tokens = int(total)
    if not 0 <= tokens < 2**31:
        raise AnswerError(f"an answer of Voyage AI counts {str(total)[:40]} tokens")
    return tokens


def _vectors(data: Sequence[Any], texts: int) -> npt.NDArray[np.float32]:
    """The vectors of an answer, in the order of the texts, whatever the order they came in."""
    items = sorted(data, key=lambda item: int(item["index"]))
    if [int(item["index"]) for item in items] != list(range(texts)):
        raise AnswerError(f"asked for {texts} vectors, got {len(data)} with other numbers")
    try:
        return np.stack([_vector(item["embedding"]) for item in items])
    except (ValueError, binascii.Error) as error:
        raise AnswerError(f"an answer holds vectors that cannot be read: {error}") from None


def _vector(embedding: str | Sequence[float]) -> npt.NDArray[np.float32]:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding), dtype="<f4")
    return np.asarray(embedding, dtype=np.float32)
