"""Tenants' documents as the labels read them: rows in SQL, connections, what is shown and printed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from click.testing import CliRunner

from bootstrap_assets import pipeline
from bootstrap_assets.cli import bootstrap
from bootstrap_assets.documents import opened, stages
from bootstrap_assets.embedding import context
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.labels import documents, training
from bootstrap_assets.report import page
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.sources.registry import SOURCES
from tests.integration import labelled_contracts
from tests.integration.test_documents import add_tenant, put, rows, state_of
from tests.integration.test_labels import CONTRACT, HONEY, LAW


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_contracts.write(tmp_path_factory.mktemp("labels"))


@pytest.fixture
def settings(database_url: str, archives: Path, tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path, database_url=database_url, data=str(archives))


@pytest.fixture
def corpus(settings: Settings) -> Iterator[Corpus]:
    """The labelled contracts with their vectors, the scorers that they taught, and a tenant."""
    with context.open_corpus(settings) as corpus:
        pipeline.bootstrap(corpus, [SOURCES["cuad"], SOURCES["contract_nli"]])
        training.train_all(corpus.database, SOURCES.values())
        add_tenant(corpus, "acme")
        yield corpus


def test_a_document_carries_its_labels_as_rows_and_as_connections(corpus: Corpus) -> None:
    document = put(corpus, "acme", "contract.txt", CONTRACT.encode())
    documents.process(corpus, "acme")
    there = "SELECT label, nli_label, confidence FROM document_labels WHERE is_there ORDER BY label"
    assert rows(corpus, there) == [("1", "Entailment", "normal"), ("Governing Law", None, "normal")]
    missing = "SELECT probability < 0.5, recall > 0.9 FROM document_labels WHERE label = 'Insurance'"
    assert rows(corpus, missing) == [(True, True)]
    without_scorer = "SELECT DISTINCT nli_label, is_there FROM document_labels WHERE probability IS NULL"
    assert rows(corpus, without_scorer) == [(None, False)]
    with corpus.database.connection() as connection:
        by_label = {entry.label: entry for entry in documents.of_document(connection, document)}
        likenesses = opened.read(connection, state_of(corpus, document))["connections"]
    assert [place["text"] for place in by_label["Governing Law"].places] == [LAW]
    assert [place["text"] for place in by_label["1"].places] == [HONEY]
    linked = """SELECT DISTINCT r.category, r.hypothesis_id, r.nli_label, c.score > 0.5
        FROM reference_connections c JOIN reference_records r ON r.id = c.to_record
        WHERE c.kind = 'label' ORDER BY 2 NULLS FIRST"""
    [law, honey] = rows(corpus, linked)
    assert law == ("Governing Law", None, None, True)
    assert honey[1:] == (1, "Entailment", True)
    links = "SELECT count(*) FROM reference_connections WHERE kind = 'like'"
    assert [(len(likenesses),)] == rows(corpus, links)


def test_what_other_scorers_read_is_read_anew_and_the_rest_is_left(corpus: Corpus) -> None:
    put(corpus, "acme", "contract.txt", CONTRACT.encode())
    documents.process(corpus, "acme")
    assert documents.read_all(corpus.database, "acme", corpus.stop) == 0
    training.train_all(corpus.database, SOURCES.values(), force=True)
    assert documents.read_all(corpus.database, "acme", corpus.stop) == 1
    put(corpus, "acme", "contract.txt", HONEY.encode())
    documents.process(corpus, "acme")
    there = "SELECT label FROM document_labels WHERE is_there"
    assert rows(corpus, there) == [("1",)]


def test_what_is_to_be_read_is_looked_up_without_beginning_at_the_first_document_again(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[UUID] = []

    def read(_database: Any, _those: Any, work: Any) -> int:
        assert work.document not in seen
        seen.append(work.document)
        return 1

    monkeypatch.setattr(documents, "AT_ONCE", 2)
    monkeypatch.setattr(documents, "_read", read)
    every = {put(corpus, "acme", f"{number}.txt", f"{CONTRACT} {number}".encode()) for number in range(5)}
    stages.process(corpus, "acme")
    assert documents.read_all(corpus.database, "acme", corpus.stop) == 5
    assert set(seen) == every


def test_the_version_of_the_scorers_is_made_once_however_many_documents_there_are(corpus: Corpus) -> None:
    parameters = {"tenant": "acme", "after": documents._FIRST, "most": 100}
    with corpus.database.connection() as connection:
        query = b"EXPLAIN " + documents.statement("documents_to_read").as_bytes()
        plan = [line for [line] in connection.execute(query, parameters)]
    assert [line for line in plan if "CTE trained" in line]


@pytest.mark.timeout(60)
def test_scorers_of_a_source_that_is_gone_read_nothing_and_end(corpus: Corpus) -> None:
    document = put(corpus, "acme", "contract.txt", CONTRACT.encode())
    with mock.patch.dict(SOURCES):  # which has their order back too
        del SOURCES["cuad"], SOURCES["contract_nli"]
        documents.process(corpus, "acme")
    assert rows(corpus, "SELECT count(*) FROM document_labels") == [(0,)]
    assert state_of(corpus, document).stage == "complete"


def test_documents_are_processed_and_wait_where_scorers_cannot_be_read(
    corpus: Corpus, caplog: pytest.LogCaptureFixture
) -> None:
    document = put(corpus, "acme", "contract.txt", CONTRACT.encode())
    damage = "UPDATE label_features SET arrays = substr(arrays, 1, 2000)"
    corpus.database.transact(lambda connection: connection.execute(damage))
    documents.process(corpus, "acme")
    assert "wait for their labels: a scorer cannot be read" in caplog.text
    assert state_of(corpus, document).stage == "complete"
    training.train_all(corpus.database, SOURCES.values(), force=True)
    assert documents.read_all(corpus.database, "acme", corpus.stop) == 1


def test_what_is_shown_and_printed_says_what_is_there_and_what_is_missing(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(corpus, "acme", "contract.txt", CONTRACT.encode())
    documents.process(corpus, "acme")
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", corpus.database.url)
    monkeypatch.setenv("BOOTSTRAP_HOME", str(corpus.settings.home))
    shown = CliRunner().invoke(bootstrap, ["documents", "show", "contract.txt"]).stdout
    held, missing = shown.split("Not found")
    assert LAW in held
    assert "Governing Law" in held
    assert "Insurance" in missing
    answer = json.loads(CliRunner().invoke(bootstrap, ["documents", "show", "contract.txt", "--json"]).stdout)
    [law] = [entry for entry in answer["contents"] if entry["label"] == "Governing Law"]
    assert (law["is_there"], law["places"][0]["text"]) == (True, LAW)
    html = _page(corpus, "acme")
    reading = html.partition("What contract.txt holds")[2].partition("</section>")[0]
    held, missing = reading.split("Not found")
    assert LAW in held
    assert "Insurance" in missing
    without = _page(corpus)
    assert "What contract.txt holds" not in without
    trust = without.partition("What the labels know")[2].partition("</section>")[0]
    assert "CUAD v1" in trust
    assert "Of what scorers say with a probability" in trust


def test_of_a_document_in_another_language_nothing_is_said_to_be_missing(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    german = "Die Parteien vereinbaren, dass dieser Vertrag norwegischem Recht unterliegt. " * 5
    put(corpus, "acme", "vertrag.txt", german.encode())
    documents.process(corpus, "acme")
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", corpus.database.url)
    monkeypatch.setenv("BOOTSTRAP_HOME", str(corpus.settings.home))
    shown = CliRunner().invoke(bootstrap, ["documents", "show", "vertrag.txt"]).stdout
    reading = _page(corpus, "acme").partition("What vertrag.txt holds")[2].partition("</section>")[0]
    for text in (shown, reading):
        assert "It is not in English" in text
        assert "Not found" not in text


def _page(corpus: Corpus, tenant: str | None = None) -> str:
    return corpus.database.transact(
        lambda connection: page.render(page.gather(connection, "a test", tenant=tenant))
    )
