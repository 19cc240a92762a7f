"""The speed figures: `make bench` (some minutes), or some parts of it, `python -m benchmarks throughput search`;
`make bench-full` (40 minutes) has the parts `growth` and `million`.

Each is a multiple of a limit that was measured in the same run, where there is one. Prints a table, and keeps it
in benchmarks/results with the day, the commit and the machine; `--markdown` prints the newest as
docs/performance.md has it.
"""

import argparse
from collections.abc import Callable, Iterable
from functools import partial

from benchmarks import growth, million, real_archives, search, throughput
from benchmarks.figures import Figure, keep, markdown, newest, show

PARTS: dict[str, Callable[[], Iterable[Figure]]] = {
    "throughput": throughput.measure,
    "search": partial(search.figures, 38_000),
    "archives": real_archives.measure,
    "growth": growth.measure,
    "million": million.measure,
}
USUAL = ("throughput", "search", "archives")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--markdown", action="store_true", help="print the newest results, and measure nothing")
    arguments = parser.parse_args()
    if arguments.markdown:
        print(markdown(newest()))
        return
    parts = arguments.parts or USUAL
    if not PARTS.keys() >= set(parts):
        parser.error(f"parts are {', '.join(PARTS)}")
    figures = []
    for part in parts:
        for figure in PARTS[part]():
            print(f"{figure.what}: {figure.shown}", flush=True)
            figures.append(figure)
    show(figures)
    print(f"kept as {keep(figures, '-'.join(parts)).name}")


if __name__ == "__main__":
    main()
