"""The benchmarks name what there is: nothing else notices when what they measure is renamed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_benchmark_can_be_imported() -> None:
    names = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py"))
    code = "; ".join(f"import benchmarks.{name}" for name in names if name not in ("__init__", "definitions"))
    for imports in (code, "import benchmarks.definitions"):  # which replaces the registry of sources
        done = subprocess.run(
            [sys.executable, "-c", imports], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
