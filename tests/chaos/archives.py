"""A slow web server for archives, with ranges, so that a download can be killed in the middle and resumed."""

import hashlib
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PIECES = 24


class ArchiveServer:
    """Serves `folder/<source>/<file>` as `/<file>`, each in PIECES pieces over `seconds`."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.resumed = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, folder, seconds))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> "ArchiveServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _handler(server: ArchiveServer, folder: Path, seconds: float) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            body = (folder / Path(name).stem / Path(name).name).read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(asked[1]) if asked and self.headers.get("If-Range") == etag else 0
            server.resumed += start > 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.send_header("ETag", etag)
            self.end_headers()
            self._send(body, start)

        def _send(self, body: bytes, start: int) -> None:
            step = max(1, -(-len(body) // PIECES))
            try:
                for at in range(start, len(body), step):
                    self.wfile.write(body[at : at + step])
                    time.sleep(seconds / PIECES)
            except OSError:  # the child was killed
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    return Handler
