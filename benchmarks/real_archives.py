"""The real archives of ../shared/data, where they are: parse and load of CUAD, one run of all, the evaluation."""

import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.figures import ROOT, Figure, times
from benchmarks.startup import BIN, seconds
from benchmarks.startup import measure as measure_startup
from bootstrap_assets.cli.environment import prepare_environment
from bootstrap_assets.database.connection import database_url
from bootstrap_assets.database.embedded import server
from bootstrap_assets.settings import load_settings

DATA = ROOT.parent / "shared" / "data"


def measure() -> Iterator[Figure]:
    """Nothing where the archives are not."""
    if not DATA.is_dir():
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        settings = load_settings(home=Path(folder) / "home")
        environment = {"BOOTSTRAP_HOME": str(settings.root), "BOOTSTRAP_DATA": str(DATA)}
        url = database_url(settings)
        try:
            bare = _bare(url)
            took = _load(environment)
            yield times(
                "CUAD's share, parse and load", took["load"], bare, 4, "reading its JSON, COPY of its texts"
            )
            yield Figure("its memory", took["memory_mb"], "MB", 400)
            yield Figure(
                "bootstrap run over all of it", seconds([str(BIN / "bootstrap"), "run"], environment), "s"
            )
            yield from measure_startup(prepare_environment(settings) | environment)
            evaluate = [str(BIN / "bootstrap"), "evaluate", "--json"]
            yield Figure("evaluation of the development share", seconds(evaluate, environment), "s", 30)
            taught = seconds([*evaluate, "--split", "dev"], environment)
            yield Figure("  with --split dev, which trains scorers", taught, "s")
        finally:
            server.stop(settings.root)


def _bare(url: str) -> float:
    """Seconds of reading CUAD's JSON and of a COPY of its contracts and labelled texts, and nothing else."""
    started = time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare (content text)")
        with connection.cursor().copy("COPY bare FROM STDIN") as copy:
            for text in _texts():
                copy.write_row((text,))
        taken = time.monotonic() - started
        connection.execute("DROP TABLE bare")
    return taken


def _texts() -> Iterator[str]:
    with zipfile.ZipFile(DATA / "cuad" / "CUAD_v1.zip") as archive, archive.open("CUAD_v1/CUAD_v1.json") as file:
        for contract in json.load(file)["data"]:
            for paragraph in contract["paragraphs"]:
                yield paragraph["context"]
                yield from (answer["text"] for asked in paragraph["qas"] for answer in asked["answers"])


def _load(environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.pipeline_child", "cuad"]
    printed = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    took: dict[str, Any] = json.loads(printed)
    return took
