"""`import bootstrap_assets as ba`: the corpus in Python."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bootstrap_assets as ba
from bootstrap_assets import api, frames
from bootstrap_assets.documents import tenants
from bootstrap_assets.embedding.context import Corpus
from tests.integration.test_cli import environ, invoke, small  # noqa: F401

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.fixture
def opened(small: Corpus) -> Any:  # noqa: F811
    with ba.open() as corpus:
        yield corpus


def test_the_package_alone_imports_nothing_heavy() -> None:
    look = "import sys, bootstrap_assets as ba; print(sorted({'pandas', 'psycopg', 'numpy'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", look], text=True).strip() == "[]"


def test_the_package_exports_what_the_api_does() -> None:
    assert ba.__all__ == api.__all__
    assert all(getattr(ba, name) is getattr(api, name) for name in ba.__all__)
    assert set(ba.__all__) <= set(dir(ba))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = ba.nonsense


def test_a_search_gives_the_hits_of_the_command(opened: ba.ReferenceCorpus) -> None:
    hits = opened.search("cap on liability", k=3, sources=["bonterms"])
    results = json.loads(invoke("search", "cap on liability", "-k", "3", "--json").stdout)["results"]
    assert [str(hit.record_id) for hit in hits] == [result["record_id"] for result in results]
    assert hits[0].score > 0


def test_one_name_is_as_good_as_a_list_of_one(opened: ba.ReferenceCorpus) -> None:
    one = opened.search("liability", sources="bonterms", granularities="section", mode="text")
    assert one == opened.search("liability", sources=["bonterms"], granularities=["section"], mode=ba.Mode.TEXT)
    assert {hit.granularity for hit in one} == {"section"}


@pytest.mark.parametrize("wrong", [{"sources": ["cuadd"]}, {"mode": "fuzzy"}, {"documents": ["nowhere"]}])
def test_a_name_that_is_unknown_is_said(opened: ba.ReferenceCorpus, wrong: dict[str, Any]) -> None:
    with pytest.raises(ba.ConfigurationError, match=r"cuadd|fuzzy|nowhere"):
        opened.search("liability", **wrong)


def test_a_query_has_a_vector_of_the_searched_space(opened: ba.ReferenceCorpus) -> None:
    vector = opened.embed_query("cap on liability")
    assert (vector.shape, vector.dtype) == ((256,), np.float32)
    with pytest.raises(ba.ConfigurationError, match="empty"):
        opened.embed_query(" ")


def test_the_status_is_that_of_the_command(opened: ba.ReferenceCorpus) -> None:
    told = json.loads(invoke("status", "--json").stdout)
    assert {name: source["total_records"] for name, source in opened.status()["sources"].items()} == {
        name: source["total_records"] for name, source in told["sources"].items()
    }


def test_documents_come_as_a_frame_with_licence_and_address(opened: ba.ReferenceCorpus) -> None:
    frame = opened.documents(sources="bonterms")
    assert tuple(frame.columns) == frames.DOCUMENTS[:-1]
    assert len(frame) == opened.status()["sources"]["bonterms"]["documents"] == 4
    assert frame.licence.notna().all()
    assert frame.invented.all()
    assert frame.records.sum() == opened.status()["sources"]["bonterms"]["total_records"]
    [title] = opened.documents(documents=frame.title[0], text=True).title
    assert title == frame.title[0]


def test_records_come_as_a_frame_whose_offsets_point_into_the_documents(opened: ba.ReferenceCorpus) -> None:
    texts = opened.documents(text=True).set_index("id").raw_text
    frame = opened.records(granularities="clause")
    assert tuple(frame.columns) == frames.RECORDS
    assert set(frame.granularity) == {"clause"}
    assert str(frame.char_start.dtype) == "Int64"
    assert all(texts[row.document_id][row.char_start : row.char_end] == row.content for row in frame.itertuples())


def test_a_frame_of_nothing_has_its_columns(opened: ba.ReferenceCorpus) -> None:
    assert tuple(opened.records(sources="cuad").columns) == frames.RECORDS
    assert tuple(opened.documents(sources="cuad", text=True).columns) == frames.DOCUMENTS


def test_opening_makes_nothing_and_reading_says_that_there_is_no_corpus(tmp_path: Path) -> None:
    with ba.open(home=tmp_path / "home") as corpus:
        for look in (corpus.status, corpus.documents, lambda: corpus.search("x"), lambda: corpus.embed_query("x")):
            with pytest.raises(ba.NoCorpusError):
                look()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_corpus_says_that_nothing_is_searched(database_url: str) -> None:
    with ba.open(database_url=database_url) as corpus, pytest.raises(ba.ConfigurationError, match="bootstrap run"):
        corpus.embed_query("liability")


def test_a_run_makes_the_schema_and_the_corpus(blank_database_url: str, tmp_path: Path) -> None:
    with ba.open(home=tmp_path, database_url=blank_database_url, batches=8) as corpus:
        with pytest.raises(ba.SchemaError):
            corpus.search("liability")
        run = corpus.run("bonterms")
        assert run.index.promoted
        assert run.sources["bonterms"].texts == run.index.vectors > 0
        assert corpus.run("bonterms").sources["bonterms"].texts == 0
        assert corpus.search("liability", k=1)


def test_settings_are_given_whole_or_replaced_by_name(tmp_path: Path) -> None:
    settings = ba.Settings(home=tmp_path, batches=8)
    corpus = ba.open(settings, retries=5)
    assert (corpus.settings.home, corpus.settings.batches, corpus.settings.retries) == (tmp_path, 8, 5)
    with pytest.raises(ba.ConfigurationError, match="batch"):
        ba.open(batch=8)
    with pytest.raises(ba.ConfigurationError, match="BOOTSTRAP_BATCHES"):
        ba.open(batches=0)


def test_a_tenant_s_documents_are_added_worked_on_listed_and_opened(small: Corpus, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "nda [x].md").write_text(
        "# NDA\n\n## Secrets\n\nEach party keeps confidential information secret."
    )
    with small.database.connection() as connection:
        tenants.add(connection, "acme")
    with ba.open() as corpus:
        intake = corpus.add_documents(tmp_path / "nda [x].md", tenant="acme")
        assert (intake.added, intake.refused) == (["nda [x].md"], [])
        assert corpus.add_documents([str(tmp_path / "nda [x].md")], tenant="acme").unchanged == ["nda [x].md"]
        [row] = corpus.tenant_documents("acme").itertuples()
        assert (row.stage, row.pages) == ("pending", pd.NA)
        [row] = corpus.process_documents("acme").itertuples()
        assert (row.stage, row.passages > 0, row.reason) == ("complete", True, None)
        whole = corpus.open_document(row.document_id)
        first = whole["passages"][0]
        assert whole["text"][first["char_start"] : first["char_end"]]
        assert whole == json.loads(invoke("documents", "open", "nda [x].md", "--json").stdout)
        query = "confidential information secret"
        assert any(hit.records[0]["document"] == "nda [x].md" for hit in corpus.search(query, tenant="acme"))
        assert not any(hit.records[0]["document"] == "nda [x].md" for hit in corpus.search(query))


def test_a_tenant_that_nobody_made_has_no_frame(small: Corpus) -> None:  # noqa: F811
    with ba.open() as corpus:
        for call in (corpus.tenant_documents, corpus.process_documents):
            with pytest.raises(ba.ConfigurationError, match="there is no tenant 'nobody'"):
                call("nobody")


def test_the_examples_of_the_readme_run(small: Corpus, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    examples = re.findall(r"```python\n(import bootstrap_assets.*?)```", README, re.DOTALL)
    assert len(examples) == 1
    exec(compile(examples[0], "README.md", "exec"), {})
    assert "bonterms" in capsys.readouterr().out
