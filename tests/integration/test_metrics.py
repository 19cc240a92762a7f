"""Metrics: the figures of the database in Prometheus' text format."""

from pathlib import Path
from threading import Thread

import pytest
import requests
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from bootstrap_assets import pipeline
from bootstrap_assets.cli import bootstrap
from bootstrap_assets.cli.metrics import serving
from bootstrap_assets.embedding import breakers, leases
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.metrics import exposition
from tests.fakes.voyage_server import VoyageServer
from tests.integration.test_fill import load
from tests.made_up_source import MADE_UP, contracts


def samples(text: str) -> dict[tuple[str, str], float]:
    """By name and the last of its labels."""
    return {
        (sample.name, next(iter(reversed(sample.labels.values())), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def read(corpus: Corpus) -> dict[tuple[str, str], float]:
    with corpus.database.connection() as connection:
        return samples(exposition(connection).decode())


def test_the_figures_are_those_of_the_work(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(20))
    before = read(corpus)
    name = MADE_UP.name
    assert (before["bootstrap_records", name], before["bootstrap_records_with_vector", name]) == (80, 0)
    assert before["bootstrap_source_status", "pending"] == 1
    filled = pipeline.embed(corpus, MADE_UP)
    after = read(corpus)
    assert after["bootstrap_records_with_vector", name] == 80
    assert after["bootstrap_texts_total", name] == voyage.texts_paid == 80
    assert after["bootstrap_tokens_total", name] == filled.tokens > 0
    assert after["bootstrap_requests_total", name] == filled.requests
    assert after["bootstrap_dollars_total", name] == pytest.approx(filled.cost, abs=1e-6)
    assert after["bootstrap_source_status", "completed"] == 1


def test_what_is_wrong_and_what_is_held_shows(corpus: Corpus) -> None:
    assert read(corpus)["bootstrap_leases", ""] == 0
    with leases.leasing(corpus.database, corpus.space.id) as ours:
        ours.acquire([1, 2, 3])
        assert read(corpus)["bootstrap_leases", ""] == 3
    with corpus.database.connection() as connection:
        breakers.trip(connection, "an account", "401", cool_down=60)
    figures = read(corpus)
    assert figures["bootstrap_breaker_open", "an account"] == 1
    assert figures["bootstrap_queue", "requested"] == 0


@pytest.fixture
def environ(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    assert corpus.settings.database_url
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", corpus.settings.database_url.get_secret_value())
    monkeypatch.setenv("BOOTSTRAP_HOME", str(corpus.settings.root))


@pytest.mark.usefixtures("environ")
def test_they_are_printed_and_written_to_a_file(corpus: Corpus, tmp_path: Path) -> None:
    load(corpus, contracts(3))
    printed = CliRunner().invoke(bootstrap, ["metrics"]).stdout
    assert samples(printed)["bootstrap_records", MADE_UP.name] == 12
    file = tmp_path / "corpus.prom"
    assert CliRunner().invoke(bootstrap, ["metrics", "--file", str(file)]).exit_code == 0
    assert samples(file.read_text()) == samples(printed)
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.usefixtures("environ")
def test_they_are_served_and_an_outage_is_told(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    load(corpus, contracts(3))
    with serving("127.0.0.1", 0) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        answer = requests.get(f"{url}/metrics", timeout=20)
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert samples(answer.text)["bootstrap_records", MADE_UP.name] == 12
        assert requests.get(f"{url}/", timeout=20).status_code == 404
        monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        assert requests.get(f"{url}/metrics", timeout=60).status_code == 503
        server.shutdown()
        thread.join(10)
