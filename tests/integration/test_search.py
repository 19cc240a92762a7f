"""Search by vector, by text, and fused; filters."""

import math

import numpy as np
import psycopg
import pytest

from bootstrap_assets import pipeline
from bootstrap_assets.database.connection import Database
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.providers.local import LocalEmbedder
from bootstrap_assets.embedding.providers.protocol import InputType
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.search.query import Filters, Hit, Mode, Ranking, embed_query, search
from bootstrap_assets.search.snippets import MARK, snippets
from bootstrap_assets.sources.fetch import locate
from tests.fakes.voyage_server import Fault, VoyageServer
from tests.integration.test_fill import column, load
from tests.made_up_source import MADE_UP, contracts, write
from tests.prepared import TWO_CONTRACTS, local_space


@pytest.fixture
def searched(two_contracts: None, corpus: Corpus) -> Corpus:
    """A small corpus with local vectors, ready to be searched."""
    return local_space(corpus)


def find(
    corpus: Corpus,
    query: str,
    mode: Mode = Mode.HYBRID,
    k: int = 10,
    ranking: Ranking | None = None,
    fold: bool = False,
    min_score: float | None = None,
    **filters: tuple[str, ...],
) -> list[Hit]:
    return search(
        corpus.database,
        corpus.settings,
        query,
        k=k,
        mode=mode,
        filters=Filters(**filters),
        ranking=ranking,
        fold=fold,
        min_score=min_score,
    )


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
    pipeline.load(local, MADE_UP, locate.fetch(settings, MADE_UP))
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
    settings = local.settings.model_copy(update={"data": str(write(local.settings.root / "data", TWO_CONTRACTS))})
    pipeline.load(local, MADE_UP, locate.fetch(settings, MADE_UP))
    pipeline.embed(local, MADE_UP)
    assert column(local, "SELECT count(*) FROM VECTORS") == [8]
    with pytest.raises(ConfigurationError):
        find(local, "law", Mode.VECTOR)


PLAIN = Ranking(context=0, feedback_texts=0, search_labels=False)


def test_the_score_is_the_mean_of_both_lists(searched: Corpus) -> None:
    ranking = Ranking(vector_weight=3, text_weight=5, context=0, feedback_texts=0, search_labels=False)
    hits = find(searched, "liability insurance of the supplier", ranking=ranking)
    assert {hit.text_rank is None for hit in hits} == {True, False}
    for hit in hits:
        scores = [(3, max(0, hit.vector_score or 0)), (5, hit.text_score or 0)]
        assert hit.score == pytest.approx(sum(weight * score for weight, score in scores) / 8)


def test_with_a_constant_fusion_adds_reciprocal_ranks(searched: Corpus) -> None:
    ranking = Ranking(
        vector_weight=3, text_weight=5, fusion_constant=7, context=0, feedback_texts=0, search_labels=False
    )
    hits = find(searched, "liability insurance of the supplier", ranking=ranking)
    assert {hit.text_rank is None for hit in hits} == {True, False}
    fused = [
        sum(weight / (7 + rank) for weight, rank in ((3, hit.vector_rank), (5, hit.text_rank)) if rank)
        for hit in hits
    ]
    assert fused == sorted(fused, reverse=True)


def test_the_lists_are_those_of_each_mode_alone(searched: Corpus) -> None:
    query = "what the supplier pays"
    hybrid = find(searched, query, ranking=PLAIN)
    for mode, rank in ((Mode.VECTOR, "vector_rank"), (Mode.TEXT, "text_rank")):
        alone = {hit.content: hit.rank for hit in find(searched, query, mode, ranking=PLAIN)}
        assert {hit.content: getattr(hit, rank) for hit in hybrid if getattr(hit, rank)} == alone


def test_text_rank_is_bm25(searched: Corpus) -> None:
    """Against the formula written out, over the clauses and their lexemes."""
    hits = find(searched, "liability law", Mode.TEXT, ranking=PLAIN)
    with searched.database.connection() as connection:
        total, mean = connection.execute("SELECT texts, mean_tokens FROM reference_text_totals").fetchone() or (
            0,
            0,
        )
        rows = connection.execute(
            "SELECT content, tokens, coalesce((SELECT cardinality(positions) FROM unnest(content_tsv) "
            "WHERE lexeme = 'liabil'), 0), coalesce((SELECT cardinality(positions) FROM unnest(content_tsv) "
            "WHERE lexeme = 'law'), 0) FROM reference_texts"
        ).fetchall()
    assert total == 6  # clauses; not the two whole documents
    weights = [math.log(1 + (6 - texts + 0.5) / (texts + 0.5)) for texts in (1, 2)]
    expected = {}
    for content, tokens, *times in rows:
        norm = 1.2 * (0.25 + 0.75 * tokens / mean)
        reached = sum(weight * n * 2.2 / (n + norm) for weight, n in zip(weights, times, strict=True))
        score = reached / (2.2 * sum(weights))  # as a share of what the words could reach
        if score:
            expected[content] = pytest.approx(score, rel=1e-6)
    assert {hit.content: hit.score for hit in hits} == expected
    assert len(expected) == 5


def test_a_word_is_counted_however_often_it_occurs(database: Database) -> None:
    query = "SELECT -(reference_impacts(reference_tsvector(%s), 100, 100) <#> reference_asked('{bee}', '{1}'))"
    with database.connection() as connection:
        for times in (1, 2, 3, 7, 20, 60, 200):
            [score] = connection.execute(query, ("bee " * times,)).fetchone() or (0.0,)
            assert score == pytest.approx(times * 2.2 / (times + 1.2), rel=2e-4)


def test_a_text_of_several_records_is_one_hit_that_lists_them(corpus: Corpus) -> None:
    local = local_space(corpus)
    same = {"Governing Law": "Danish law applies."}
    documents = {"A": same | {"Cap": "Nobody pays."}, "B": same | {"Choice Of Law": "Danish law applies."}}
    settings = local.settings.model_copy(update={"data": str(write(local.settings.root / "data", documents))})
    pipeline.load(local, MADE_UP, locate.fetch(settings, MADE_UP))
    pipeline.embed(local, MADE_UP)
    pipeline.build_index(local)
    first = find(local, "which law applies", granularities=("clause",))[0]
    assert [(record["document"], record["category"]) for record in first.records] == [
        ("A", "Governing Law"),
        ("B", "Choice Of Law"),
        ("B", "Governing Law"),
    ]
    assert (first.document, first.category) == ("A", "Governing Law")
    [only] = find(local, "which law applies", categories=("choice of law",))
    assert [record["category"] for record in only.records] == ["Choice Of Law"]


def test_a_hit_tells_its_place_and_what_stands_around_it(searched: Corpus) -> None:
    [hit] = find(searched, "Norway", categories=("Governing Law",), k=1)
    text = "\n".join(TWO_CONTRACTS["Lighthouse supply"].values())
    assert hit.char_start is not None
    assert text[hit.char_start : hit.char_end] == hit.content
    assert hit.before == text[: hit.char_start][-200:]
    assert hit.after == text[hit.char_end :][:200]


def test_a_quoted_phrase_must_occur(searched: Corpus) -> None:
    found = find(searched, 'insurance "one million crowns"', granularities=("clause",))
    assert [hit.category for hit in found] == ["Insurance"]
    assert find(searched, '"crowns million one"') == []
    assert len(find(searched, '"of the" insurance', granularities=("clause",))) == 6  # stop words are no phrase


def test_documents_are_found_by_title_source_id_or_id(searched: Corpus) -> None:
    [(number, name)] = find_document(searched)
    for document in ("Beekeeping data", str(number), name):
        hits = find(searched, "law", documents=(document,))
        assert {hit.document for hit in hits} == {"Beekeeping data"}
    with pytest.raises(ConfigurationError, match="no document"):
        find(searched, "law", documents=("Wasps",))


def find_document(corpus: Corpus) -> list[tuple[object, str]]:
    with corpus.database.connection() as connection:
        query = "SELECT id, source_id FROM reference_documents WHERE title = 'Beekeeping data'"
        return [(row[0], row[1]) for row in connection.execute(query)]


def test_a_tenant_s_documents_are_found_by_tenant(searched: Corpus) -> None:
    assert "Beekeeping data" in {hit.document for hit in find(searched, "law")}
    with searched.database.connection() as connection:
        connection.execute("UPDATE reference_documents SET tenant_id = 'hive' WHERE title = 'Beekeeping data'")
        connection.execute(
            "UPDATE reference_records r SET tenant_id = d.tenant_id "
            "FROM reference_documents d WHERE d.id = document_id"
        )
    assert "Beekeeping data" in {hit.document for hit in find(searched, "law", tenant="hive")}
    assert "Beekeeping data" not in {hit.document for hit in find(searched, "law", tenant="bear")}


def test_a_text_takes_a_share_of_the_score_of_its_section(searched: Corpus) -> None:
    with searched.database.connection() as connection:  # the law stands in a section that speaks of insurance
        connection.execute(
            "UPDATE reference_records SET section_hash = (SELECT content_hash FROM reference_records "
            "WHERE category = 'Insurance') WHERE category = 'Governing Law' AND source_id LIKE 'Light%%'"
        )
    filters = {"documents": ("Lighthouse supply",), "granularities": ("clause",)}
    for mode, score in ((Mode.VECTOR, "vector_score"), (Mode.TEXT, "text_score")):
        plain, shared = (
            {
                hit.category: getattr(hit, score)
                for hit in find(
                    searched,
                    "insurance",
                    mode,
                    ranking=Ranking(context=share, feedback_texts=0, search_labels=False),
                    **filters,
                )
            }
            for share in (0.0, 0.5)
        )
        insurance = plain["Insurance"]
        assert shared["Governing Law"] == pytest.approx((plain.get("Governing Law", 0) + 0.5 * insurance) / 1.5)
        assert shared["Insurance"] == pytest.approx(insurance)  # in no section: it is its own context


def test_feedback_finds_what_the_query_has_no_word_for(corpus: Corpus) -> None:
    """Sections that say "hive" speak of bees; so a query for hives finds a section that only speaks of bees."""
    local = local_space(corpus)
    settings = local.settings.model_copy(
        update={
            "data": str(write(local.settings.root / "data", {f"D{n}": {"X": text} for n, text in enumerate(TALK)}))
        }
    )
    pipeline.load(local, MADE_UP, locate.fetch(settings, MADE_UP))
    with local.database.connection() as connection:
        connection.execute("UPDATE reference_records SET granularity = 'section' WHERE granularity = 'clause'")
        # Labels are matched with the query as it was asked: one that says "bees" is not found by "hives".
        connection.execute("UPDATE reference_records SET category = 'Bees' WHERE source_id LIKE 'D5\\_%%'")
    pipeline.embed(local, MADE_UP)
    pipeline.build_index(local)
    found = {
        texts: [hit.content for hit in find(local, "hives", Mode.TEXT, ranking=Ranking(feedback_texts=texts))]
        for texts in (0, 4)
    }
    assert TALK[4] not in found[0]
    assert TALK[4] in found[4]
    assert TALK[5] not in found[4]


TALK = [
    "The hive and its bees stay with the keeper.",
    "A hive without bees is cleaned within a week.",
    "Bees of a neighbour's hive may be fed.",
    "Whoever moves a hive at night tells the bees.",
    "Bees are sold by weight.",
    "Lamps are sold by the dozen.",
    *(f"The lamp number {n} burns oil." for n in range(20)),
]


def test_snippets_mark_the_words_of_the_query(searched: Corpus) -> None:
    hits = find(searched, "selling honey", granularities=("clause",), k=1)
    [snippet] = snippets(searched.database, "selling honey", [hits[0].content])
    assert snippet is not None
    for word in ("sells", "honey"):
        assert f"{MARK[0]}{word}{MARK[1]}" in snippet
    assert snippets(searched.database, "of the", [hits[0].content]) == [None]


def call(corpus: Corpus, arguments: str, query: str | None = "laws") -> list[str]:
    found = f"SELECT content FROM search_reference(%s, {arguments})"
    with corpus.database.connection() as connection:
        return [row[0] for row in connection.execute(found, [query])]  # type: ignore[arg-type]


@pytest.mark.parametrize("filtered", ["sources", "categories", "granularities", "labels", "documents"])
def test_an_empty_filter_lets_nothing_through(searched: Corpus, filtered: str) -> None:
    assert call(searched, "NULL") != []
    assert call(searched, f"NULL, {filtered} => NULL") == call(searched, "NULL")
    assert call(searched, f"NULL, {filtered} => '{{}}'") == []


def test_filters_know_no_upper_case(searched: Corpus) -> None:
    upper = f"NULL, sources => '{{{MADE_UP.name.upper()}}}', granularities => '{{CLAUSE}}'"
    assert call(searched, upper) == call(searched, "NULL, granularities => '{clause}'") != []


NUMBERS = "k vector_weight text_weight fusion_constant context search_labels feedback_texts candidates ef_search"


@pytest.mark.parametrize("name", NUMBERS.split())
def test_what_is_null_is_the_default(searched: Corpus, name: str) -> None:
    def scores(more: str = "") -> list[tuple[object, ...]]:
        query = f"SELECT content, score FROM search_reference('insurance laws', %s {more})"
        with searched.database.connection() as connection:
            return connection.execute(query, [vector]).fetchall()  # type: ignore[arg-type]

    vector = embed_query(searched.database, searched.settings, searched.space, "insurance laws")
    assert scores(f", {name} => NULL") == scores() != []


def test_without_a_number_the_best_ten_are_found(corpus: Corpus) -> None:
    local = local_space(corpus)
    load(local, contracts(30))
    pipeline.embed(local, MADE_UP)
    pipeline.build_index(local)
    ten = call(local, "NULL, k => 10", "clause")
    assert len(call(local, "NULL, k => 11", "clause")) == 11
    assert call(local, "NULL, k => NULL", "clause") == ten


@pytest.mark.parametrize(
    "wrong",
    [
        "NULL, fusion_constant => -10",
        "NULL, text_weight => 'Infinity'",
        "NULL, vector_weight => 'NaN'",
        "NULL, k => -1",
        "NULL, candidates => 200000000",
        "array_fill(0::real, ARRAY[256])::vector",
    ],
)
def test_numbers_that_make_no_sense_are_refused(searched: Corpus, wrong: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="search_reference"):
        call(searched, wrong)


def test_a_whole_page_is_searched_for_by_its_rarest_words(searched: Corpus) -> None:
    page = "The laws of Norway. " + " ".join(f"word{number}" for number in range(5_000))
    with searched.database.connection() as connection:
        asked = "SELECT cardinality((reference_question(%s, NULL)).words)"
        [[words]] = connection.execute(asked, [page]).fetchall()
    assert words == 64
    assert "Norway" in call(searched, "NULL, granularities => '{clause}'", page)[0]


def test_vectors_alone_know_no_phrases(searched: Corpus) -> None:
    with pytest.raises(ConfigurationError, match="leave the quotes out"):
        find(searched, 'the "laws of Norway"', Mode.VECTOR)


def test_the_function_can_be_called_by_anybody(searched: Corpus) -> None:
    """From plain SQL: by text alone, by vector alone, with named arguments."""
    with searched.database.connection() as connection:
        rows = connection.execute(
            "SELECT rank, records->0->>'category' FROM search_reference('the laws of Norway', NULL, k => 1)"
        ).fetchall()
        assert rows == [(1, "Governing Law")]
        nearest = connection.execute(
            "SELECT s.content = t.content FROM reference_embeddings t, "
            "search_reference(NULL, t.embedding, k => 1, context => 0, granularities => ARRAY[t.granularity]) s"
        ).fetchall()
    assert nearest == [(True,)] * 8


def test_a_query_is_weighted_by_what_the_corpus_taught(searched: Corpus) -> None:
    with searched.database.connection() as connection:
        learnt = spaces.statistics(connection, searched.space)
        assert learnt is not None
        expected = LocalEmbedder(learnt).embed(["which laws govern"], InputType.QUERY).vectors[0]
    found = embed_query(searched.database, searched.settings, searched.space, "which laws govern")
    np.testing.assert_array_equal(found, expected)
    plain = LocalEmbedder().embed(["which laws govern"], InputType.QUERY).vectors[0]
    assert not np.array_equal(found, plain)


def test_what_is_learnt_of_the_corpus_follows_the_corpus(searched: Corpus) -> None:
    def told() -> tuple[object, ...]:
        with searched.database.connection() as connection:
            words = connection.execute("SELECT count(*) FROM reference_lexemes WHERE lexeme = 'wasp'").fetchone()
            return (spaces.statistics(connection, searched.space), words)

    before = told()
    pipeline.build_index(searched)
    assert told() == before
    documents = TWO_CONTRACTS | {"Wasps": {"Cap": "Wasps keep no bees."}}
    settings = searched.settings.model_copy(
        update={"data": str(write(searched.settings.root / "data", documents))}
    )
    pipeline.load(searched, MADE_UP, locate.fetch(settings, MADE_UP))
    pipeline.embed(searched, MADE_UP)
    pipeline.build_index(searched)
    assert told()[0] != before[0]
    assert told()[1] == (1,)


def test_a_hit_names_licence_attribution_and_address_of_its_document(searched: Corpus) -> None:
    with searched.database.connection() as connection:
        connection.execute(
            "UPDATE reference_documents SET licence = 'CC0', attribution = title, url = 'http://' || title"
        )
        columns = connection.execute(
            "SELECT source, title, licence, attribution, url "
            "FROM search_reference('the laws of Norway', NULL, k => 1)"
        ).fetchone()
    assert columns == (
        MADE_UP.name,
        *("Lighthouse supply", "CC0", "Lighthouse supply", "http://Lighthouse supply"),
    )
    [hit] = find(searched, "the laws of Norway", k=1)
    assert (hit.source, hit.document, hit.licence, hit.attribution, hit.url) == columns


def test_columns_of_the_search_that_were_there_stay_where_they_are(searched: Corpus) -> None:
    with searched.database.connection() as connection:
        columns = connection.execute("SELECT * FROM search_reference('laws', NULL)").description or []
    assert [column.name for column in columns][:14] == [
        *("rank", "score", "vector_rank", "vector_score", "text_rank", "text_score", "content_hash", "content"),
        *("before", "after", "records", "weak", "others", "source"),
    ]
