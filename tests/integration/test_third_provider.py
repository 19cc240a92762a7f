"""A provider is a module and a line: an invented one, over HTTP, through every command that works with vectors."""

import json
from collections.abc import Iterator

import numpy as np
import pytest

import bootstrap_assets as ba
from bootstrap_assets.cli import environment
from bootstrap_assets.embedding.choose import choose_model, choose_provider
from bootstrap_assets.embedding.providers.registry import PROVIDERS
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import load_settings
from tests.fakes.invented_provider import MODEL, InventedProvider, InventedServer
from tests.integration.test_cli import environ, invoke  # noqa: F401


@pytest.fixture
def invented(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> Iterator[InventedServer]:  # noqa: F811
    """The server of a provider that the settings ask for."""
    with InventedServer() as server:
        monkeypatch.setitem(PROVIDERS, "invented", InventedProvider(server.url))
        monkeypatch.setenv("BOOTSTRAP_EMBEDDER", "invented")
        yield server


@pytest.fixture
def corpus_of_it(invented: InventedServer) -> Iterator[ba.ReferenceCorpus]:
    with ba.open() as corpus:
        corpus.run("bonterms")
        yield corpus


def test_a_plan_names_it_and_its_price(invented: InventedServer) -> None:
    document = json.loads(invoke("plan", "bonterms", "--json").stdout)
    [bonterms] = document["sources"]
    assert document["model"]["name"] == "bag-of-words"
    assert bonterms["dollars"] == pytest.approx(bonterms["tokens"] * 0.5 / 1_000_000)
    assert not invented.sent
    assert "invented's bag-of-words, $0.5 per million tokens;" in invoke("plan", "bonterms").stdout


def test_a_run_sends_what_was_planned_and_pays_for_it_once(invented: InventedServer) -> None:
    [plan] = json.loads(invoke("plan", "bonterms", "--json").stdout)["sources"]
    with ba.open() as corpus:
        corpus.run("bonterms")
        assert sum(invented.sent.values()) == len(invented.sent) == plan["send"]
        corpus.run("bonterms")
    assert sum(invented.sent.values()) == plan["send"]
    [cost] = json.loads(invoke("cost", "--json").stdout)
    assert (cost["model"], cost["tokens"]) == ("bag-of-words", plan["tokens"])
    assert cost["dollars"] == pytest.approx(plan["dollars"], abs=1e-5)


def test_it_is_what_the_status_shows(corpus_of_it: ba.ReferenceCorpus) -> None:
    status = json.loads(invoke("status", "--json").stdout)
    bonterms = status["sources"]["bonterms"]
    assert bonterms["status"] == "completed"
    assert bonterms["embedded_records"] == bonterms["total_records"]
    [space] = json.loads(invoke("spaces", "list", "--json").stdout)
    assert (space["provider"], space["model"], space["state"]) == ("invented", "bag-of-words", "active")


def test_it_is_asked_for_the_vector_of_a_query(corpus_of_it: ba.ReferenceCorpus, invented: InventedServer) -> None:
    hits = corpus_of_it.search("limitation of liability", k=3, mode="vector")
    command = ("search", "limitation of liability", "-k", "3", "--mode", "vector", "--json")
    results = json.loads(invoke(*command).stdout)["results"]
    assert [str(hit.record_id) for hit in hits] == [result["record_id"] for result in results]
    assert invented.types["query"] == 2
    vector = corpus_of_it.embed_query("limitation of liability")
    assert vector.shape == (MODEL.dimensions,)
    printed = json.loads(invoke("embed", "limitation of liability").stdout)
    np.testing.assert_allclose(printed, vector, atol=1e-6)


def test_auto_goes_on_with_it(corpus_of_it: ba.ReferenceCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTSTRAP_EMBEDDER", "auto")
    [plan] = json.loads(invoke("plan", "bonterms", "--json").stdout)["sources"]
    assert (plan["send"], plan["already"]) == (0, plan["texts"])
    facts, remark = environment._embedder(load_settings()).split("; ")
    assert facts == "invented, bag-of-words, 64 dimensions, no key needed (not tried: that would cost)"
    assert remark == "it is invented"


def test_a_provider_that_nobody_entered_is_named_with_those_that_there_are() -> None:
    for choose in (choose_model, choose_provider):
        with pytest.raises(ConfigurationError, match=r"BOOTSTRAP_EMBEDDER.*'cohere'.*auto, voyage, .*, local"):
            choose(load_settings(embedder="cohere"))
