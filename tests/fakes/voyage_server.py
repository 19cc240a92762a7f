"""An HTTP server that speaks the Voyage embeddings API, on loopback, for tests, benchmarks and trying things.

By hand:  python tests/fakes/voyage_server.py --port 8765 --latency 0.1
then:     export VOYAGE_API_KEY=any BOOTSTRAP_VOYAGE_BASE_URL=http://127.0.0.1:8765/v1
          BOOTSTRAP_HOME=.bootstrap/trial bootstrap run

A text's vector is drawn from the hash of the text: the same text always gets the same unit vector. The server
counts what it was paid for, at /stats, keeps to limits per minute, and fails as it is told to: by `faults.py`,
on the command line, or while it runs:

    curl -d '{"share": 0.3, "kinds": ["reset", "nan"], "seed": 7}' http://127.0.0.1:8765/faults
    curl -d '{"script": ["server_error", null, "quota"]}' http://127.0.0.1:8765/faults
    curl -d '["a text that is always refused"]' http://127.0.0.1:8765/poison

What a request goes through: key (401, 403), validation (400), limits (429), poison (400), the `refuse` hook, and
then only the fault that is planned; so a script is used up by requests that had else been answered well.
"""

import json
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

if not __package__:  # started by hand: the checkout is not on the path yet
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fakes.accounts import Accounts
from tests.fakes.command_line import parse
from tests.fakes.embedding_request import EmbeddingRequest, Refusal, check_key, count_tokens, read_request
from tests.fakes.exchange import Exchange, LogEntry
from tests.fakes.faults import (
    PASSING,
    REFUSALS,
    Always,
    Fault,
    FaultPlan,
    FaultScript,
    RandomFaults,
    plan_of,
)
from tests.fakes.rate_window import RateWindow
from tests.fakes.replies import NOTHING, Reply, answer, refusal_reply, vector_of, vectors_of
from tests.fakes.wire import handler_of

__all__ = [
    "PASSING",
    "Always",
    "Fault",
    "FaultScript",
    "LogEntry",
    "RandomFaults",
    "Refusal",
    "VoyageServer",
    "count_tokens",
    "vector_of",
    "vectors_of",
]


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class VoyageServer(Accounts):
    """The server with its accounts. Use as a context manager; `url` is the base URL for the client.

    `latency`: seconds before each answer with 200. `key`: the only one taken, None for any; `forbidden`: keys that
    are answered with 403. `rpm`, `tpm`: limits of requests and tokens in any `window` seconds, None for no limit.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: float = 0.0,
        key: str | None = None,
        forbidden: Collection[str] = (),
        rpm: int | None = None,
        tpm: int | None = None,
        window: float = 60.0,
    ) -> None:
        self.latency = latency
        self.slow_seconds = 65.0
        self.retry_after = 1
        self.key = key
        self.forbidden = set(forbidden)
        self.poison: set[str] = set()
        self.refuse: Callable[[list[str]], object] | None = None
        super().__init__(window)
        self._plan: FaultPlan = FaultScript([])
        self._rates = RateWindow(rpm, tpm, window)
        self._http = _Http((host, port), handler_of(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        host, port = self._http.server_address[:2]
        return f"http://{host!s}:{port}/v1"

    @property
    def faults(self) -> FaultPlan:
        """The plan of faults; a list of faults and Nones can be set too, and None for no faults."""
        return self._plan

    @faults.setter
    def faults(self, plan: FaultPlan | Iterable[Fault | None] | None) -> None:
        self._plan = plan if hasattr(plan, "draw") else FaultScript(plan or [])

    def __enter__(self) -> "VoyageServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def plan_faults(self, told: Any) -> None:
        """Take a plan from JSON (see `plan_of`), and `slow_seconds` where it is told; ValueError if malformed."""
        told = dict(told)
        slow_seconds = float(told.pop("slow_seconds", self.slow_seconds))
        self._plan, self.slow_seconds = plan_of(told), slow_seconds

    def set_poison(self, told: Any) -> None:
        """Replace the poison by a list from JSON; ValueError if it is no list of strings."""
        if not isinstance(told, list) or not all(isinstance(text, str) for text in told):
            raise ValueError("poison is a list of texts")
        self.poison = set(told)

    def respond(self, exchange: Exchange, raw: bytes, authorization: str | None) -> Reply:
        """What to answer to the request in a body."""
        fault = None
        try:
            check_key(authorization, self.key, self.forbidden)
            exchange.request = request = read_request(raw)
            self._admit(exchange, request)
            self._check_texts(request)
            fault = self._draw()
            self._refuse_by(fault)
        except Refusal as refusal:
            self.note(exchange, refusal.status, fault)
            return refusal_reply(refusal)
        self.note(exchange, 0 if fault is Fault.reset else 200, fault)
        if fault is Fault.reset:
            return NOTHING
        self.charge(exchange, request, fault)
        time.sleep(self.latency)
        return answer(request, fault)

    def _admit(self, exchange: Exchange, request: EmbeddingRequest) -> None:
        with self._lock:
            exchange.arrived = time.monotonic()
            wait = self._rates.admit(exchange.arrived, request.tokens)
            exchange.admitted = wait is None
            if wait is not None:
                self.limited += 1
        if wait is not None:
            detail = f"Rate limit reached: {self._rates.rpm} requests and {self._rates.tpm} tokens per minute."
            raise Refusal(429, detail, {"Retry-After": str(math.ceil(wait))})

    def _check_texts(self, request: EmbeddingRequest) -> None:
        if not self.poison.isdisjoint(request.texts):
            raise Refusal(400, "The request could not be processed.")
        if self.refuse:
            self.refuse(list(request.texts))

    def _draw(self) -> Fault | None:
        with self._lock:
            fault = self._plan.draw()
            if fault is not None:
                self.served[fault] += 1
            return fault

    def _refuse_by(self, fault: Fault | None) -> None:
        if fault in REFUSALS:
            status, detail = REFUSALS[fault]
            headers = {"Retry-After": str(self.retry_after)} if fault is Fault.rate_limited else None
            raise Refusal(status, detail, headers)


def main() -> None:
    """Serve until SIGINT or SIGTERM, then print the counters."""
    options = parse()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    limits = {"rpm": options.rpm, "tpm": options.tpm, "window": options.window}
    with VoyageServer(port=options.port, latency=options.latency, key=options.key, **limits) as server:
        server.faults, server.poison, server.slow_seconds = options.plan, set(options.poison), options.slow
        print(server.url, flush=True)
        stopped.wait()
    print(json.dumps(server.stats(), indent=2))


if __name__ == "__main__":
    main()
