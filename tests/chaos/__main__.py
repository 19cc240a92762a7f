"""The long form: `python -m tests.chaos [--seed N] [--only NAME]... [--quick]`."""

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from random import Random, SystemRandom

from rich.console import Console

from tests.chaos.ground import Ground, own_ground
from tests.chaos.scenarios import LONG, QUICK
from tests.chaos.table import Row, show


def main() -> int:
    """Run the scenarios and print their table; exit code 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Break the pipeline on purpose.")
    parser.add_argument("--seed", type=int, help="of all delays, faults and texts; printed where it is drawn")
    parser.add_argument("--only", action="append", choices=list(LONG), metavar="NAME", help=", ".join(LONG))
    parser.add_argument("--quick", action="store_true", help="the small sizes that `make test` runs")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell may have told its background jobs to ignore SIGINT
        signal.signal(number, signal.default_int_handler)
    seed = options.seed if options.seed is not None else SystemRandom().randrange(1_000_000)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(f"seed {seed}", highlight=False)
    chosen = QUICK if options.quick else LONG
    rows: list[Row] = []
    with suppress(KeyboardInterrupt), own_ground(seed) as ground:
        for name in options.only or chosen:
            rows.append(_run(name, chosen[name], ground, seed, console))
    show(rows, console)
    complete = len(rows) == len(options.only or chosen)
    if not complete:
        console.print("interrupted")
    return 0 if complete and all(row.passed for row in rows) else 1


def _run(name: str, scenario: Callable[..., Row], ground: Ground, seed: int, console: Console) -> Row:
    started = time.monotonic()

    def tell(line: str) -> None:
        console.print(f"{time.monotonic() - started:6.0f} s  {name}: {line}", highlight=False, markup=False)

    tell("begins")
    try:
        row = scenario(ground, Random(f"{seed} {name}"), tell)
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        row = Row(name, "", wrong=[f"the harness failed: {type(error).__name__}: {error}"])
    row.seconds = time.monotonic() - started
    tell("PASS" if row.passed else f"FAIL: {row.wrong[0]}")
    return row


if __name__ == "__main__":
    sys.exit(main())
