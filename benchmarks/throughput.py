"""How fast 24,000 records go through the pipeline: `make bench`, or `python benchmarks/throughput.py --help`.

15 % of the records repeat a text; 1024 dimensions; a provider over HTTP, in a process of its own, with 100 ms
latency and at most 1,000 texts and 120,000 tokens a request; 8 requests in flight. Everything runs on an
embedded server of its own, in a temporary folder.
"""

import argparse
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

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import generated  # noqa: E402
from bootstrap_assets.cli.environment import prepare_environment  # noqa: E402
from bootstrap_assets.database.connection import connect, database_url  # noqa: E402
from bootstrap_assets.database.embedded import server  # noqa: E402
from bootstrap_assets.settings import Settings, load_settings  # noqa: E402

VECTORS = "reference_vectors_voyage_voyage_4_large_1024"
BARE_SETTINGS = [("64MB", 0), ("64MB", 2), ("1GB", 0), ("1GB", 2)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Throughput of the pipeline, with its limits beside it.")
    parser.add_argument("--records", type=int, default=24_000)
    parser.add_argument("--repeat-share", type=float, default=0.15)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds the provider takes for each answer")
    parser.add_argument("--workers", type=int, default=8, help="requests in flight")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, provider(arguments.latency) as url:
        Path(folder).chmod(0o755)
        result = measure(Path(folder), url, arguments)
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)


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


def measure(folder: Path, url: str, arguments: argparse.Namespace) -> dict[str, Any]:
    generated.write(folder / "data", arguments.records, arguments.repeat_share)
    environment = {
        "BOOTSTRAP_HOME": str(folder / "home"),
        "BOOTSTRAP_DATA": str(folder / "data"),
        "BOOTSTRAP_VOYAGE_BASE_URL": url,
        "VOYAGE_API_KEY": "benchmark",
        "BOOTSTRAP_EMBED_WORKERS": str(arguments.workers),
    }
    settings = load_settings(home=folder / "home")
    database_url(settings)
    try:
        tell("pipeline")
        result: dict[str, Any] = {"first": child(environment), "paid": stats(url)}
        tell("floor")
        result["floor"] = child(environment, "floor")
        tell("bare indexes")
        result["bare_index"] = bare_indexes(settings)
        tell("pipeline again")
        result["second"] = child(environment)
        reset(settings)
        tell("dagster job execute")
        result["dagster"] = dagster(settings, environment)
    finally:
        server.stop(settings.root)
    return result


def tell(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


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


def bare_indexes(settings: Settings) -> dict[str, float]:
    """Seconds of a plain CREATE INDEX on a copy of the vectors, under several settings."""
    seconds = {}
    with connect(database_url(settings), autocommit=True) as connection:
        connection.execute(f"CREATE TABLE bare AS SELECT embedding FROM {VECTORS}")
        for memory, workers in BARE_SETTINGS:
            connection.execute(f"SET maintenance_work_mem = '{memory}'")
            connection.execute(f"ALTER TABLE bare SET (parallel_workers = {workers})")
            started = time.monotonic()
            connection.execute("CREATE INDEX bare_hnsw ON bare USING hnsw (embedding vector_cosine_ops)")
            seconds[f"{memory}, {workers} workers"] = time.monotonic() - started
            connection.execute("DROP INDEX bare_hnsw")
        connection.execute("DROP TABLE bare")
    return seconds


def reset(settings: Settings) -> None:
    command = [sys.executable, "-m", "bootstrap_assets.cli", "db", "reset", "--yes"]
    environment = os.environ | {"BOOTSTRAP_HOME": str(settings.root)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def dagster(settings: Settings, environment: dict[str, str]) -> dict[str, float]:
    """Seconds of `dagster job execute` over the same archive, the corpus being empty."""
    more = os.environ | prepare_environment(settings) | environment
    command = [str(Path(sys.executable).parent / "dagster"), "job", "execute"]
    command += ["-m", "benchmarks.definitions", "-j", "bootstrap"]
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=more, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return {"all": time.monotonic() - started}


def show(result: dict[str, Any]) -> None:
    first, second, paid = result["first"], result["second"], result["paid"]
    fill = first["load"] + first["embed"]
    best = min(result["bare_index"].values())
    on_top = result["dagster"]["all"] - first["all"]
    rows = [
        ("records; distinct texts", f"{first['records']:,}; {paid['distinct_texts']:,}", ""),
        ("texts paid for; requests", f"{paid['texts']:,}; {paid['requests']}", "each text once"),
        ("records + embed + store", f"{first['load']:.1f} + {first['embed']:.1f} = {fill:.1f} s", "≤ 5 s"),
        ("  floor: requests and COPY alone", f"{result['floor']['all']:.1f} s", ""),
        ("index", f"{first['index']:.1f} s", ""),
        *(
            (f"  bare CREATE INDEX, {name}", f"{seconds:.1f} s", "")
            for name, seconds in result["bare_index"].items()
        ),
        ("index / best bare", f"{first['index'] / best:.2f}", "≤ 1.3"),
        ("peak memory", f"{first['memory_mb']:.0f} MB", "≤ 400 MB"),
        ("second run", f"{second['all']:.2f} s, {second['texts']} texts", "≤ 1 s, 0 texts"),
        ("dagster job execute, on top", f"{on_top:.1f} s", "≤ 20 s"),
    ]
    table = Table("what", "figure", "goal", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
