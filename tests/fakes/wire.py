"""The HTTP side of the fake provider: reads requests, and sends replies whole, in part or not at all."""

import contextlib
import json
import socket
import struct
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from tests.fakes.embedding_request import Refusal
from tests.fakes.replies import Ending, Reply, refusal_reply

if TYPE_CHECKING:
    from tests.fakes.voyage_server import VoyageServer

_READ_FIRST = 0.02
"""Seconds for the client to read the half that came before a reset, which discards what is under way."""


def handler_of(server: "VoyageServer") -> type[BaseHTTPRequestHandler]:
    """The request handler that answers for this server."""

    class Bound(_Handler):
        voyage = server

    return Bound


class _Handler(BaseHTTPRequestHandler):
    voyage: "VoyageServer"
    protocol_version = "HTTP/1.1"
    # The last byte is sent apart: it is not to wait until the ones before are acknowledged.
    disable_nagle_algorithm = True

    def handle(self) -> None:
        # A client that was killed, or gave up, is nothing to report.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        raw = self.rfile.read(length)
        if len(raw) < length:  # the client went away while it asked
            self.close_connection = True
        elif self.path == "/v1/embeddings":
            self._embed(raw)
        elif self.path == "/faults":
            self._told(raw, self.voyage.plan_faults)
        elif self.path == "/poison":
            self._told(raw, self.voyage.set_poison)
        else:
            self._send(refusal_reply(Refusal(404, "Not Found")))

    def do_GET(self) -> None:
        if self.path == "/stats":
            self._send(Reply(200, json.dumps(self.voyage.stats()).encode()))
        else:
            self._send(refusal_reply(Refusal(404, "Not Found")))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what was asked is in the server's log."""

    def _embed(self, raw: bytes) -> None:
        exchange = self.voyage.begin(self.client_address[0])
        try:
            reply = self.voyage.respond(exchange, raw, self.headers.get("Authorization"))
            if not (reply.late and self._client_leaves_within(self.voyage.slow_seconds)):
                self._send(reply, lambda: self.voyage.finish(exchange, delivered=True))
        except ConnectionError:
            self.close_connection = True
        finally:
            self.voyage.finish(exchange, delivered=False)

    def _told(self, raw: bytes, tell: Callable[[Any], None]) -> None:
        try:
            tell(json.loads(raw))
        except (ValueError, TypeError) as error:
            self._send(refusal_reply(Refusal(400, str(error))))
        else:
            self._send(Reply(200, b"{}"))

    def _send(self, reply: Reply, delivered: Callable[[], None] = lambda: None) -> None:
        """Send a reply; `delivered` is called before its last byte, for after it the client may look at once.

        A client that went away is a ConnectionError, and then `delivered` is not called.
        """
        if reply.status == 0:
            self._reset()
            return
        view = memoryview(reply.payload)
        whole = reply.ending is Ending.WHOLE
        held_back = 1 if whole and view else 0
        if not view:
            delivered()
        self._send_head(reply)
        self.wfile.write(view[: len(view) - held_back] if whole else view[: len(view) // 2])
        if held_back:
            if self._client_leaves_within(0):
                raise ConnectionAbortedError("the client went away before its answer was there")
            delivered()
            self.wfile.write(view[-1:])
        self._end(reply.ending)

    def _send_head(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.payload)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _end(self, ending: Ending) -> None:
        if ending is Ending.WHOLE:
            return
        self.close_connection = True
        if ending is Ending.STALLED:
            self._client_leaves_within(self.voyage.slow_seconds)
        elif ending is Ending.RESET:
            time.sleep(_READ_FIRST)
            self._reset()

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # From here on nobody but `rfile` holds it: when that is closed, RST goes out, and no FIN before it.
        self.connection.close()

    def _client_leaves_within(self, seconds: float) -> bool:
        """Whether the client closes the connection in that time; it has nothing else to say meanwhile."""
        self.connection.settimeout(seconds)
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except (TimeoutError, BlockingIOError):
            return False
        except ConnectionError:
            return True
        finally:
            self.connection.settimeout(None)
