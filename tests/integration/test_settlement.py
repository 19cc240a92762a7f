"""Words and orphans follow each load by the difference, and loads of different scopes keep none waiting."""

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import psycopg
import pytest

from bootstrap_assets import pipeline
from bootstrap_assets.corpus import load as corpus_store
from bootstrap_assets.corpus import settlement
from bootstrap_assets.corpus.scope import Scope
from bootstrap_assets.database.connection import Connection, connect
from bootstrap_assets.embedding import parts
from bootstrap_assets.embedding.context import Corpus
from tests.integration.test_corpus import parsed
from tests.integration.test_fill import column, in_parallel, load
from tests.made_up_source import MADE_UP, contracts, parsed_document

WORDS = "SELECT lexeme, texts FROM reference_lexemes ORDER BY lexeme"

WORDS_ANEW = """SELECT word, ndoc FROM ts_stat($$
    SELECT content_tsv FROM reference_texts t WHERE EXISTS (
        SELECT FROM reference_records r WHERE r.content_hash = t.content_hash
          AND r.granularity NOT IN ('document', 'template'))$$) ORDER BY word"""

TOTALS = "SELECT texts, tokens FROM reference_text_totals"

TOTALS_ANEW = """SELECT count(*)::int, coalesce(sum(tokens), 0)::bigint FROM reference_texts t WHERE EXISTS (
    SELECT FROM reference_records r WHERE r.content_hash = t.content_hash
      AND r.granularity NOT IN ('document', 'template'))"""

PILES = "SELECT content_hash, pile FROM reference_text_words ORDER BY 1, 2"

PILES_ANEW = """SELECT DISTINCT content_hash, CASE WHEN tokens > 4000 THEN '/long' ELSE '' END
    FROM reference_records JOIN reference_texts USING (content_hash) ORDER BY 1, 2"""

CHANGES_ANEW = """SELECT count(*) || ' ' || coalesce(
    bit_xor(('x' || left(encode(content_hash, 'hex'), 16))::bit(64)::bigint), 0) FROM reference_texts"""

ORPHANS = """SELECT count(*) FROM reference_texts t
    WHERE NOT EXISTS (SELECT FROM reference_records r WHERE r.content_hash = t.content_hash)
      AND NOT EXISTS (SELECT FROM reference_text_parts p WHERE p.part_hash = t.content_hash)"""

LONG = "\n\n".join(f"Paragraph {n} of it tells of the zeppelin and of its {n} gondolas." * 4 for n in range(200))


def rows(corpus: Corpus, query: str) -> list[tuple[Any, ...]]:
    with corpus.database.connection() as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]


def agrees(corpus: Corpus) -> None:
    """What is kept is what counting all of it gives."""
    assert rows(corpus, WORDS) == rows(corpus, WORDS_ANEW)
    assert rows(corpus, TOTALS) == rows(corpus, TOTALS_ANEW)
    assert rows(corpus, PILES) == rows(corpus, PILES_ANEW)
    assert rows(corpus, "SELECT reference_corpus_version()") == rows(corpus, CHANGES_ANEW)
    assert rows(corpus, ORPHANS) == [(0,)]


@contextmanager
def loading(
    url: str, source: str, documents: dict[str, dict[str, str]], only: str | None = None
) -> Iterator[Connection]:
    """A load whose transaction is open: of a whole source, or of the document `only`. Committed by the caller."""
    with closing(connect(url)) as connection:
        connection.execute("SET statement_timeout = '10s'")
        scope = Scope(source, None if only is None else (only,))
        corpus_store.load(connection, parsed(documents, source), scope, allow_deletes=True)
        yield connection


@pytest.mark.parametrize("seed", range(3))
def test_after_any_loads_and_deletes_the_words_are_those_of_a_count_of_all(corpus: Corpus, seed: int) -> None:
    draw = random.Random(seed)
    phrases = [f"The {noun} is {verb}." for noun in ("cap", "fee", "law") for verb in ("set", "due", "moot")]
    phrases.append(LONG)
    for _ in range(12):
        chosen = draw.sample(range(8), draw.randint(1, 3))
        documents = [
            parsed_document("made_up", f"D{number}", {f"C{n}": draw.choice(phrases) for n in range(3)})
            for number in chosen
        ]
        if draw.random() < 0.3:
            load(corpus, contracts(draw.randint(1, 4)))
        else:
            gone = [f"D{draw.randint(0, 7)}"] if draw.random() < 0.5 else []
            kept = [one for one in documents if one.document.source_id not in gone]
            pipeline.load_documents(corpus, "made_up", kept, removed=gone, allow_deletes=True)
        agrees(corpus)
    pipeline.load_documents(corpus, "made_up", [], removed=[f"D{n}" for n in range(8)], allow_deletes=True)
    load(corpus, {"Last": {"Cap": "Remains."}})
    agrees(corpus)
    assert ("remain", 1) in rows(corpus, WORDS)


def test_whatever_deletes_a_document_its_words_go_along(corpus: Corpus) -> None:
    load(corpus, contracts(3))
    with corpus.database.connection() as connection:
        connection.execute("DELETE FROM reference_documents WHERE title = 'Contract 1'")
    settlement.settle(corpus.database)
    agrees(corpus)


def test_what_was_cut_off_after_a_load_is_settled_with_the_next(corpus: Corpus) -> None:
    with loading(corpus.database.url, "made_up", contracts(3)) as load_cut_off:
        load_cut_off.commit()
    assert not corpus.database.transact(settlement.is_settled)
    load(corpus, contracts(4))
    assert corpus.database.transact(settlement.is_settled)
    agrees(corpus)


def test_the_first_settlement_goes_by_the_mean_length_of_all_texts_and_not_of_its_first_batch(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "AT_ONCE", 2)
    load(corpus, {f"Document {n}": {"Cap": "Both agree to this. " * n * n} for n in range(1, 9)})
    settlement.settle(corpus.database)
    [(by, of_now)] = rows(corpus, "SELECT impact_mean, mean_tokens FROM reference_text_totals")
    assert by == pytest.approx(of_now)


def test_what_a_large_load_leaves_is_settled_beside_its_embedding(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "AT_ONCE", 2)
    load(corpus, contracts(4))
    assert not corpus.database.transact(settlement.is_settled)
    assert pipeline.embed(corpus, MADE_UP).texts > 2
    assert corpus.database.transact(settlement.is_settled)
    agrees(corpus)


def test_an_error_beside_a_settlement_is_told_and_what_it_left_is_settled_later(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "AT_ONCE", 1)
    load(corpus, contracts(4))
    with pytest.raises(LookupError), settlement.beside(corpus.database):
        raise LookupError
    settlement.settle(corpus.database)
    agrees(corpus)


def test_a_long_text_takes_its_parts_along(corpus: Corpus) -> None:
    load(corpus, {"Long": {"Cap": LONG}, "Other": {"Cap": "Short."}})
    [(digest,)] = rows(corpus, "SELECT content_hash FROM reference_texts ORDER BY tokens DESC LIMIT 1")
    assert corpus.database.transact(partial(parts.cut, space=corpus.space, digest=digest, size=512))
    assert rows(corpus, "SELECT count(*) > 2 FROM reference_text_parts") == [(True,)]
    load(corpus, {"Other": {"Cap": "Short."}})
    assert rows(corpus, "SELECT count(*) FROM reference_text_parts") == [(0,)]
    agrees(corpus)


@pytest.mark.parametrize("text", ["A clause that all have.", LONG], ids=["a clause", "a long text"])
def test_a_load_keeps_none_of_another_source_waiting_though_they_share_texts(corpus: Corpus, text: str) -> None:
    url, shared = corpus.database.url, {"Cap": text}
    load(corpus, {"Old": shared})
    with (
        loading(url, "one", {"One": shared, "First": {"Law": "Of the first."}}) as first,
        loading(url, "two", {"Two": shared, "Second": {"Law": "Of the second."}}) as second,
    ):
        second.commit()
        first.commit()
    settlement.settle(corpus.database)
    agrees(corpus)


def test_two_documents_of_a_source_are_loaded_at_once(corpus: Corpus) -> None:
    load(corpus, contracts(2))
    url = corpus.database.url
    with (
        loading(url, "made_up", {"A": {"Cap": "One."}}, only="A") as first,
        loading(url, "made_up", {"B": {"Cap": "Two."}}, only="B") as second,
    ):
        second.commit()
        first.commit()
    assert len(column(corpus, "SELECT id FROM reference_documents")) == 4


def test_a_load_of_the_same_document_waits(corpus: Corpus) -> None:
    url = corpus.database.url
    with loading(url, "made_up", {"A": {"Cap": "One."}}, only="A"), closing(connect(url)) as second:
        second.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            corpus_store.load(second, parsed({"A": {"Cap": "Two."}}), Scope("made_up", ("A",)))


def test_a_text_that_one_load_gives_up_and_another_takes_up_stays(corpus: Corpus) -> None:
    load(corpus, {"Old": {"Cap": "Taken up."}})
    with loading(corpus.database.url, "other", {"New": {"Cap": "Taken up."}}) as other:
        load(corpus, {"Old": {"Cap": "Something else."}})
        other.commit()
    settlement.settle(corpus.database)
    agrees(corpus)
    assert rows(corpus, "SELECT count(*) FROM reference_texts WHERE content = 'Taken up.'") == [(1,)]


def test_a_text_whose_load_was_rolled_back_goes_with_the_next_settlement(corpus: Corpus) -> None:
    load(corpus, {"Old": {"Cap": "Given up."}})
    with loading(corpus.database.url, "other", {"New": {"Cap": "Given up."}}) as other:
        load(corpus, {"Old": {"Cap": "Something else."}})
        other.rollback()
    assert rows(corpus, ORPHANS) == [(1,)]
    settlement.settle(corpus.database)
    agrees(corpus)


def test_loads_that_bring_the_same_new_texts_do_not_deadlock(corpus: Corpus) -> None:
    url, texts = corpus.database.url, [f"A new clause, number {n}." for n in range(400)]

    def bring(source: str, order: list[str]) -> None:
        with loading(url, source, {source: {f"C{n}": text for n, text in enumerate(order)}}) as one:
            one.commit()

    errors = in_parallel(
        *(lambda s=f"s{n}": bring(s, random.Random(s).sample(texts, 400)) for n in range(4))  # type: ignore[misc]
    )
    assert errors == []
    settlement.settle(corpus.database)
    agrees(corpus)
