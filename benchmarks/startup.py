"""What a command takes that has nothing to do: seconds, the best of some, in a corpus that is complete."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.figures import ROOT, Figure

BIN = Path(sys.executable).parent


def measure(environment: Mapping[str, str]) -> Iterator[Figure]:
    """`environment` is that of a finished run of `bootstrap run`."""
    yield Figure("bootstrap --help", _best([str(BIN / "bootstrap"), "--help"], environment, 5), "s", 0.3)
    yield Figure("bootstrap run, nothing to do", _best([str(BIN / "bootstrap"), "run"], environment, 3), "s", 1)
    command = [str(BIN / "dagster"), "job", "execute", "-m", "bootstrap_assets.definitions", "-j", "bootstrap"]
    yield Figure("dagster job execute, nothing to do", _best(command, environment, 1), "s", 8)


def _best(command: Sequence[str], environment: Mapping[str, str], tries: int) -> float:
    return min(seconds(command, environment) for _ in range(tries))


def seconds(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Of one run. Raises RuntimeError with the end of its output where it fails."""
    started = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stdout + done.stderr)[-2000:]}")
    return time.monotonic() - started
