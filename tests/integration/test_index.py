"""The index: built after the load, kept while it is good, replaced without a gap; promotion."""

import threading
from dataclasses import replace

import numpy as np

from bootstrap_assets import pipeline
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.search import index, promotion
from bootstrap_assets.search.index import build_memory_mb
from tests.integration.test_fill import column, load
from tests.made_up_source import MADE_UP, contracts
from tests.prepared import local_space


def filled(corpus: Corpus, documents: int = 20) -> Corpus:
    load(corpus, contracts(documents))
    pipeline.embed(corpus, MADE_UP)
    return corpus


HNSW = "SELECT indexname || ' ' || indexdef FROM pg_indexes WHERE indexdef LIKE '%hnsw%' ORDER BY 1"


def test_the_first_build_makes_a_valid_index_and_promotes_the_space(corpus: Corpus) -> None:
    indexed = pipeline.build_index(filled(corpus))
    assert (indexed.action, indexed.vectors, indexed.promoted) == ("built", 80, True)
    [definition] = column(corpus, HNSW)
    assert "vector_cosine_ops" in str(definition)
    assert "m='16', ef_construction='64'" in str(definition)
    with corpus.database.connection() as connection:
        assert index.state(connection) == {"exists": True, "valid": True}
    assert column(corpus, "SELECT count(*) FROM reference_embeddings") == [80]


def test_before_the_first_build_nothing_is_shown(corpus: Corpus) -> None:
    filled(corpus)
    assert column(corpus, "SELECT count(*) FROM reference_embeddings") == [0]
    with corpus.database.connection() as connection:
        assert index.state(connection) == {"exists": False, "valid": False}


def test_a_good_index_is_kept(corpus: Corpus) -> None:
    pipeline.build_index(filled(corpus))
    before = column(corpus, "SELECT indexrelid::text FROM pg_index WHERE indrelid = 'VECTORS'::regclass")
    assert pipeline.build_index(corpus).action == "kept"
    after = column(corpus, "SELECT indexrelid::text FROM pg_index WHERE indrelid = 'VECTORS'::regclass")
    assert after == before


def test_an_index_over_far_fewer_vectors_is_built_anew(corpus: Corpus) -> None:
    pipeline.build_index(filled(corpus))
    assert pipeline.build_index(filled(corpus, 40)).action == "built"
    assert len(column(corpus, HNSW)) == 1


def test_an_invalid_index_is_replaced(corpus: Corpus) -> None:
    pipeline.build_index(filled(corpus))
    with corpus.database.connection() as connection:
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN (SELECT c.oid FROM pg_class c "
            "JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'hnsw')"
        )
        assert index.state(connection) == {"exists": True, "valid": False}
    assert pipeline.build_index(corpus).action == "built"
    with corpus.database.connection() as connection:
        assert index.state(connection) == {"exists": True, "valid": True}
    assert len(column(corpus, HNSW)) == 1


def test_an_index_with_other_parameters_is_replaced(corpus: Corpus) -> None:
    filled(corpus)
    with corpus.database.connection() as connection:
        connection.execute(
            f"CREATE INDEX by_hand ON {corpus.space.table} USING hnsw (embedding vector_cosine_ops) WITH (m = 4)"
        )
    assert pipeline.build_index(corpus).action == "built"
    [definition] = column(corpus, HNSW)
    assert "m='16'" in str(definition)


def test_while_an_index_is_replaced_there_is_always_a_valid_one(corpus: Corpus) -> None:
    pipeline.build_index(filled(corpus, 300))
    valid = """SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
               JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'hnsw' AND i.indisvalid"""
    rebuild = threading.Thread(target=pipeline.build_index, args=(corpus,), kwargs={"rebuild": True})
    rebuild.start()
    seen = {column(corpus, valid)[0]}
    while rebuild.is_alive():
        seen.add(column(corpus, valid)[0])
    assert 0 not in seen
    assert column(corpus, valid) == [1]


def test_the_index_answers_the_search_of_the_view(corpus: Corpus) -> None:
    pipeline.build_index(filled(corpus, 300))
    with corpus.database.connection() as connection:
        connection.execute("SET LOCAL enable_seqscan = off")
        plan = connection.execute(
            "EXPLAIN SELECT id FROM reference_embeddings ORDER BY embedding <=> %s LIMIT 5",
            (np.ones(1024, np.float32),),
        ).fetchall()
    assert "_hnsw" in str(plan)


def test_a_space_that_does_not_cover_the_corpus_is_not_ready(corpus: Corpus) -> None:
    pipeline.build_index(filled(corpus))
    other = local_space(corpus)
    pipeline.embed(other, MADE_UP, batches=[1, 2, 3])
    indexed = pipeline.build_index(other)
    assert (indexed.promoted, indexed.ready) == (False, False)
    assert indexed.uncovered > 0
    assert column(corpus, "SELECT DISTINCT vector_dims(embedding) FROM reference_embeddings") == [1024]


def test_a_new_space_that_covers_the_corpus_is_ready_and_takes_over_when_it_is_promoted(corpus: Corpus) -> None:
    pipeline.build_index(filled(corpus))
    other = local_space(corpus)
    pipeline.embed(other, MADE_UP)
    indexed = pipeline.build_index(other)
    assert (indexed.promoted, indexed.ready, indexed.number) == (False, True, other.space.id)
    assert column(corpus, "SELECT DISTINCT vector_dims(embedding) FROM reference_embeddings") == [1024]
    with promotion.deciding(corpus.settings) as connection:
        promotion.promote(connection, indexed.number)
    assert column(corpus, "SELECT DISTINCT vector_dims(embedding) FROM reference_embeddings") == [256]
    assert column(corpus, "SELECT state FROM embedding_spaces ORDER BY id") == ["retired", "active"]
    with corpus.database.connection() as connection:
        active = spaces.active(connection)
    assert active
    assert active == replace(other.space, state="active")


def test_an_empty_corpus_can_be_indexed(corpus: Corpus) -> None:
    assert pipeline.build_index(corpus).vectors == 0


def test_the_build_gets_memory_for_the_whole_graph() -> None:
    assert build_memory_mb(0, 1024) == 64
    assert 100 < build_memory_mb(20_400, 1024) < 200
    assert build_memory_mb(100_000_000, 1024) == 4096
