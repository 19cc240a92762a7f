"""The UI as a browser shows it. Skipped where there is no Chromium."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap_assets.sources.registry import SOURCES
from tests.browser.chromium import look_at, require_chromium
from tests.dagster.deployment import Running, started_ui

pytestmark = pytest.mark.deployment

GROUPS = ("archives", "records", "sources", "index", "quality")

PNG = b"\x89PNG\r\n"


@pytest.fixture
def running(tmp_path: Path, database_url: str) -> Iterator[Running]:
    require_chromium()
    environment = os.environ | {
        "BOOTSTRAP_HOME": str(tmp_path / "home"),
        "BOOTSTRAP_DATABASE_URL": database_url,
        "BOOTSTRAP_BATCHES": "16",
    }
    with started_ui(environment, tmp_path) as up:
        yield up


def test_a_browser_sees_the_assets_and_their_partitions(running: Running, tmp_path: Path) -> None:
    url = running.client.url
    graph = f"{url}/assets/retrieval_quality?view=lineage&lineageScope=upstream&lineageDepth=5"
    shown = look_at(graph, tmp_path / "profile")
    for group in GROUPS:
        assert f">{group}<" in shown
    for asset in (*SOURCES, "reference_index", "retrieval_quality"):
        assert asset in shown
    bars = look_at(f"{url}/locations/bootstrap_assets/asset-groups/sources", tmp_path / "profile")
    assert bars.count("16 partitions") == len(SOURCES)
    partitions = look_at(f"{url}/assets/cuad?view=partitions", tmp_path / "profile")
    assert "Missing (16)" in partitions
    assert "Materialized (0)" in partitions
    picture = tmp_path / "graph.png"
    look_at(graph, tmp_path / "profile", picture=picture)
    assert picture.read_bytes().startswith(PNG)
    assert picture.stat().st_size > 20_000
