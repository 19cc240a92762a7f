"""The whole way, on the bundled sample and on a made-up fifth source; what the core may import."""

import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap_assets import pipeline
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.status import describe_corpus
from bootstrap_assets.errors import ArchiveError, ConfigurationError, FormatError, MassDeleteError
from bootstrap_assets.operations import progress
from bootstrap_assets.search.query import search
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources import registry
from bootstrap_assets.sources.fetch import locate
from bootstrap_assets.sources.registry import SOURCES
from tests.conftest import SHARED_DATA
from tests.fakes.voyage_server import VoyageServer
from tests.integration.test_fill import column
from tests.integration.test_index import local_space
from tests.made_up_source import MADE_UP, contracts, write

WRONG_OFFSETS = """SELECT count(*) FROM reference_records r JOIN reference_texts t USING (content_hash)
JOIN reference_documents d ON d.id = r.document_id
WHERE substr(d.raw_text, r.char_start + 1, r.char_end - r.char_start) <> t.content
   OR (r.granularity IN ('clause', 'span') AND r.char_start IS NULL)"""


def test_the_sample_goes_all_the_way(corpus: Corpus) -> None:
    local = local_space(corpus)
    filled, indexed = pipeline.bootstrap(local)
    assert set(filled) == {"cuad", "contract_nli", "bonterms", "commonaccord"}
    assert indexed.promoted
    assert indexed.uncovered == 0
    assert column(local, WRONG_OFFSETS) == [0]
    assert column(local, "SELECT count(DISTINCT category) FROM reference_records WHERE source = 'cuad'") == [41]
    hypotheses = "SELECT count(DISTINCT hypothesis_id) FROM reference_records WHERE source = 'contract_nli'"
    assert column(local, hypotheses) == [17]
    hits = search(local.database, local.settings, "cap on liability", k=3)
    assert "Cap On Liability" in {hit.category for hit in hits}


def test_a_second_run_has_nothing_to_do(corpus: Corpus, voyage: VoyageServer) -> None:
    pipeline.bootstrap(corpus)
    requests = voyage.requests
    rows = "SELECT (id, xmin)::text FROM reference_records ORDER BY id"
    before = column(corpus, rows)
    filled, indexed = pipeline.bootstrap(corpus)
    assert sum(source.texts for source in filled.values()) == 0
    assert indexed.action == "kept"
    assert voyage.requests == requests
    assert voyage.texts_paid_twice == 0
    assert column(corpus, rows) == before


def test_status_tells_what_is_in_the_corpus(corpus: Corpus) -> None:
    pipeline.bootstrap(corpus)
    with corpus.database.connection() as connection:
        status = describe_corpus(connection)
    for source in status["sources"].values():
        assert source["status"] == "completed"
        assert source["embedded_records"] == source["total_records"] == source["processed_records"] > 0
        assert source["batches"]["complete"] == source["batches"]["total"] > 0
        assert sum(source["by_granularity"].values()) == source["total_records"]
    assert status["texts"] == status["space"]["vectors"]


STATUS = "SELECT concat_ws(' ', status, embedded_records, error_count) FROM bootstrap_progress"


def test_a_load_alone_leaves_a_complete_source_complete(corpus: Corpus, voyage: VoyageServer) -> None:
    folder = write(corpus.settings.root / "data", contracts(20))
    settings = corpus.settings.model_copy(update={"data": str(folder)})
    archives = locate.fetch(settings, MADE_UP)
    pipeline.load(corpus, MADE_UP, archives)
    assert column(corpus, STATUS) == ["pending 0 0"]
    voyage.poison = {contracts(20)["Contract 3"]["Category 1"]}
    pipeline.embed(corpus, MADE_UP)
    assert column(corpus, STATUS) == ["completed_with_failures 79 1"]
    pipeline.load(corpus, MADE_UP, archives)
    assert column(corpus, STATUS) == ["completed_with_failures 79 1"]
    voyage.poison = set()
    pipeline.retry_failures(corpus)
    pipeline.load(corpus, MADE_UP, archives)
    assert column(corpus, STATUS) == ["completed 80 0"]
    fewer = contracts(18) | {"Again": contracts(1)["Contract 0"]}
    write(folder, fewer)
    pipeline.load(corpus, MADE_UP, locate.fetch(settings, MADE_UP))
    assert column(corpus, STATUS) == ["completed 76 0"]
    write(folder, contracts(21))
    pipeline.load(corpus, MADE_UP, locate.fetch(settings, MADE_UP))
    assert column(corpus, STATUS) == ["pending 72 0"]


def test_the_time_of_a_source_is_that_of_its_load_and_its_embedding(corpus: Corpus) -> None:
    folder = write(corpus.settings.root / "data", contracts(2))
    archives = locate.fetch(corpus.settings.model_copy(update={"data": str(folder)}), MADE_UP)
    started = "SELECT started_at FROM bootstrap_progress"
    seen = set()
    for _ in range(2):  # also where the load finds nothing missing
        pipeline.load(corpus, MADE_UP, archives)
        [begun] = column(corpus, started)
        pipeline.embed(corpus, MADE_UP)
        assert column(corpus, started) == [begun]
        seen.add(begun)
    assert len(seen) == 2
    pipeline.embed(corpus, MADE_UP)  # by itself, a time of its own
    assert column(corpus, started)[0] not in seen


def test_every_document_keeps_its_licence_attribution_and_address(corpus: Corpus) -> None:
    local = local_space(corpus)
    for source in SOURCES.values():
        pipeline.load(local, source, locate.fetch(local.settings, source))
    query = """SELECT count(*) FROM reference_documents
        WHERE licence = '' OR attribution = '' OR (url = '') <> (metadata ? 'invented')"""  # which has no address
    assert column(local, query) == [0]
    assert column(local, "SELECT count(DISTINCT source) FROM reference_documents") == [4]


def test_a_fifth_source_is_one_module_and_one_line_in_the_registry(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.SOURCES, "made_up", MADE_UP)
    folder = write(corpus.settings.root / "data", contracts(20))
    settings = corpus.settings.model_copy(update={"data": str(folder)})
    fifth = Corpus(settings, corpus.database, corpus.embedder, corpus.space)
    filled, indexed = pipeline.bootstrap(fifth, [registry.get_source("made_up")])
    assert filled["made_up"].embedded_records == 80
    assert indexed.promoted


def test_the_same_archive_is_not_parsed_twice(corpus: Corpus) -> None:
    folder = write(corpus.settings.root / "data", contracts(20))
    settings = corpus.settings.model_copy(update={"data": str(folder)})
    archives = locate.fetch(settings, MADE_UP)
    assert not pipeline.load(corpus, MADE_UP, archives).unchanged_archive
    again = pipeline.load(corpus, MADE_UP, archives)
    assert again.unchanged_archive
    assert (again.records, again.documents) == (80, 20)


def test_rows_that_somebody_deleted_come_back_though_the_archive_is_the_same(corpus: Corpus) -> None:
    folder = write(corpus.settings.root / "data", contracts(20))
    archives = locate.fetch(corpus.settings.model_copy(update={"data": str(folder)}), MADE_UP)
    pipeline.load(corpus, MADE_UP, archives)
    with corpus.database.connection() as connection:
        connection.execute("DELETE FROM reference_documents WHERE title = 'Contract 3'")
    assert pipeline.load(corpus, MADE_UP, archives).new == 4


def test_a_failed_load_is_told_in_the_progress(corpus: Corpus) -> None:
    folder = write(corpus.settings.root / "data", contracts(20))
    settings = corpus.settings.model_copy(update={"data": str(folder)})
    pipeline.load(corpus, MADE_UP, locate.fetch(settings, MADE_UP))
    write(folder, contracts(2))
    with pytest.raises(MassDeleteError):
        pipeline.load(corpus, MADE_UP, locate.fetch(settings, MADE_UP))
    assert column(corpus, "SELECT status FROM bootstrap_progress") == ["failed"]
    assert "--allow-deletes" in str(column(corpus, "SELECT message FROM bootstrap_progress")[0])
    pipeline.load(corpus, MADE_UP, locate.fetch(settings, MADE_UP), allow_deletes=True)
    pipeline.embed(corpus, MADE_UP)
    assert column(corpus, "SELECT status || coalesce(message, '') FROM bootstrap_progress") == ["completed"]


def test_a_refused_load_does_not_spoil_the_counts(corpus: Corpus) -> None:
    folder = write(corpus.settings.root / "data", contracts(20))
    settings = corpus.settings.model_copy(update={"data": str(folder)})
    pipeline.load(corpus, MADE_UP, locate.fetch(settings, MADE_UP))
    with corpus.database.connection() as connection:
        progress.record_parsed(connection, "made_up", 5_678)
    pipeline.load(corpus, MADE_UP, locate.fetch(settings, MADE_UP))
    assert column(corpus, "SELECT processed_records FROM bootstrap_progress") == [80]


def test_a_missing_archive_names_the_folder_and_the_file(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"no archive in .*cuad; put CUAD_v1\.zip there"):
        locate.fetch(settings.model_copy(update={"data": str(tmp_path)}), SOURCES["cuad"])


def test_a_missing_folder_is_a_wrong_setting(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no folder"):
        locate.fetch(settings.model_copy(update={"data": str(tmp_path / "none")}), SOURCES["cuad"])


def test_a_page_in_place_of_an_archive_leaves_the_corpus_alone(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "cuad").mkdir()
    (tmp_path / "cuad" / "CUAD_v1.zip").write_text("<!DOCTYPE html><title>Rate limited</title>")
    archives = locate.fetch(corpus.settings.model_copy(update={"data": str(tmp_path)}), SOURCES["cuad"])
    with pytest.raises((ArchiveError, FormatError), match=r"CUAD_v1\.zip"):
        pipeline.load(corpus, SOURCES["cuad"], archives)
    assert column(corpus, "SELECT count(*) FROM reference_records") == [0]


def test_the_core_imports_with_dagster_blocked() -> None:
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0].startswith('dagster'):
            raise ImportError(f'{name} is blocked')
sys.meta_path.insert(0, Block())
import bootstrap_assets.pipeline, bootstrap_assets.search.query, bootstrap_assets.cli
assert not [name for name in sys.modules if name.startswith('dagster')]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the real archives (../shared/data) are not here")
def test_the_real_archives_go_all_the_way(corpus: Corpus) -> None:
    local = local_space(corpus)
    real = Corpus(
        local.settings.model_copy(update={"data": str(SHARED_DATA)}), local.database, local.embedder, local.space
    )
    _, indexed = pipeline.bootstrap(real)
    assert indexed.uncovered == 0
    with real.database.connection() as connection:
        sources = describe_corpus(connection)["sources"]
    assert (sources["cuad"]["documents"], sources["cuad"]["by_granularity"]["clause"]) == (94, 2_436)
    assert (sources["contract_nli"]["documents"], sources["contract_nli"]["by_granularity"]["span"]) == (
        111,
        2_183,
    )
    for source in sources.values():
        assert source["embedded_records"] == source["total_records"]
        assert source["batches"]["complete"] == source["batches"]["total"]
        assert source["error_count"] == 0
    assert column(real, WRONG_OFFSETS) == [0]
    pooled = """SELECT count(*) FROM VECTORS v JOIN reference_texts t USING (content_hash)
                WHERE pooled <> (t.tokens > 14400)"""
    assert column(real, pooled) == [0]
    filters = search(real.database, real.settings, "cap on liability", k=5)
    assert len(filters) == 5
