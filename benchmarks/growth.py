"""Whether a record takes as long, and a process as much memory, when there are forty times as many of them.

Generated records, 256 dimensions, an embedder that costs nothing, on an embedded server of its own for each size:
load, words and vectors, without the index, whose build is PostgreSQL's and grows a little faster than its rows.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import generated
from benchmarks.figures import Figure, times
from benchmarks.throughput import ACCOUNT, REPEAT_SHARE, child
from bootstrap_assets.database.connection import database_url
from bootstrap_assets.database.embedded import server
from bootstrap_assets.settings import load_settings

SIZES = (24_000, 240_000, 1_000_000)


def measure(sizes: Sequence[int] = SIZES) -> Iterator[Figure]:
    """Of each size what a thousand records take, against the first, and the peak memory."""
    first = 0.0
    for size in sizes:
        seconds, memory = _seconds(size)
        yield Figure(f"{size:,} records, loaded and embedded", seconds, "s")
        each = seconds / size
        first = first or each
        yield times("  a record", each, first, 1.25, f"one of {sizes[0]:,}")
        yield Figure("  peak memory of the process", memory, "MB", 600)


def _seconds(records: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        generated.write(Path(folder) / "data", records, REPEAT_SHARE)
        settings = load_settings(home=Path(folder) / "home")
        environment = {
            "BOOTSTRAP_HOME": str(settings.root),
            "BOOTSTRAP_DATA": str(Path(folder) / "data"),
            "BOOTSTRAP_VOYAGE_DIMENSIONS": "256",
            "BOOTSTRAP_EMBED_WORKERS": "8",
            **ACCOUNT,
        }
        database_url(settings)
        try:
            took = child(environment, "free")
        finally:
            server.stop(settings.root)
        return took["all"], took["memory_mb"]
