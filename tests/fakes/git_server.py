"""Git over HTTP on loopback, by git's own http-backend; it can fail, stall, redirect and ask for a password."""

import base64
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar


class GitServer:
    """Serves the repositories below a folder. What it should do wrong is set on it while it runs."""

    def __init__(self, root: Path, host: str = "127.0.0.1") -> None:
        self.root = root
        self.password = ""
        self.failures = 0  # requests that are still answered with `status`
        self.status = 503
        self.stall_seconds = 0.0
        self.cut_after: int | None = None  # bytes of an answer to a fetch
        self.location = ""
        self.requests: list[str] = []
        self.authorisations: list[str] = []
        family = {"address_family": socket.AF_INET6 if ":" in host else socket.AF_INET}
        server = type("Server", (ThreadingHTTPServer,), family)
        self._server = server((host, 0), type("Handler", (_Handler,), {"git": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        host, port, *_ = self._server.server_address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @contextmanager
    def running(self) -> Iterator["GitServer"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    git: ClassVar[GitServer]
    protocol_version = "HTTP/1.0"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _answer(self, body: bytes) -> None:
        git = self.git
        git.requests.append(self.path)
        git.authorisations.append(self.headers.get("Authorization") or "")
        if git.stall_seconds:
            time.sleep(git.stall_seconds)
        if git.location:
            self.send_response(302)
            self.send_header("Location", git.location + self.path)
            self.end_headers()
        elif git.failures:
            git.failures -= 1
            self.send_error(git.status)
        elif git.password and self.headers.get("Authorization") != _basic(git.password):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
        else:
            self._pass_on(body)

    def _pass_on(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        variables = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type") or "",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=variables, capture_output=True, check=False)
        heading, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in heading.decode().split("\r\n") if ": " in line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        is_pack = self.git.cut_after is not None and b"PACK" in content
        self.wfile.write(content[: self.git.cut_after] if is_pack else content)


def _basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"git:{password}".encode()).decode()
