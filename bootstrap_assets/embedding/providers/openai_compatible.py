"""Servers with OpenAI's API for embeddings: Text Embeddings Inference, vLLM, Ollama, LM Studio, and OpenAI's own.

What they have in common: POST {base address}/embeddings with a model and texts. Not asked for are dimensions and
encoding, which some of them refuse; vectors are made unit vectors here, whatever the server did.
"""

import base64
import binascii
import re
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import requests

from bootstrap_assets import web
from bootstrap_assets.embedding.providers.protocol import Embedder, Embeddings, InputType, Model, SpaceModel
from bootstrap_assets.embedding.providers.voyage_errors import MAX_DETAIL, retry_after
from bootstrap_assets.embedding.providers.voyage_session import VoyageSession
from bootstrap_assets.errors import (
    AccessError,
    AnswerError,
    BootstrapError,
    ConfigurationError,
    ProviderError,
    RateLimitedError,
    RefusedError,
    TooLargeError,
)
from bootstrap_assets.settings import Settings, variable_of
from bootstrap_assets.texts.content import estimate_tokens

NAME = "openai_compatible"
TITLE = "the OpenAI-compatible server"

_TOO_LARGE = re.compile(
    r"context length|too long|too large|too many|batch size|max\w* (allowed|context)|less than \d+ tokens|exceeds",
    re.IGNORECASE,
)
"""What servers say of a text, or a request, above their limits: with 400, 413, 422, and Ollama with 500."""


class OpenAICompatibleProvider:
    """A server that the settings name, with a model that they describe."""

    name = NAME
    title = TITLE
    key: str | None = None
    is_free = True  # unless the settings give it a price, which nobody else could show

    def missing(self, settings: Settings) -> str | None:
        """The first variable that is not set, of the address, the model and its dimensions."""
        needed = (f"{NAME}_base_url", f"{NAME}_model", f"{NAME}_dimensions")
        return next((variable_of(field) for field in needed if getattr(settings, field) is None), None)

    def choose(self, settings: Settings, own: SpaceModel | None) -> Model:
        """The model that is set, else the database's own; ConfigurationError where there is neither."""
        name = settings.openai_compatible_model or (own.model if own else None)
        own_dimensions = own.dimensions if own and own.model == name else None
        dimensions = settings.openai_compatible_dimensions or own_dimensions
        if name is None or dimensions is None:
            raise ConfigurationError(f"set {variable_of(f'{NAME}_model')} and {variable_of(f'{NAME}_dimensions')}")
        return self.model(settings, name, dimensions)

    def model(self, settings: Settings, name: str, dimensions: int) -> Model:
        """A model with the limits that are set."""
        return Model(
            provider=NAME,
            name=name,
            dimensions=dimensions,
            context=settings.openai_compatible_context,
            request_texts=settings.openai_compatible_request_texts,
            request_tokens=max(settings.openai_compatible_request_tokens, settings.openai_compatible_context),
            dollars=settings.openai_compatible_dollars,
            requests_minute=settings.openai_compatible_rpm,
            tokens_minute=settings.openai_compatible_tpm,
        )

    def embedder(self, settings: Settings, model: Model, fitted: bytes | None) -> Embedder:
        """An embedder; ConfigurationError where no address is set, or nothing can be sent to it."""
        url = settings.openai_compatible_base_url
        if url is None:
            raise ConfigurationError(f"{model.name} is a model of {TITLE}: set {_Session.address}")
        if obstacle := web.obstacle(url):
            raise ConfigurationError(f"{TITLE} cannot be asked: {obstacle}")
        key = settings.openai_compatible_api_key
        return OpenAICompatibleEmbedder(
            model, url, key.get_secret_value() if key else "", timeout=settings.openai_compatible_timeout
        )

    def remarks(self, model: Model) -> list[str]:
        """None: what happens to texts is the server's affair."""
        return []


class OpenAICompatibleEmbedder:
    """Embeds with one model of a server. `key`: empty for none; `timeout`: seconds to wait for an answer."""

    def __init__(self, model: Model, url: str, key: str = "", *, timeout: float = 60.0) -> None:
        self._model = model
        self._url = f"{url.rstrip('/')}/embeddings"
        self._key = key
        self._timeout = timeout
        self._sessions = threading.local()

    @property
    def model(self) -> Model:
        """The model and its limits."""
        return self._model

    @property
    def account(self) -> str:
        """The provider and the server's host and port."""
        return f"{NAME}:{urlsplit(self._url).netloc}"

    def embed(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        """One request; raises what `Embedder.embed` says, and ConfigurationError for vectors of another length."""
        answer = self._ask(texts)
        try:
            vectors = _vectors(answer["data"], len(texts))
        except (KeyError, TypeError, ValueError, OverflowError, binascii.Error) as error:
            raise AnswerError(f"an answer of {TITLE} lacks what it should hold: {error!r}") from None
        self._check(vectors)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.all(np.isfinite(norms) & (norms > 0)):
            raise AnswerError(f"an answer of {TITLE} holds a vector without a direction")
        return Embeddings((vectors / norms).astype(np.float32), _tokens(answer.get("usage"), texts))

    def _check(self, vectors: npt.NDArray[np.float64]) -> None:
        length = vectors.shape[1]
        if length != self._model.dimensions:
            raise ConfigurationError(
                f"{self._model.name} gives vectors of {length} dimensions, not of {self._model.dimensions}: "
                f"set {variable_of(f'{NAME}_dimensions')}={length}"
            )

    def _ask(self, texts: Sequence[str]) -> Any:
        if not hasattr(self._sessions, "session"):
            self._sessions.session = _Session()
        response = self._sessions.session.request(
            "POST",
            self._url,
            json={"model": self._model.name, "input": list(texts)},
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=self._timeout,
            allow_redirects=False,
        )
        if response.status_code != 200:
            raise _error(response, self._url, self._key)
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise AnswerError(f"{TITLE} answered 200 with something that is no list of embeddings")
        return answer


class _Session(VoyageSession):
    """Tells what never left this machine, as that of Voyage AI does."""

    title = TITLE
    address = variable_of(f"{NAME}_base_url")


def _error(response: requests.Response, url: str, key: str) -> BootstrapError:
    """Our error for an answer that is none."""
    status, words = response.status_code, _detail(response, key)
    message = f"{TITLE} answered {status}: {words}"
    if status in (401, 402, 403) or (status == 429 and "quota" in words):
        return AccessError(message)
    if status == 429:
        return RateLimitedError(message, retry_after(response.headers))
    if status == 413 or (status in (400, 422, 500) and _TOO_LARGE.search(words)):
        return TooLargeError(message)
    if status < 400 or status in (404, 405):
        return ConfigurationError(f"{message} ({_Session.address}, {variable_of(f'{NAME}_model')}?)")
    if status == 407:
        return ConfigurationError(f"{TITLE} cannot be asked: {web.proxy_refusal(status, url).message}")
    if status >= 500 or status in (408, 409, 425):
        return ProviderError(message, retry_after(response.headers))
    return RefusedError(message)


def _detail(response: requests.Response, key: str) -> str:
    """The server's own words, without the key."""
    try:
        body = response.json()
    except ValueError:
        body = None
    while isinstance(body, dict):
        body = next((body[name] for name in ("error", "message", "detail") if body.get(name)), None)
    words = str(body or response.text)
    return " ".join((words.replace(key, "***") if key else words).split())[:MAX_DETAIL]


def _vectors(data: Sequence[Any], texts: int) -> npt.NDArray[np.float64]:
    """The vectors of an answer (texts × its dimensions), in the order of the texts."""
    items = sorted(data, key=lambda item: int(item["index"]))
    if [int(item["index"]) for item in items] != list(range(texts)):
        raise AnswerError(f"asked for {texts} vectors, got {len(data)} with other numbers")
    return np.stack([_vector(item["embedding"]) for item in items])


def _vector(embedding: str | Sequence[float]) -> npt.NDArray[np.float64]:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4").astype(np.float64)
    vector = np.asarray(embedding, dtype=np.float64)
    if vector.ndim != 1 or not vector.size:
        raise ValueError(f"a vector of shape {vector.shape}")
    return vector


def _tokens(usage: Any, texts: Sequence[str]) -> int:
    """The tokens that were charged; estimated where the server does not count them, or says 0."""
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    if isinstance(total, int) and 0 < total < 2**31:
        return total
    return sum(estimate_tokens(text) for text in texts)
