"""How fast generated records go through the pipeline, as multiples of what nobody can do without.

24,000 records, of which 15 % repeat a text; 1024 dimensions. Once with an embedder that answers at once, against
a binary COPY; once with a provider over HTTP, in a process of its own, with 100 ms latency and at most 1,000 texts
and 120,000 tokens a request, 8 requests in flight, against these requests and a COPY of the answers. Everything
runs on an embedded server of its own, in a temporary folder.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import generated, startup
from benchmarks.figures import ROOT, Figure, times
from benchmarks.startup import BIN
from bootstrap_assets.cli.environment import prepare_environment
from bootstrap_assets.database.connection import connect, database_url
from bootstrap_assets.database.embedded import server
from bootstrap_assets.settings import Settings, load_settings

VECTORS = "reference_vectors_voyage_voyage_4_large_1024"
LATENCY, WORKERS, REPEAT_SHARE = 0.1, 8, 0.15
ACCOUNT = {
    "VOYAGE_API_KEY": "benchmark",
    "BOOTSTRAP_VOYAGE_RPM": "1000000",
    "BOOTSTRAP_VOYAGE_TPM": "1000000000",
}
"""An account whose limits nothing here comes near: how they are kept is not what is measured."""


def measure(records: int = 24_000) -> Iterator[Figure]:
    """The figures of so many records."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, provider(LATENCY) as url:
        Path(folder).chmod(0o755)
        generated.write(Path(folder) / "data", records, REPEAT_SHARE)
        yield from _measure(Path(folder), url)


@contextmanager
def provider(latency: float) -> Iterator[str]:
    """The fake provider in a process of its own."""
    command = [sys.executable, "tests/fakes/voyage_server.py", "--port", "0", "--latency", str(latency)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def _measure(folder: Path, url: str) -> Iterator[Figure]:
    environment = {
        "BOOTSTRAP_HOME": str(folder / "home"),
        "BOOTSTRAP_DATA": str(folder / "data"),
        "BOOTSTRAP_VOYAGE_BASE_URL": url,
        "BOOTSTRAP_EMBED_WORKERS": str(WORKERS),
        **ACCOUNT,
    }
    settings = load_settings(home=folder / "home")
    database_url(settings)
    try:
        free, copy = child(environment, "free"), child(environment, "copy")
        yield times("write path, an embedder that costs nothing", free["all"], copy["all"], 3, "a binary COPY")
        reset(settings)
        first, paid, floor = child(environment), stats(url), child(environment, "floor")
        filled = first["load"] + first["embed"]
        yield times("provider path", filled, floor["all"], 1.3, "the requests and a COPY alone")
        yield Figure("  in seconds", filled, "s")
        yield times("  requests", paid["requests"], -(-paid["distinct_texts"] // 1_000), 1.1, "the fewest")
        yield times("  texts sent", paid["texts"], paid["distinct_texts"], 1, "distinct texts")
        yield times("index", first["index"], bare_index(settings), 1.2, "the best bare CREATE INDEX")
        yield Figure("  peak memory of the process", first["memory_mb"], "MB", 600)
        yield Figure("  a second run", child(environment)["all"], "s", 1)
        reset(settings)
        yield Figure("dagster job execute, on top", dagster(settings, environment) - first["all"], "s", 10)
    finally:
        server.stop(settings.root)


def child(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.pipeline_child", *arguments]
    printed = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    answer: dict[str, Any] = json.loads(printed)
    return answer


def stats(url: str) -> dict[str, int]:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as answer:
        counted: dict[str, int] = json.load(answer)
    return counted


def bare_index(settings: Settings) -> float:
    """Seconds of a plain CREATE INDEX on a copy of the vectors, by the better of two settings."""
    seconds = []
    with connect(database_url(settings), autocommit=True) as connection:
        connection.execute(f"CREATE TABLE bare AS SELECT embedding FROM {VECTORS}")
        for workers in (0, 2):
            connection.execute("SET maintenance_work_mem = '1GB'")
            connection.execute(f"ALTER TABLE bare SET (parallel_workers = {workers})")
            started = time.monotonic()
            connection.execute("CREATE INDEX bare_hnsw ON bare USING hnsw (embedding vector_cosine_ops)")
            seconds.append(time.monotonic() - started)
            connection.execute("DROP INDEX bare_hnsw")
        connection.execute("DROP TABLE bare")
    return min(seconds)


def reset(settings: Settings) -> None:
    command = [sys.executable, "-m", "bootstrap_assets.cli", "db", "reset", "--yes"]
    environment = os.environ | {"BOOTSTRAP_HOME": str(settings.root)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def dagster(settings: Settings, environment: dict[str, str]) -> float:
    """Seconds of `dagster job execute` over the same archive, the corpus being empty."""
    more = prepare_environment(settings) | environment
    command = [str(BIN / "dagster"), "job", "execute", "-m", "benchmarks.definitions", "-j", "bootstrap"]
    return startup.seconds(command, more)
