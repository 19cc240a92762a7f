"""The long form: `python -m tests.cluster [--only NAME]...`."""

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from tests.chaos.table import Row, show
from tests.cluster import celery, proofs
from tests.cluster.clock import has_clocks
from tests.cluster.network import why_not

PROOFS: dict[str, Callable[..., Row]] = {
    "throughput": partial(proofs.throughput, alone=24_000, texts=200_000, tokens_minute=2_500_000),
    "disturbances": partial(proofs.disturbances, texts=110_000),
    "celery": celery.sharded,
}


def main() -> int:
    """Run the proofs and print their table; exit code 1 where one failed, or where they cannot be run."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description="Several hosts on one machine.")
    parser.add_argument("--only", action="append", choices=list(PROOFS), metavar="NAME", help=", ".join(PROOFS))
    chosen = parser.parse_args().only or list(PROOFS)
    console = Console(width=None if sys.stdout.isatty() else 160)
    if reason := why_not():
        console.print(f"not run: {reason}")
        return 1
    if not has_clocks():
        console.print("without a C compiler all hosts have one clock")
    rows = [_run(name, console) for name in chosen]
    show(rows, console, "cluster")
    return 0 if all(row.passed for row in rows) else 1


def _run(name: str, console: Console) -> Row:
    started, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix="bootstrap-hosts-"))

    def tell(line: str) -> None:
        console.print(f"{time.monotonic() - started:6.0f} s  {name}: {line}", highlight=False, markup=False)

    tell("begins")
    try:
        row = PROOFS[name](folder, tell)
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        row = Row(name, "", wrong=[f"the harness failed: {type(error).__name__}: {error}"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    row.seconds = time.monotonic() - started
    tell("PASS" if row.passed else f"FAIL: {row.wrong[0]}")
    return row


if __name__ == "__main__":
    sys.exit(main())
