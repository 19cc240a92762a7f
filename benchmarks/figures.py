"""Figures with their aims: as a table, and as a file of JSON for each run, so that a change is seen."""

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, and the most that it should be; `limit`: what it is a multiple of, in words."""

    what: str
    value: float
    unit: str
    most: float | None = None
    limit: str = ""

    @property
    def is_met(self) -> bool:
        return self.most is None or self.value <= self.most

    @property
    def shown(self) -> str:
        digits = 0 if abs(self.value) >= 100 else 1 if abs(self.value) >= 10 else 2
        return f"{self.value:,.{digits}f} {self.unit}".strip()

    @property
    def aim(self) -> str:
        return "" if self.most is None else f"≤ {self.most:,g} {self.unit}".strip()


def times(what: str, value: float, limit: float, most: float, words: str) -> Figure:
    """A figure that is a multiple of a limit which was measured in the same run."""
    return Figure(what, value / limit, "×", most, words)


def show(figures: Iterable[Figure]) -> None:
    table = Table("what", "figure", "of", "aim", "", box=None, pad_edge=False)
    for figure in figures:
        table.add_row(figure.what, figure.shown, figure.limit, figure.aim, "" if figure.is_met else "missed")
    Console(width=110).print(table)


def markdown(figures: Iterable[Figure]) -> str:
    """The table as docs/performance.md has it."""
    head = ["| what | figure | of | aim |", "|---|---|---|---|"]
    rows = [
        f"| {f.what} | {f.shown} | {f.limit} | {f.aim}{'' if f.is_met else ': missed'} |".replace("|  |", "| |")
        for f in figures
    ]
    return "\n".join(head + rows)


def keep(figures: Sequence[Figure], name: str) -> Path:
    """Write them to benchmarks/results, with the day, the commit and the machine."""
    commit = _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "-uno") else "")
    path = RESULTS / f"{time.strftime('%Y-%m-%d-%H%M')}-{name}-{commit}.json"
    path.parent.mkdir(exist_ok=True)
    kept = {
        "day": time.strftime("%Y-%m-%d"),
        "commit": commit,
        "machine": f"{os.cpu_count()} cores, {_memory_gib()} GiB, Python {platform.python_version()}",
        "load": round(os.getloadavg()[2], 1),
        "figures": [asdict(figure) for figure in figures],
    }
    path.write_text(json.dumps(kept, indent=1) + "\n")
    return path


def newest() -> list[Figure]:
    """The figures that were kept last; none where none are kept."""
    paths = sorted(RESULTS.glob("*.json"))
    return [Figure(**figure) for figure in json.loads(paths[-1].read_text())["figures"]] if paths else []


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
