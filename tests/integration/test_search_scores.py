"""What people write is found; scores, folds and snippets mean something; no search path, no common word harms."""

from typing import Any

import numpy as np
import pytest

from bootstrap_assets import pipeline
from bootstrap_assets.database.connection import Database, connect
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.search import postings
from bootstrap_assets.search.query import Mode
from bootstrap_assets.search.snippets import MARK, snippets
from bootstrap_assets.sources.fetch import locate
from tests.integration.test_index import local_space
from tests.integration.test_search import find
from tests.made_up_source import MADE_UP, write

WRITTEN = {
    "The distributor/wholesaler keeps a register.": "distributor wholesaler",
    "It binds the franchisee.Thereafter it ends.": "franchisee thereafter",
    "trademarks and/or copyrights": "trademarks copyrights",
    "warehouse(s), zebra-crossings": "warehouse warehouses zebra crossing",
    "Write to jane.doe@example.com or https://host.example/path/terms.pdf": "jane doe example path terms pdf",
    "the \ufb01nal con\u00adsent": "final consent",
    "hyphen\u00ad\nation": "hyphenation",
    "na\u00efve and nai\u0308ve resum\u00e9": "naive na\u00efve resume",
    "the lessor\u2019s \u201crent\u201d\u2014monthly": "lessor rent monthly",
    "party\u00a0A pays\u202ftwice; \ufeffzero\u200bwidth": "party pays twice zerowidth",
    "Confidential_Information of C:\\Legal\\Bonus.docx": "confidential information legal bonus",
    "Gro\u00dfe S\u00f8ren \u0141\u00f3d\u017a": "grosse soren lodz",
    "a U.S. Person under U.S.A. law": "US USA person",
    "\uff26\uff55\uff4c\uff4c width\u2122 \u00bd \uf0b7bullet": "full width bullet",
    "5.1Termination of 3.5% in 2019-2020": "termination 5.1 3.5 2019 2020",
}


@pytest.mark.parametrize("text", WRITTEN, ids=WRITTEN.values())
def test_words_are_found_however_they_are_written(database: Database, text: str) -> None:
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT w, reference_tsvector(%s) @@ reference_phrase(w) FROM unnest(%s::text[]) w",
            (text, WRITTEN[text].split()),
        ).fetchall()
        written = connection.execute(
            "SELECT reference_tsvector(%s) @@ reference_phrase(%s)", (text, text)
        ).fetchone()
    assert [word for word, held in rows if not held] == []
    assert written == (True,)


LETTERS = {"Party": "The distributor/wholesaler gives its \ufb01nal con\u00adsent.", "Other": "Lamps burn oil."}


def loaded(corpus: Corpus, documents: dict[str, dict[str, str]]) -> Corpus:
    local = local_space(corpus)
    settings = local.settings.model_copy(update={"data": str(write(local.settings.root / "data", documents))})
    pipeline.load(local, MADE_UP, locate.fetch(settings, MADE_UP))
    pipeline.embed(local, MADE_UP)
    pipeline.build_index(local)
    return local


def test_what_is_found_is_marked_and_the_text_stays_as_it_is(corpus: Corpus) -> None:
    local = loaded(corpus, {"D": LETTERS})
    for query in ("wholesaler", "final", "consent", "\u201cfinal consent\u201d"):
        [hit] = find(local, query, Mode.TEXT, granularities=("clause",))
        assert hit.content == LETTERS["Party"]
        assert hit.char_start is not None
        [snippet] = snippets(local.database, query, [hit.content])
        assert MARK[0] in str(snippet)
        assert "".join(str(snippet).split(MARK[0])).replace(MARK[1], "") == hit.content


TERMS = {
    "Governing Law": "The laws of Norway govern this agreement and every question about it.",
    "Insurance": "The supplier keeps liability insurance of one million crowns for its vans.",
    "Notice": "A notice is given in writing and takes effect on the day on which it is received.",
}


def test_scores_lie_between_0_and_1_and_nonsense_scores_below_sense(corpus: Corpus) -> None:
    local = loaded(corpus, {"Terms": TERMS})
    for mode in Mode:
        good = find(local, "liability insurance of the supplier", mode)
        nonsense = find(local, "purple elephants dancing on zzyzx", mode)
        for hit in good + nonsense:
            assert 0 <= hit.score <= 1
            assert -1 <= (hit.vector_score or 0) <= 1
            assert 0 <= (hit.text_score or 0) <= 1
        assert all(hit.score < good[0].score / 2 for hit in nonsense)
        assert not good[0].weak
        assert all(hit.weak for hit in nonsense)


def test_a_least_score_leaves_out_what_scores_less(corpus: Corpus) -> None:
    local = loaded(corpus, {"Terms": TERMS})
    query = "liability insurance of the supplier"
    every = find(local, query)
    middle = every[1].score
    assert [hit.content for hit in find(local, query, min_score=middle)] == [
        hit.content for hit in every if hit.score >= middle
    ]
    assert find(local, query, min_score=1.0) == []


LONG = (
    "The keeper of the lighthouse trims the wick at dusk, fills the lamp with oil, winds the clock, writes the "
    "weather into the log and lights a second lamp whenever fog hides the harbour from ships"
)


def test_the_same_passage_and_nearly_the_same_words_are_one_hit_that_lists_the_others(corpus: Corpus) -> None:
    documents = {
        f"Version {n}": {"Duty": f"{LONG} of {where}."} for n, where in enumerate(("Bergen", "Oslo", "Moss"))
    }
    local = loaded(corpus, documents | {"Other": {"Oil": "Oil for a lamp is paid for by the harbour."}})
    query = "lamp oil harbour fog"
    apart = find(local, query, k=2)
    assert len({hit.document for hit in apart if hit.document.startswith("Version")}) == 1 or len(apart) == 2
    first, second = sorted(find(local, query, k=2, fold=True), key=lambda hit: hit.document, reverse=True)
    assert (first.document[:7], second.document) == ("Version", "Other")
    said = {record["document"] for record in (*first.records, *first.others)}
    assert said == {"Version 0", "Version 1", "Version 2"}
    assert all(0 <= record["score"] <= 1 for record in first.others)
    assert len(find(local, query, k=20, fold=False)) > len(find(local, query, k=20, fold=True)) == 2


def test_as_many_hits_as_are_wanted_come_back_although_many_are_folded(corpus: Corpus) -> None:
    documents = {f"Copy {n}": {"Duty": f"{LONG} of harbour number {n}."} for n in range(450)}
    documents |= {f"Own {n}": {"Oil": f"Oil {n} is {word}."} for n, word in enumerate(("blue", "green", "red"))}
    local = loaded(corpus, documents)
    hits = find(local, "keeper of the lighthouse trims the wick, oil", k=4, fold=True, granularities=("clause",))
    assert len(hits) == 4


def test_a_snippet_is_where_most_of_the_query_is(database: Database) -> None:
    filler = "The agreement says what a party does. " * 40
    text = filler + "Copies of confidential information are destroyed by the party within a week. " + filler
    [snippet] = snippets(database, "destroy copies of the confidential information, party agreement", [text])
    assert snippet is not None
    assert {
        word for word in ("Copies", "confidential", "information", "destroyed") if f"{MARK[0]}{word}" in snippet
    } == {
        "Copies",
        "confidential",
        "information",
        "destroyed",
    }
    assert len(snippet) < 450


COMMON = "The party shall deliver goods on time, says number {}." + " Party shall deliver goods." * 30


@pytest.mark.parametrize("query", ["party delivers goods", '"party shall deliver" goods'])
def test_a_word_that_every_text_has_costs_one_look_for_candidates(database: Database, query: str) -> None:
    with database.connection() as connection:
        fill_with_common_words(connection, 2_500)
        connection.execute("CREATE INDEX reference_texts_content_tsv ON reference_texts USING gin (content_tsv)")
    postings.build(database)
    with connect(database.url) as connection:
        connection.execute("ANALYZE")
        connection.execute("SET track_functions = 'all'")
        connection.execute("SELECT pg_stat_force_next_flush()")
        connection.commit()
        calls = "SELECT coalesce(sum(pg_stat_get_xact_function_calls(oid)), 0) FROM pg_proc WHERE proname = %s"
        connection.execute("SELECT count(*) FROM search_reference(%s, NULL, feedback_texts => 0)", (query,))
        [candidates] = connection.execute(calls, ("reference_text_candidates",)).fetchone() or (None,)
        assert candidates == 1
        words = "SELECT q.words, q.weights FROM reference_question(%s, NULL, 0) q"
        found = connection.execute(
            f"SELECT cardinality(reference_text_candidates(q.words, q.weights, NULL, 100)) FROM ({words}) q",
            (query,),
        ).fetchone()
        assert found == (100,)


def fill_with_common_words(connection: Any, count: int) -> None:
    """Texts that all have the same words, as they are after an index build."""
    connection.execute(
        "INSERT INTO reference_documents (id, source, source_id, title, raw_text, licence, attribution, url, "
        "content_hash) SELECT gen_random_uuid(), 'x', 'x', 'x', 'x', '', '', '', sha256('x')"
    )
    connection.execute(
        "INSERT INTO reference_texts (content_hash, content, tokens) SELECT sha256(convert_to(t, 'utf8')), t, 12 "
        "FROM generate_series(1, %s) n, replace(%s, '{}', n::text) t",
        (count, COMMON),
    )
    connection.execute(
        "INSERT INTO reference_records (id, document_id, content_hash, source, source_id, granularity) "
        "SELECT gen_random_uuid(), d.id, t.content_hash, 'x', t.content, 'clause' "
        "FROM reference_texts t, reference_documents d"
    )
    connection.execute(
        "INSERT INTO reference_lexemes SELECT word, ndoc FROM ts_stat('SELECT content_tsv FROM reference_texts')"
    )
    connection.execute("INSERT INTO reference_text_totals (texts, tokens) VALUES (%s, %s)", (count, 12 * count))
    connection.execute(
        "INSERT INTO reference_text_words (content_hash, pile, impacts) "
        "SELECT content_hash, '', reference_impacts(content_tsv, tokens, 12) FROM reference_texts"
    )


PATHS = {
    "none": "SET LOCAL search_path = ''",
    "a schema of the same names": "SET LOCAL search_path = mine, public",
    "temporary tables": "CREATE TEMP TABLE reference_texts (content_hash bytea, content text); "
    "CREATE TEMP TABLE reference_records (id int); CREATE TEMP TABLE reference_lexemes (lexeme text)",
    "functions of the same names": "SET LOCAL search_path = mine, pg_catalog, public",
}


@pytest.mark.parametrize("path", PATHS)
def test_a_search_works_under_any_search_path(corpus: Corpus, path: str) -> None:
    local = loaded(corpus, {"Terms": TERMS})
    with local.database.connection() as connection:
        connection.execute("CREATE SCHEMA mine")
        for table in ("reference_texts", "reference_records", "reference_vectors", "embedding_spaces"):
            connection.execute(f"CREATE TABLE mine.{table} (content_hash int)")  # type: ignore[arg-type]
        connection.execute(
            "CREATE FUNCTION mine.reference_lower(text[]) RETURNS text[] LANGUAGE sql RETURN '{nothing}'::text[]"
        )
        connection.execute("CREATE FUNCTION mine.lower(text) RETURNS text LANGUAGE sql RETURN 'nothing'")
        search = (
            "SELECT content FROM public.search_reference('laws of Norway', "
            "array_fill(%s::real, ARRAY[256])::public.vector, granularities => '{clause}')"
        )
        expected = connection.execute(search, (1.0,)).fetchall()
        connection.execute(PATHS[path])  # type: ignore[arg-type]
        assert connection.execute(search, (1.0,)).fetchall() == expected != []


def test_the_corpus_version_is_told_under_any_search_path(corpus: Corpus) -> None:
    local = loaded(corpus, {"Terms": TERMS})
    with local.database.connection() as connection:
        expected = connection.execute("SELECT public.reference_corpus_version()").fetchone()
        connection.execute("SET LOCAL search_path = ''")
        assert connection.execute("SELECT public.reference_corpus_version()").fetchone() == expected


def test_weights_of_zero_are_no_error(corpus: Corpus) -> None:
    local = loaded(corpus, {"Terms": TERMS})
    with local.database.connection() as connection:
        vector = np.ones(256, np.float32)
        rows = connection.execute(
            "SELECT score FROM search_reference('laws', %s, vector_weight => 0, text_weight => 0)", (vector,)
        ).fetchall()
    assert {row[0] for row in rows} == {0}
