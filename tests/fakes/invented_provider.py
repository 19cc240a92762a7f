"""A third provider as somebody would add it: one module that speaks to a server over HTTP; here over loopback.

The line in the registry is a test's: `monkeypatch.setitem(PROVIDERS, "invented", InventedProvider(server.url))`.
"""

import json
import math
import threading
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import requests

from bootstrap_assets.embedding.providers.protocol import Embedder, Embeddings, InputType, Model, SpaceModel
from bootstrap_assets.errors import NoAnswerError, TooLargeError
from bootstrap_assets.settings import Settings
from bootstrap_assets.texts.content import estimate_tokens

MODEL = Model(
    provider="invented",
    name="bag-of-words",
    dimensions=64,
    context=512,
    request_texts=32,
    request_tokens=4_000,
    dollars=0.5,
)


class InventedProvider:
    """A server that costs and needs no key, with a model of 512 tokens."""

    name = "invented"
    title = "Invented"
    key: str | None = None
    is_free = False

    def __init__(self, url: str) -> None:
        self._url = url

    def missing(self, settings: Settings) -> str | None:
        return None

    def choose(self, settings: Settings, own: SpaceModel | None) -> Model:
        return MODEL

    def model(self, settings: Settings, name: str, dimensions: int) -> Model:
        return MODEL

    def embedder(self, settings: Settings, model: Model, statistics: bytes | None) -> Embedder:
        return InventedEmbedder(self._url)

    def remarks(self, model: Model) -> list[str]:
        return ["it is invented"]


class InventedEmbedder:
    """Asks the server."""

    model = MODEL
    account = "invented"

    def __init__(self, url: str) -> None:
        self._url = url

    def embed(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        try:
            answer = requests.post(self._url, json={"texts": list(texts), "type": input_type.value}, timeout=10)
        except requests.RequestException as error:
            raise NoAnswerError(str(error)) from None
        if answer.status_code == 413:
            raise TooLargeError("too long")
        document = answer.json()
        return Embeddings(np.array(document["vectors"], dtype=np.float32), document["tokens"])


class InventedServer:
    """The server; `most`: tokens of a text that it takes, as our estimate counts them. `sent` counts the texts."""

    def __init__(self, most: int = MODEL.context) -> None:
        self.most = most
        self.sent: Counter[str] = Counter()
        self.types: Counter[str] = Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        tokens = [estimate_tokens(text) for text in request["texts"]]
        if max(tokens) > self.most:
            return 413, {}
        self.sent.update(request["texts"])
        self.types[request["type"]] += 1
        return 200, {"vectors": [_vector(text) for text in request["texts"]], "tokens": sum(tokens)}

    def __enter__(self) -> "InventedServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, document = server.answer(json.loads(body))
                content = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def _vector(text: str) -> list[float]:
    """A text's words, each counted in one of 64 places: a unit vector."""
    places = Counter(sha256(word.strip(".,;:").encode()).digest()[0] % 64 for word in text.lower().split())
    length = math.sqrt(sum(count * count for count in places.values())) or 1.0
    return [places[place] / length for place in range(64)]
