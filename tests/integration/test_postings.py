"""The lists of words give the very texts that scoring each text by BM25 gives, however the corpus came about."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bootstrap_assets import pipeline
from bootstrap_assets.corpus import settlement
from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.documents import removal, stages
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.search import postings
from bootstrap_assets.search.postings import Segment, mergers
from bootstrap_assets.sources import registry
from bootstrap_assets.sources.fetch import locate
from bootstrap_assets.texts.content import content_hash
from tests.integration.test_documents import add_tenant, put, rows

SHARED = Path(__file__).parents[3] / "shared" / "data"

BM25 = """
    WITH asked AS (SELECT * FROM unnest(%(words)s::text[], %(weights)s::float8[]) a (word, weight))
    SELECT t.content_hash,
           sum(a.weight * n.times * 2.2 / (n.times + 1.2 * (0.25 + 0.75 * t.tokens / m.impact_mean)))
    FROM reference_texts t CROSS JOIN reference_text_totals m CROSS JOIN LATERAL unnest(t.content_tsv) u
    JOIN asked a ON a.word = u.lexeme CROSS JOIN LATERAL (SELECT cardinality(u.positions)::float8 AS times) n
    WHERE t.tokens <= 4000 AND EXISTS (
        SELECT FROM reference_records r WHERE r.content_hash = t.content_hash
          AND (%(category)s::text IS NULL OR r.category = %(category)s))
      AND (%(phrase)s::tsquery IS NULL OR t.content_tsv @@ %(phrase)s::tsquery)
    GROUP BY t.content_hash ORDER BY 2 DESC"""
"""The formula over every text and its words."""

CANDIDATES = """
    SELECT unnest(reference_text_candidates(%(words)s::text[], %(weights)s::float8[],
        ROW (NULL, CASE WHEN %(category)s::text IS NOT NULL THEN ARRAY[lower(%(category)s::text)] END,
             NULL, NULL, NULL, %(phrase)s::tsquery)::reference_filters, %(wanted)s))"""

INSERTS = (
    """INSERT INTO reference_documents
        (id, source, source_id, title, raw_text, licence, attribution, url, content_hash)
    SELECT gen_random_uuid(), 'x', 'x', 'x', 'x', '', '', '', sha256('x') ON CONFLICT DO NOTHING""",
    """INSERT INTO reference_texts (content_hash, content, tokens)
    SELECT sha256(convert_to(t, 'utf8')), t, cardinality(string_to_array(t, ' '))
    FROM unnest(%(texts)s::text[]) t""",
    """INSERT INTO reference_records (id, document_id, content_hash, source, source_id, granularity, category)
    SELECT gen_random_uuid(), d.id, sha256(convert_to(t, 'utf8')), 'x', md5(t), 'clause',
           CASE WHEN length(t) %% 5 = 0 THEN 'Fifth' ELSE 'Other' END
    FROM unnest(%(texts)s::text[]) t, reference_documents d""",
)


def word(rank: int) -> str:
    return "w" + "".join(chr(ord("a") + int(digit)) for digit in f"{rank:04}")


def zipfian(draw: random.Random, count: int, words: int = 3_000) -> list[str]:
    """Texts of 3 to 200 words, the r-th word as frequent as 1/r."""
    weights = [1 / rank for rank in range(1, words + 1)]
    names = [word(rank) for rank in range(words)]
    lengths = [min(200, 3 + int(draw.expovariate(1 / 25))) for _ in range(count)]
    return list({" ".join(draw.choices(names, weights, k=length)) for length in lengths})


def fill(database: Database, texts: list[str]) -> None:
    with database.connection() as connection:
        for insert in INSERTS:
            connection.execute(insert, {"texts": texts})
    settlement.settle(database)


def differences(connection: Connection, wanted: int, **asked: Any) -> list[tuple[int, float, float]]:
    """Where the scores of the candidates are not those of the best by the formula."""
    parameters = {"category": None, "phrase": None, "wanted": wanted} | asked
    scores = {bytes(digest): score for digest, score in connection.execute(BM25, parameters)}
    chosen = [scores.get(bytes(digest), 0.0) for (digest,) in connection.execute(CANDIDATES, parameters)]
    best = sorted(scores.values(), reverse=True)[:wanted]
    assert len(chosen) == len(best)
    pairs = zip(sorted(chosen, reverse=True), best, strict=True)
    return [
        (place, one, other) for place, (one, other) in enumerate(pairs) if one != pytest.approx(other, rel=1e-5)
    ]


def questions(draw: random.Random) -> list[dict[str, Any]]:
    """Rare words, frequent words, both, as many as a page has; filters and a phrase."""
    ranks = [[900, 1_700], [0, 1, 2], [0, 30, 400], [*range(0, 64)], [*range(5, 320, 5)], [2_999, 0]]
    made = [
        {"words": [word(rank) for rank in some], "weights": [draw.uniform(0.2, 9) for _ in some]} for some in ranks
    ]
    return [
        *made,
        *({**one, "category": "Fifth"} for one in made),
        made[2] | {"phrase": f"{word(0)} <-> {word(1)}"},
    ]


@pytest.mark.parametrize("seed", range(2))
def test_the_lists_give_the_same_texts_as_a_score_of_every_text(database: Database, seed: int) -> None:
    draw = random.Random(seed)
    texts = zipfian(draw, 6_000)
    fill(database, texts[:3_500])
    postings.build(database)
    fill(database, texts[3_500:5_800])
    postings.build(database)
    fill(database, texts[5_800:])
    with database.connection() as connection:
        connection.execute("DELETE FROM reference_records WHERE random() < 0.1")
    with database.connection() as connection:
        for asked in questions(draw):
            for wanted in (10, 100):
                assert differences(connection, wanted, **asked) == [], asked


def test_of_longer_lists_their_tops_are_read_and_the_words_that_tell_are_found(database: Database) -> None:
    draw = random.Random(3)
    frequent = [word(rank) for rank in range(16)]
    texts = [*{" ".join(draw.choices(frequent, k=draw.randint(2, 12))) for _ in range(14_000)}]
    telling = [f"{' '.join(draw.choices(frequent, k=8))} {word(900)} {number}" for number in range(5)]
    fill(database, [*texts, *telling])
    postings.build(database)
    query = "SELECT words, weights FROM reference_question(%s, NULL, 0)"
    with database.connection() as connection:
        [blocks] = connection.execute("SELECT count(*) FROM reference_postings").fetchone() or (0,)
        [words, weights] = connection.execute(query, (" ".join([*frequent, word(900)]),)).fetchone() or ([], [])
        asked = {"words": words, "weights": weights, "category": None, "phrase": None, "wanted": 10}
        best = [bytes(row[0]) for row in connection.execute(BM25, asked).fetchmany(10)]
        chosen = [bytes(digest) for (digest,) in connection.execute(CANDIDATES, asked)]
    assert blocks > 2 * 8 * len(words)  # so most of them stay unread
    assert chosen[:5] == best[:5]


def test_where_few_of_the_first_texts_of_a_list_pass_a_filter_it_is_read_on(database: Database) -> None:
    short = [f"{word(0)} {word(1)} {number}" for number in range(25_000)]
    rest = [f"{word(0)} {word(1)} {'of what all have most ' * 9} {number}" for number in range(1_100)]
    fill(database, [*short, *rest])
    postings.build(database)
    with database.connection() as connection:
        connection.execute(
            "UPDATE reference_records SET category = CASE WHEN content_hash = ANY (%s) THEN 'Few' ELSE 'Most' END",
            ([content_hash(text) for text in rest],),
        )
        asked = {"words": [word(0), word(1)], "weights": [1.0, 1.0], "category": "Few"}
        assert differences(connection, 100, **asked) == []


def test_who_asks_for_more_candidates_has_more_of_the_lists_read(database: Database) -> None:
    short = [f"{word(0)} {number}" for number in range(21_000)]
    best = [
        f"{word(0)} {word(1)} {number} of more words" for number in range(300)
    ]  # each word adds less, both add more
    fill(database, [*short, *best])
    postings.build(database)
    asked = {"words": [word(0), word(1)], "weights": [1.0, 1.0]}
    with database.connection() as connection:
        assert len(differences(connection, 100, **asked)) == 100
        assert differences(connection, 400, **asked) == []


def test_the_lists_of_real_contracts_give_the_same_texts(corpus: Corpus) -> None:
    if not (SHARED / "contract_nli").is_dir():
        pytest.skip("there is no ../shared/data")

    source = registry.get_source("contract_nli")
    settings = corpus.settings.model_copy(update={"data": str(SHARED)})
    pipeline.load(replace(corpus, settings=settings), source, locate.fetch(settings, source))
    postings.build(corpus.database)
    asked = [
        *("receiving party shall return or destroy confidential information", "employees need to know"),
        *("Some obligations may survive termination of the agreement", "governing law of Delaware"),
    ]
    with corpus.database.connection() as connection:
        for text in asked:
            row = connection.execute("SELECT words, weights FROM reference_question(%s, NULL)", (text,)).fetchone()
            assert row
            assert differences(connection, 100, words=row[0], weights=row[1]) == [], text


def segment(number: int, texts: int) -> Segment:
    return Segment(number, 0, 0, texts)


def test_a_segment_takes_in_those_that_are_not_much_larger() -> None:
    large, middle, small = segment(1, 100_000), segment(2, 9_000), segment(3, 2_000)
    assert mergers([large, middle, small], 2_000) == [small]
    assert mergers([large, middle, small], 4_000) == [middle, small]
    assert mergers([large, middle, small], 50_000) == [large, middle, small]
    assert mergers([], 10) == []


def test_a_few_new_texts_change_no_list(database: Database) -> None:
    texts = zipfian(random.Random(3), 300)
    fill(database, texts[:200])
    postings.build(database)
    lists = "SELECT md5(string_agg(p::text, '' ORDER BY p::text)) FROM reference_postings p"
    with database.connection() as connection:
        before = connection.execute(lists).fetchall()
    fill(database, texts[200:203])
    postings.build(database)
    with database.connection() as connection:
        assert connection.execute(lists).fetchall() == before


def test_of_a_tenant_that_is_removed_no_word_stays_in_the_lists(corpus: Corpus) -> None:
    add_tenant(corpus, "gone")
    put(corpus, "gone", "secret.txt", b"The zyxquokka clause caps liability.\n\nIt is a zyxquokka.")
    stages.process(corpus, "gone")
    postings.build(corpus.database)
    words = "SELECT count(*) FROM reference_postings WHERE lexeme = 'zyxquokka'"
    assert rows(corpus, words)[0][0] > 0
    removal.remove_tenant(corpus.database, "gone")
    assert rows(corpus, words) == [(0,)]


@pytest.mark.parametrize(("field", "value"), [("category", "cap"), ("nli_label", "entailment")])
def test_few_texts_of_a_filter_are_found_by_an_index(database: Database, field: str, value: str) -> None:
    place = "NULL, ARRAY[%(value)s], NULL, NULL" if field == "category" else "NULL, NULL, NULL, ARRAY[%(value)s]"
    plan = f"""EXPLAIN SELECT r.content_hash FROM reference_records r WHERE reference_passes(
        r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id,
        ROW ({place}, NULL, NULL)::reference_filters) LIMIT 1001"""
    with database.connection() as connection:
        connection.execute("SET enable_seqscan = off")
        lines = [row[0] for row in connection.execute(plan.encode(), {"value": value})]
    assert any(f"reference_records_{field}" in line for line in lines), lines
