"""`bootstrap metrics`: what Prometheus asks for, printed, in a file, or at a port."""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click

from bootstrap_assets import metrics as corpus_metrics
from bootstrap_assets.cli.console import check_place, errors, open_corpus_database, print_exactly
from bootstrap_assets.errors import explain


@click.command()
@click.option(
    "--file", type=click.Path(dir_okay=False, path_type=Path), help="Write it there, whole or not at all."
)
@click.option("--port", type=click.IntRange(0, 65535), help="Answer at /metrics; 0: any free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
def metrics(file: Path | None, port: int | None, host: str) -> None:
    """Print metrics in Prometheus' text format.

    Records, texts, tokens, dollars, waits, breakers, leases, requests, dead letters and stale work of the whole
    corpus, whichever machine is asked. --file suits the node exporter's textfile collector.
    """
    if port is not None:
        _serve(host, port)
    elif file:
        check_place(file)
        draft = file.with_name(f".{file.name}.new")
        draft.write_bytes(_exposition())
        draft.replace(file)
    else:
        print_exactly(_exposition().decode().rstrip("\n"))


def _exposition() -> bytes:
    with open_corpus_database() as connection:
        return corpus_metrics.exposition(connection)


def _serve(host: str, port: int) -> None:
    with serving(host, port) as server:
        server.serve_forever()


def serving(host: str, port: int) -> ThreadingHTTPServer:
    """A server of the metrics, which says where it listens; its `serve_forever` is for the caller to run."""
    server = ThreadingHTTPServer((host, port), handler_of(_exposition))
    errors.print(f"metrics at http://{host}:{server.server_port}/metrics", soft_wrap=True)
    return server


def handler_of(exposition: Callable[[], bytes]) -> type[BaseHTTPRequestHandler]:
    """What answers to GET /metrics; with 503 where the database does not answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404)
                return
            try:
                body, status, kind = exposition(), 200, corpus_metrics.CONTENT_TYPE
            except Exception as error:  # noqa: BLE001 - the next scrape may succeed
                body, status, kind = explain(error).encode(), 503, "text/plain; charset=utf-8"
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing: a scrape comes every few seconds."""

    return Handler
