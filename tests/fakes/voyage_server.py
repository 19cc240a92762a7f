"""An HTTP server that speaks the Voyage embeddings API, on loopback, for tests, benchmarks and trying things.

By hand:  python tests/fakes/voyage_server.py --port 8765 --latency 0.1
then:     VOYAGE_API_KEY=any BOOTSTRAP_VOYAGE_BASE_URL=http://127.0.0.1:8765/v1 bootstrap run

A text's vector is drawn from the hash of the text: the same text always gets the same unit vector. It counts
what it was paid for at /stats.
"""

import argparse
import base64
import hashlib
import json
import re
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

MAX_TEXTS = 1_000
REQUEST_TOKENS = {
    "voyage-law-2": 120_000,
    "voyage-4-large": 120_000,
    "voyage-4": 320_000,
    "voyage-4-lite": 1_000_000,
}
CONTEXT = {"voyage-law-2": 16_000}
_TOKEN = re.compile(r"\w{1,6}|[^\w\s]")


class Refusal(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class VoyageServer:
    """The server with its counters. Use as a context manager; `url` is the base URL for the client."""

    def __init__(self, *, port: int = 0, latency: float = 0.0, key: str | None = None) -> None:
        self.latency = latency
        self.key = key
        self.requests = 0
        self.paid: Counter[bytes] = Counter()
        self.largest_request = (0, 0)
        self.input_types: Counter[str | None] = Counter()
        self.refuse: Any = None
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def texts_paid(self) -> int:
        return self.paid.total()

    @property
    def texts_paid_twice(self) -> int:
        return sum(times - 1 for times in self.paid.values())

    def __enter__(self) -> "VoyageServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def serve_forever(self) -> None:
        self._http.serve_forever()

    def stats(self) -> dict[str, int]:
        return {
            "requests": self.requests,
            "texts": self.texts_paid,
            "distinct_texts": len(self.paid),
            "most_texts_in_a_request": self.largest_request[0],
            "most_tokens_in_a_request": self.largest_request[1],
        }

    def answer(self, body: dict[str, Any], authorization: str | None) -> bytes:
        texts, dimensions = self._validate(body, authorization)
        if self.refuse:
            self.refuse(texts)
        time.sleep(self.latency)
        counts = [count_tokens(text) for text in texts]
        with self._lock:
            self.requests += 1
            self.input_types[body.get("input_type")] += 1
            self.paid.update(hashlib.sha256(text.encode()).digest() for text in texts)
            self.largest_request = (
                max(self.largest_request[0], len(texts)),
                max(self.largest_request[1], sum(counts)),
            )
        encode = _base64 if body.get("encoding_format") == "base64" else _list
        embeddings = (encode(vector) for vector in vectors_of(texts, dimensions))
        data = ",".join(
            f'{{"object":"embedding","embedding":{embedding},"index":{index}}}'
            for index, embedding in enumerate(embeddings)
        )
        usage = json.dumps({"total_tokens": sum(counts)})
        return f'{{"object":"list","data":[{data}],"model":"{body["model"]}","usage":{usage}}}'.encode()

    def _validate(self, body: dict[str, Any], authorization: str | None) -> tuple[list[str], int]:
        if not authorization or not authorization.startswith("Bearer ") or authorization == "Bearer ":
            raise Refusal(401, "Provided API key is invalid.")
        if self.key is not None and authorization != f"Bearer {self.key}":
            raise Refusal(401, "Provided API key is invalid.")
        model = body.get("model")
        if model not in REQUEST_TOKENS:
            raise Refusal(400, f"Model {model} is not supported.")
        texts = body.get("input")
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise Refusal(400, "The input must be a string or a list of strings.")
        if any(not text for text in texts):
            raise Refusal(400, "Input cannot contain empty strings or empty lists.")
        if len(texts) > MAX_TEXTS:
            raise Refusal(400, f"The batch size limit is {MAX_TEXTS}. Your batch size is {len(texts)}.")
        self._check_tokens(model, texts, truncation=bool(body.get("truncation", True)))
        return texts, int(body.get("output_dimension") or 1024)

    def _check_tokens(self, model: str, texts: list[str], *, truncation: bool) -> None:
        counts = [count_tokens(text) for text in texts]
        context = CONTEXT.get(model, 32_000)
        if not truncation and max(counts) > context:
            raise Refusal(400, f"An example exceeds the context length of {context} tokens.")
        limit = REQUEST_TOKENS[model]
        if sum(counts) > limit:
            raise Refusal(
                400,
                f"The max allowed tokens per submitted batch is {limit}. "
                f"Your batch has {sum(counts)} tokens after truncation.",
            )


def count_tokens(text: str) -> int:
    """Roughly what a subword tokenizer counts."""
    return len(_TOKEN.findall(text)) + 1


def vector_of(text: str, dimensions: int) -> np.ndarray:
    """The unit vector of a text."""
    return vectors_of([text], dimensions)[0]


def vectors_of(texts: list[str], dimensions: int) -> np.ndarray:
    """Unit vectors of texts: stretches of one long row of random numbers, where the text's hash says.

    So a full request costs the server little, and what a benchmark measures is the client.
    """
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    starts = [int.from_bytes(digest[:8], "big") % (len(_NOISE) - dimensions) for digest in digests]
    vectors = np.lib.stride_tricks.sliding_window_view(_NOISE, dimensions)[starts]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


_NOISE = np.random.default_rng(7).standard_normal(1 << 20, dtype=np.float32)


def _base64(vector: np.ndarray) -> str:
    return f'"{base64.b64encode(vector.tobytes()).decode()}"'


def _list(vector: np.ndarray) -> str:
    return json.dumps(vector.tolist())


def _handler(server: VoyageServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                if self.path != "/v1/embeddings":
                    raise Refusal(404, "Not Found")
                self._send(200, server.answer(json.loads(body), self.headers.get("Authorization")))
            except json.JSONDecodeError:
                self._send(400, _detail("The request body is not valid JSON."))
            except Refusal as refusal:
                self._send(refusal.status, _detail(refusal.detail))

        def do_GET(self) -> None:
            self._send(200, json.dumps(server.stats()).encode())

        def _send(self, status: int, payload: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _detail(message: str) -> bytes:
    return json.dumps({"detail": message}).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description="A loopback server that speaks the Voyage embeddings API.")
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    arguments = parser.parse_args()
    server = VoyageServer(port=arguments.port, latency=arguments.latency)
    print(server.url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
