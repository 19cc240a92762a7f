"""What is invented says so, wherever it is shown and whatever the settings say; the rest keeps its own origin."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bootstrap_assets import cli, pipeline, sample
from bootstrap_assets.corpus import overview
from bootstrap_assets.corpus.records import SAMPLE
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.sample import synthetic
from bootstrap_assets.sample.generate import generate
from bootstrap_assets.sample.markdown_formats import write_repository
from bootstrap_assets.search.query import search
from bootstrap_assets.sources.fetch import locate
from bootstrap_assets.sources.registry import SOURCES
from tests.integration.test_index import local_space
from tests.integration.test_report import report, section, words

OFFICIAL = ("Atticus", "Koreeda", "CommonAccord contributors", "CC BY", "CC0", "http")


@pytest.fixture
def local(corpus: Corpus) -> Corpus:
    return local_space(corpus)


def load(corpus: Corpus, source: str, data: str | Path = "sample") -> None:
    settings = corpus.settings.model_copy(update={"data": str(data)})
    archives = locate.fetch(settings, SOURCES[source])
    pipeline.load(corpus, SOURCES[source], archives, allow_deletes=True)


def rows(corpus: Corpus, query: str) -> list[tuple[Any, ...]]:
    with corpus.database.connection() as connection:
        return connection.execute(query).fetchall()


def genuine(folder: Path, *, seed: int = 5) -> Path:
    """An archive of Bonterms' as others make it: nothing in it says that we wrote it."""
    ours = write_repository(folder / "ours", *synthetic.agreement(1, seed))
    theirs = folder / "bonterms" / ours.name
    theirs.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(ours) as archive, zipfile.ZipFile(theirs, "w") as copy:
        for name in archive.namelist():
            copy.writestr(name, archive.read(name))
    return folder


def command(corpus: Corpus, monkeypatch: pytest.MonkeyPatch, *arguments: str, **more: str) -> Result:
    """The command, in a shell whose settings are not those that the corpus was loaded with."""
    url = corpus.settings.database_url
    assert url
    variables = {"HOME": str(corpus.settings.root), "DATABASE_URL": url.get_secret_value(), **more}
    for name, value in variables.items():
        monkeypatch.setenv(f"BOOTSTRAP_{name}", value)
    result = CliRunner().invoke(cli.bootstrap, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_every_row_of_the_sample_says_that_we_invented_it(local: Corpus) -> None:
    for source in SOURCES:
        load(local, source)
    told = rows(local, "SELECT DISTINCT licence, attribution, url, metadata->'invented' FROM reference_documents")
    [(licence, attribution, url, invented)] = told
    assert licence == "Apache-2.0"
    assert "bootstrap-assets" in attribution
    assert not url
    assert invented is True
    assert rows(local, "SELECT DISTINCT metadata->'invented' FROM reference_records") == [(True,)]
    everything = json.dumps(
        rows(local, "SELECT licence, attribution, url, title, metadata FROM reference_documents")
    )
    assert not [name for name in OFFICIAL if name in everything]


def test_made_up_archives_are_known_for_invented_wherever_they_lie(local: Corpus, tmp_path: Path) -> None:
    generate(tmp_path / "made", seed=3, cuad_contracts=2, nli_contracts=2, agreements=1, prose_files=12)
    sample.write_sample(tmp_path / "copied")
    for folder in ("made", "copied"):
        for source in SOURCES:
            load(local, source, tmp_path / folder)
        with local.database.connection() as connection:
            assert overview.invented(connection) == dict.fromkeys(sorted(SOURCES), SAMPLE)


def test_what_others_published_keeps_its_own_origin_beside_the_sample(local: Corpus, tmp_path: Path) -> None:
    load(local, "cuad")
    load(local, "bonterms", genuine(tmp_path))
    with local.database.connection() as connection:
        assert overview.invented(connection) == {"cuad": SAMPLE}
        assert overview.holdings(connection, "bonterms").origin == "CC BY 4.0, Bonterms"
        assert overview.holdings(connection, "cuad").origin.startswith(f"{SAMPLE}: Apache-2.0, ")
    bonterms = (
        "SELECT DISTINCT attribution, metadata ? 'invented' FROM reference_documents WHERE source = 'bonterms'"
    )
    assert rows(local, bonterms) == [("Bonterms", False)]


def test_archives_of_both_kinds_in_one_folder_are_told_apart(local: Corpus, tmp_path: Path) -> None:
    genuine(tmp_path)
    sample.write_sample(tmp_path)
    load(local, "bonterms", tmp_path)
    told = dict(rows(local, "SELECT attribution = 'Bonterms', count(*) FROM reference_documents GROUP BY 1"))
    assert told[True] == 1
    assert told[False] == 4
    with local.database.connection() as connection:
        assert overview.invented(connection) == {"bonterms": f"in part {SAMPLE}"}
        assert "CC BY 4.0, Bonterms (1 documents)" in overview.holdings(connection, "bonterms").origin


def test_the_status_tells_of_the_rows_not_of_the_settings(
    local: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load(local, "cuad")
    load(local, "bonterms", genuine(tmp_path))
    shown = command(local, monkeypatch, "status", DATA="official").output
    [line] = [line for line in shown.splitlines() if line.startswith("cuad")]
    assert SAMPLE in line
    assert shown.count(SAMPLE) == 1
    document = json.loads(command(local, monkeypatch, "status", "--json", DATA="official").output)
    assert {name: source["invented"] for name, source in document["sources"].items() if source["documents"]} == {
        "cuad": True,
        "bonterms": False,
    }


def test_a_hit_of_the_sample_says_that_it_is_invented(
    local: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load(local, "cuad")
    load(local, "bonterms", genuine(tmp_path))
    for source in ("cuad", "bonterms"):
        pipeline.embed(local, SOURCES[source])
    pipeline.build_index(local)
    hits = search(local.database, local.settings, "the agreement may be terminated", k=50)
    assert {(hit.source, hit.invented) for hit in hits} == {("cuad", True), ("bonterms", False)}
    assert all(record["invented"] is (record["source"] == "cuad") for hit in hits for record in hit.records)
    query = ("search", "the agreement may be terminated", "--source", "cuad", "-k", "2")
    assert command(local, monkeypatch, *query).output.count(SAMPLE) == 2
    results = json.loads(command(local, monkeypatch, *query, "--json").output)["results"]
    assert [hit["invented"] for hit in results] == [True, True]


def test_a_plan_says_which_sources_would_hold_the_sample(
    local: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert f"{SAMPLE}: cuad;" in command(local, monkeypatch, "plan", "cuad").output
    planned = json.loads(command(local, monkeypatch, "plan", "cuad", "--json").output)["sources"]
    assert [source["invented"] for source in planned] == [True]
    genuine(tmp_path)
    assert SAMPLE not in command(local, monkeypatch, "plan", "bonterms", "--data", str(tmp_path)).output


def test_the_table_of_labels_says_that_the_sample_s_are_invented(local: Corpus) -> None:
    load(local, "contract_nli")
    pipeline.embed(local, SOURCES["contract_nli"])
    pipeline.build_index(local)
    assert f"ContractNLI ({SAMPLE}): evidence by statement and label" in section(report(local), "corpus")


def test_figures_measured_on_the_sample_claim_nothing_of_real_contracts(
    local: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(local, "cuad")
    pipeline.embed(local, SOURCES["cuad"])
    pipeline.build_index(local)
    shown = command(local, monkeypatch, "evaluate").output
    assert f"no real contract ({SAMPLE}: cuad)" in shown
    [(quality,)] = rows(local, "SELECT quality FROM embedding_spaces WHERE state = 'active'")
    assert quality["invented"] == {"cuad": SAMPLE}
    written = report(local)
    top = words(written.partition('<nav aria-label="Contents">')[0])
    assert "Sample, invented." in top
    assert "this says nothing of real contracts" in top
    assert "Found among the first five, CUAD v1 (sample)" in top
    assert "lawyers" not in section(written, "corpus").replace("no lawyer", "")
    assert f"no real contract ({SAMPLE}: cuad)" in section(written, "quality")
    assert "CUAD v1 (sample, invented) Invented texts in the form of" in section(written, "corpus")
    assert f"Finding the clause (CUAD) · {SAMPLE}" in section(written, "quality")
    assert not [name for name in OFFICIAL[:5] if name in section(written, "corpus")]


def test_the_event_at_the_end_of_a_source_says_that_it_holds_the_sample(local: Corpus, tmp_path: Path) -> None:
    for source, data in (("cuad", "sample"), ("bonterms", genuine(tmp_path))):
        load(local, source, data)
        pipeline.embed(local, SOURCES[source])
    query = "SELECT payload->>'source', payload->>'invented' FROM bootstrap_events WHERE name LIKE '%completed'"
    assert rows(local, query + " ORDER BY id") == [("cuad", "true"), ("bonterms", "false")]
