"""What is an extra is needed by nothing else, and named where it is missing."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bootstrap_assets.extras import EXTRAS, needs_extra

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "dagster_k8s": "dagster-k8s",
    "dagster_celery": "dagster-celery",
    "opentelemetry": "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http",
}


def without(extras: str, code: str) -> "subprocess.CompletedProcess[str]":
    """Python that runs some code in an installation where none of the extras' modules is."""
    blocked = [module for extra in extras.split() for module in EXTRAS[extra]]
    block = f"import sys; sys.modules.update(dict.fromkeys({blocked}))"
    command = [sys.executable, "-c", f"{block}\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_modules_of_an_extra_are_what_pyproject_installs() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra, modules in EXTRAS.items():
        assert {line.split(">")[0] for line in declared[extra]} == {
            name for it in modules for name in DISTRIBUTIONS.get(it, it).split()
        }
    assert declared["all"] == ["bootstrap-assets[parquet,report,labels]"]
    assert declared["cloud"] == ["bootstrap-assets[s3,gs,az,k8s,celery,telemetry]"]
    assert EXTRAS.keys() == {"parquet", "report", "labels", "s3", "gs", "az", "k8s", "celery", "telemetry"}


def test_all_but_the_report_and_parquet_works_without_extras() -> None:
    done = without(
        " ".join(EXTRAS), "import bootstrap_assets.api, bootstrap_assets.cli, bootstrap_assets.definitions"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_report_names_its_extra_in_one_line() -> None:
    code = "from bootstrap_assets.cli import main; sys.argv = ['bootstrap', 'report', '--out', '-']; main()"
    done = without("report", code)
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("bootstrap: the report needs the extra `report`, for ")
    assert line.endswith('is not installed: pip install "bootstrap-assets[report]"')


def test_a_parquet_export_names_its_extra_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "cuad").mkdir()
    (tmp_path / "cuad" / "cuad.parquet").write_bytes(b"PAR1")
    code = (
        "from bootstrap_assets.errors import MissingExtraError\n"
        "from bootstrap_assets.sources.cuad.source import SOURCE\n"
        "from pathlib import Path\n"
        f"try: list(SOURCE.parse([Path({str(tmp_path / 'cuad' / 'cuad.parquet')!r})], {{}}))\n"
        "except MissingExtraError as error: print(error)"
    )
    done = without("parquet", code)
    line = "cuad.parquet: a Parquet export of CUAD needs the extra `parquet`, for pyarrow is not installed: "
    assert done.stdout.strip() == line + 'pip install "bootstrap-assets[parquet]"', done.stderr


def test_an_evaluation_in_dagster_says_why_it_has_no_pictures() -> None:
    code = (
        "from types import SimpleNamespace as It\n"
        "from bootstrap_assets.defs.pictures import quality_pictures\n"
        "database = It(transact=lambda work: work(None))\n"
        "print(quality_pictures(It(database=database))['pictures'].text)"
    )
    done = without("report", code)
    assert done.stdout.startswith("drawing needs the extra `report`, for "), done.stderr


def test_a_module_that_is_missing_for_another_reason_stays_an_error() -> None:
    with pytest.raises(ModuleNotFoundError), needs_extra("report", "the report"):
        import no_such_module  # type: ignore[import-not-found]  # noqa: F401
