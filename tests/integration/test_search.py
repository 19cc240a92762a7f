"""Search by vector, by text, and fused; filters."""

import uuid

import pytest

from bootstrap_assets import pipeline
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.pipeline import Corpus
from bootstrap_assets.search.query import Filters, Hit, Mode, fuse, search
from bootstrap_assets.store.database import Database
from tests.fakes.voyage_server import Fault, VoyageServer
from tests.integration.test_fill import column, load
from tests.integration.test_index import local_space
from tests.made_up_source import MADE_UP, contracts, write

DOCUMENTS = {
    "Lighthouse supply": {
        "Cap On Liability": "Neither party pays more than the fees of one year, whatever the claim.",
        "Governing Law": "The laws of Norway govern this agreement.",
        "Insurance": "The supplier keeps liability insurance of one million crowns for its vans.",
    },
    "Beekeeping data": {
        "Non-Compete": "For two years the keeper sells no honey within forty miles of the licensor's hives.",
        "Parties": "Hivemark and Tollan, who signed below.",
        "Governing Law": "Danish law applies.",
    },
}


@pytest.fixture
def searched(corpus: Corpus) -> Corpus:
    """A small corpus with local vectors, ready to be searched."""
    local = local_space(corpus)
    folder = write(local.settings.root / "data", DOCUMENTS)
    settings = local.settings.model_copy(update={"data": str(folder)})
    pipeline.load(local, MADE_UP, pipeline.fetch(settings, MADE_UP))
    pipeline.embed(local, MADE_UP)
    pipeline.build_index(local)
    return local


def find(
    corpus: Corpus, query: str, mode: Mode = Mode.HYBRID, k: int = 10, **filters: tuple[str, ...]
) -> list[Hit]:
    return search(corpus.database, corpus.settings, query, k=k, mode=mode, filters=Filters(**filters))


@pytest.mark.parametrize("mode", list(Mode))
def test_the_clause_that_is_asked_for_comes_first(searched: Corpus, mode: Mode) -> None:
    first = find(searched, "which laws govern the agreement", mode, granularities=("clause",))[0]
    assert first.category == "Governing Law"
    assert first.document == "Lighthouse supply"
    assert first.rank == 1


def test_a_label_is_found_where_the_text_does_not_say_it(searched: Corpus) -> None:
    first = find(searched, "cap on liability", Mode.TEXT, granularities=("clause",))[0]
    assert first.category == "Cap On Liability"


def test_a_word_is_found_in_its_other_forms(searched: Corpus) -> None:
    assert find(searched, "selling", Mode.TEXT, granularities=("clause",))[0].category == "Non-Compete"


def test_a_text_without_any_word_of_the_query_is_not_found_by_text(searched: Corpus) -> None:
    assert find(searched, "zeppelin", Mode.TEXT) == []


def test_stop_words_alone_find_nothing_by_text_and_something_by_vector(searched: Corpus) -> None:
    assert find(searched, "of the and", Mode.TEXT) == []
    assert len(find(searched, "of the and", Mode.VECTOR)) == 8


@pytest.mark.parametrize("query", ["it's", "a'b\\c", "cap & liability | !", "((", ":*", "%s {x}"])
def test_no_query_is_too_odd(searched: Corpus, query: str) -> None:
    find(searched, query)


@pytest.mark.parametrize("mode", list(Mode))
def test_filters_let_through_only_what_they_say(searched: Corpus, mode: Mode) -> None:
    assert {hit.granularity for hit in find(searched, "law", mode, granularities=("document",))} == {"document"}
    assert {hit.category for hit in find(searched, "law", mode, categories=("governing law",))} == {
        "Governing Law"
    }
    assert find(searched, "law", mode, sources=("cuad",)) == []
    assert find(searched, "law", mode, labels=("Entailment",)) == []


def test_labels_filter_by_nli_label(searched: Corpus) -> None:
    with searched.database.connection() as connection:
        connection.execute("UPDATE reference_records SET nli_label = 'Entailment' WHERE category = 'Parties'")
    assert [hit.category for hit in find(searched, "law", Mode.VECTOR, labels=("entailment",))] == ["Parties"]


def test_a_filter_that_few_records_pass_still_gives_all_of_them(corpus: Corpus) -> None:
    local = local_space(corpus)
    documents = contracts(400) | {"Rare": {"Rare": "Nothing like the others: zebras, violins and snow."}}
    settings = local.settings.model_copy(update={"data": str(write(local.settings.root / "data", documents))})
    pipeline.load(local, MADE_UP, pipeline.fetch(settings, MADE_UP))
    pipeline.embed(local, MADE_UP)
    pipeline.build_index(local)
    with local.database.connection() as connection:
        # The planner is led to the graph, as in a large corpus, and the scan of the graph ends early.
        for setting in ("enable_sort = off", "hnsw.max_scan_tuples = 1"):
            connection.execute(f"ALTER DATABASE {connection.info.dbname} SET {setting}")
    query = "Clause 1 of contract 2 says what party must do"
    with Database(local.database.url) as afresh:
        found = search(afresh, local.settings, query, k=1, mode=Mode.VECTOR, filters=Filters(categories=("Rare",)))
    assert [hit.category for hit in found] == ["Rare"]


def test_hits_come_best_first_with_their_score(searched: Corpus) -> None:
    for mode in Mode:
        hits = find(searched, "liability insurance", mode)
        assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_query_is_in_the_ledger_unless_the_role_may_only_read(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(3))
    pipeline.embed(corpus, MADE_UP)
    pipeline.build_index(corpus)
    voyage.faults = [Fault.server_error]
    assert find(corpus, "what party 7 must do")
    ledger = "SELECT outcome FROM embedding_usage WHERE source = 'search' ORDER BY id"
    assert column(corpus, ledger) == ["failed", "ok"]
    assert voyage.input_types["query"] == 1
    assert corpus.settings.database_url
    url = corpus.settings.database_url.get_secret_value() + "&options=-cdefault_transaction_read_only%3Don"
    with Database(url, size=2) as readers:
        assert search(readers, corpus.settings, "what party 7 must do")
    assert len(column(corpus, ledger)) == 2


def test_an_empty_query_is_refused(searched: Corpus) -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        find(searched, "  ")


def test_an_empty_corpus_says_what_to_do(corpus: Corpus) -> None:
    with pytest.raises(ConfigurationError, match="bootstrap run"):
        find(corpus, "anything")


def test_vectors_of_a_space_that_is_not_active_are_not_searched(corpus: Corpus) -> None:
    local = local_space(corpus)
    settings = local.settings.model_copy(update={"data": str(write(local.settings.root / "data", DOCUMENTS))})
    pipeline.load(local, MADE_UP, pipeline.fetch(settings, MADE_UP))
    pipeline.embed(local, MADE_UP)
    assert column(local, "SELECT count(*) FROM VECTORS") == [8]
    with pytest.raises(ConfigurationError):
        find(local, "law", Mode.VECTOR)


def test_fusion_adds_reciprocal_ranks() -> None:
    a, b, c = (uuid.UUID(int=number) for number in range(3))
    fused = fuse([{a: 9.0, b: 8.0}, {b: 0.9, c: 0.8}], constant=60)
    assert list(fused) == [b, a, c]
    assert fused[b] == pytest.approx(1 / 62 + 1 / 61)
    assert fused[a] == pytest.approx(1 / 61)
