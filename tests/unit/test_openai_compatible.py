"""A server with OpenAI's API, over HTTP on loopback: what is sent, what comes back, what each refusal becomes."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from bootstrap_assets.embedding.choose import choose_embedder, choose_model
from bootstrap_assets.embedding.providers.openai_compatible import OpenAICompatibleProvider
from bootstrap_assets.embedding.providers.protocol import Embedder, InputType
from bootstrap_assets.errors import (
    AccessError,
    AnswerError,
    BootstrapError,
    ConfigurationError,
    NoAnswerError,
    ProviderError,
    RateLimitedError,
    RefusedError,
    TooLargeError,
)
from bootstrap_assets.settings import Settings
from bootstrap_assets.texts.content import estimate_tokens

KEY = "secret-key-1"
DIMENSIONS = 4


class Server:
    """Answers as it is told to; `requests` are the bodies, headers and paths that came."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.status, self.headers, self.body = 200, dict[str, str](), None
        self.dimensions, self.is_base64, self.usage = DIMENSIONS, False, {"prompt_tokens": 7, "total_tokens": 7}
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)))
                server.requests.append((self.path, dict(self.headers), body))
                if server.status == 0:  # breaks off
                    self.close_connection = True
                    return
                content = json.dumps(server.answer(body) if server.body is None else server.body).encode()
                self.send_response(server.status)
                for name, value in {"Content-Length": str(len(content)), **server.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def answer(self, body: Any) -> dict[str, Any]:
        data = []
        for index, text in enumerate(body["input"]):
            vector = np.full(self.dimensions, len(text), dtype="<f4")
            vector[0] = 1
            coded = base64.b64encode(vector.tobytes()).decode() if self.is_base64 else vector.tolist()
            data.append({"object": "embedding", "index": index, "embedding": coded})
        return {"object": "list", "data": data[::-1]} | ({"usage": self.usage} if self.usage else {})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def settings_for(url: str, **more: Any) -> Settings:
    values = {"base_url": url, "model": "bge-small", "dimensions": DIMENSIONS, "api_key": KEY} | more
    return Settings(embedder="openai_compatible", **{f"openai_compatible_{name}": v for name, v in values.items()})


def embedder(server: Server, **more: Any) -> Embedder:
    return choose_embedder(settings_for(server.url, **more))


def refusal(server: Server, status: int, body: Any, **headers: str) -> BootstrapError:
    server.status, server.body = status, body
    server.headers = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(BootstrapError) as raised:
        embedder(server).embed(["one"], InputType.DOCUMENT)
    assert KEY not in str(raised.value)
    return raised.value


@pytest.mark.parametrize("is_base64", [False, True])
def test_vectors_come_in_the_order_of_the_texts_as_unit_vectors(server: Server, is_base64: bool) -> None:
    server.is_base64 = is_base64
    answer = embedder(server).embed(["a", "two words", "b"], InputType.QUERY)
    assert answer.vectors.shape == (3, DIMENSIONS)
    assert answer.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(answer.vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(answer.vectors[1] / answer.vectors[1, 0], [1, 9, 9, 9], rtol=1e-5)
    assert answer.tokens == 7
    [(path, headers, body)] = server.requests
    assert (path, headers["Authorization"]) == ("/v1/embeddings", f"Bearer {KEY}")
    assert body == {"model": "bge-small", "input": ["a", "two words", "b"]}


def test_without_a_key_none_is_sent(server: Server) -> None:
    embedder(server, api_key=None).embed(["a"], InputType.DOCUMENT)
    assert "Authorization" not in server.requests[0][1]


@pytest.mark.parametrize("usage", [None, {"total_tokens": 0}, {"prompt_tokens": 3}, {"total_tokens": "many"}])
def test_tokens_that_are_not_counted_are_estimated(server: Server, usage: Any) -> None:
    server.usage = usage
    texts = ["some words", "others"]
    tokens = embedder(server).embed(texts, InputType.DOCUMENT).tokens
    assert tokens == sum(estimate_tokens(text) for text in texts) > 0


def test_a_429_says_how_long_to_wait(server: Server) -> None:
    error = refusal(server, 429, {"error": {"message": "Model is overloaded"}}, Retry_After="7")
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 7
    assert str(error) == "the OpenAI-compatible server answered 429: Model is overloaded"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": {"message": "This model's maximum context length is 512 tokens."}}, TooLargeError),
        (413, {"error": "`inputs` must have less than 512 tokens", "type": "Validation"}, TooLargeError),
        (422, {"error": "batch size 64 > maximum allowed batch size 32"}, TooLargeError),
        (500, {"error": "the input length exceeds the context length"}, TooLargeError),
        (400, {"error": {"message": "invalid input"}}, RefusedError),
        (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}, AccessError),
        (429, {"error": {"message": "You exceeded your current quota"}}, AccessError),
        (404, {"error": {"message": "model not found"}}, ConfigurationError),
        (302, {}, ConfigurationError),
        (503, {"message": "loading"}, ProviderError),
    ],
)  # fmt: skip
def test_what_each_refusal_becomes(server: Server, status: int, body: Any, kind: type[BootstrapError]) -> None:
    assert type(refusal(server, status, body)) is kind


def test_vectors_of_another_length_name_the_setting(server: Server) -> None:
    server.dimensions = 6
    with pytest.raises(ConfigurationError, match=r"6 dimensions, not of 4: set BOOTSTRAP_OPENAI_.*=6"):
        embedder(server).embed(["a"], InputType.DOCUMENT)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"data": []},
        {"data": [{"index": 0}]},
        {"data": [{"index": 0, "embedding": "?"}]},
        {"data": [{"index": 0, "embedding": [[1, 2, 3, 4]]}]},
        {"data": [{"index": 0, "embedding": []}]},
        {"data": [{"index": 0, "embedding": [0, 0, 0, 0]}]},
        {"data": [{"index": 1, "embedding": [1, 0, 0, 0]}]},
    ],
)
def test_an_answer_that_cannot_be_used_is_one_to_ask_again_for(server: Server, body: Any) -> None:
    server.body = body
    with pytest.raises(AnswerError):
        embedder(server).embed(["a"], InputType.DOCUMENT)


def test_a_connection_that_breaks_off_may_have_been_charged_and_one_that_never_was_is_not(server: Server) -> None:
    server.status = 0
    one = embedder(server)
    with pytest.raises(NoAnswerError):
        one.embed(["a"], InputType.DOCUMENT)
    server.close()
    with pytest.raises(ProviderError, match="the OpenAI-compatible server cannot be reached"):
        embedder(server).embed(["a"], InputType.DOCUMENT)


def test_its_limits_are_those_that_are_set() -> None:
    limits = {"context": 8192, "request_texts": 5, "request_tokens": 100, "dollars": 0.02, "rpm": 9, "tpm": 9000}
    model = choose_model(settings_for("http://127.0.0.1:1/v1", **limits))
    assert (model.context, model.request_texts, model.request_tokens) == (8192, 5, 8192)
    assert (model.dollars, model.requests_minute, model.tokens_minute) == (0.02, 9, 9000)


def test_what_is_not_set_is_named() -> None:
    provider = OpenAICompatibleProvider()
    assert provider.missing(Settings()) == "BOOTSTRAP_OPENAI_COMPATIBLE_BASE_URL"
    assert (
        provider.missing(settings_for("http://127.0.0.1:1/v1", model=None)) == "BOOTSTRAP_OPENAI_COMPATIBLE_MODEL"
    )
    with pytest.raises(ConfigurationError, match="BOOTSTRAP_OPENAI_COMPATIBLE_DIMENSIONS"):
        choose_model(settings_for("http://127.0.0.1:1/v1", dimensions=None))
    assert choose_model(Settings()).provider == "local"
