"""A space that is not searched yet can be, and be measured; its vectors are of its type, its weights its own."""

import json
from collections.abc import Callable
from dataclasses import asdict

import psycopg
import pytest
from click.testing import Result

from bootstrap_assets import pipeline
from bootstrap_assets.database.connection import connect
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.spaces import table_of
from bootstrap_assets.errors import ConfigurationError, SpaceError
from bootstrap_assets.evaluation.ann import curve
from bootstrap_assets.evaluation.evaluation import evaluate
from bootstrap_assets.search import promotion
from bootstrap_assets.search.query import search
from bootstrap_assets.search.recall import measure_recall
from tests.conftest import open_for_test
from tests.integration.test_evaluation import filled as labelled
from tests.integration.test_fill import column
from tests.integration.test_index import filled, local_space
from tests.integration.test_promotion import both_filled, both_ready, promote, rollback, states
from tests.integration.test_spaces import command  # noqa: F401
from tests.made_up_source import MADE_UP

QUERY = "what party 7 must do"


def scores(corpus: Corpus, **options: object) -> list[float | None]:
    return [hit.vector_score for hit in search(corpus.database, corpus.settings, QUERY, **options)]  # type: ignore[arg-type]


def half(corpus: Corpus) -> Corpus:
    """The same corpus with a space of the local model's vectors, of the type halfvec."""
    settings = corpus.settings.model_copy(update={"embedder": "local", "element_type": "halfvec"})
    return open_for_test(settings, corpus.database)


def half_ready(corpus: Corpus) -> Corpus:
    other = half(both_ready(corpus))
    pipeline.embed(other, MADE_UP)
    assert pipeline.build_index(other).ready
    return other


def test_a_candidate_gives_the_hits_that_it_gives_once_it_is_searched(corpus: Corpus) -> None:
    other = both_ready(corpus)
    before, candidate = scores(corpus), scores(corpus, space=other.space.id)
    assert scores(corpus, space=corpus.space.id) == before != candidate
    promote(other)
    assert (scores(corpus), scores(corpus, space=corpus.space.id)) == (candidate, before)


def test_the_command_searches_a_candidate(corpus: Corpus, command: Callable[..., Result]) -> None:  # noqa: F811
    other = both_ready(corpus)
    answer = json.loads(command("search", QUERY, "--space", str(other.space.id), "--json").stdout)
    expected = search(corpus.database, corpus.settings, QUERY, k=5, space=other.space.id)
    assert answer["results"] == json.loads(json.dumps([asdict(hit) for hit in expected], default=str))


def test_a_space_that_cannot_be_searched_is_refused(corpus: Corpus) -> None:
    other = both_filled(corpus)
    for options in ({}, {"mode": "text"}):
        with pytest.raises(SpaceError, match="has no valid index, and cannot be searched"):
            scores(corpus, space=other.space.id, **options)
        with pytest.raises(SpaceError, match="there is no space 77"):
            scores(corpus, space=77, **options)
    for number, refusal in ((77, "there is no space 77"), (other.space.id, "has no valid index")):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match=refusal):
            column(corpus, f"SELECT content FROM search_reference('party', NULL, space => {number})")
    with promotion.deciding(corpus.settings) as connection:
        promotion.drop(connection, other.space.id)
    with pytest.raises(SpaceError, match="there is no space"):
        scores(corpus, space=other.space.id)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="there is no space"):
        column(corpus, f"SELECT content FROM search_reference('party', NULL, space => {other.space.id})")


def test_a_space_s_own_weights_hold_where_a_search_gives_none(corpus: Corpus) -> None:
    other = both_ready(corpus)
    query = (
        "SELECT array_agg(score ORDER BY rank) FROM search_reference('party 7', (SELECT embedding FROM "
        f"{other.space.table} ORDER BY content_hash LIMIT 1), fold => false, space => {other.space.id} %s)"
    )
    plain, chosen = column(corpus, query % ""), column(corpus, query % ", vector_weight => 5, context => 0")
    assert plain != chosen
    with corpus.database.connection() as connection:
        change = "UPDATE embedding_spaces SET vector_weight = 5, context = 0 WHERE id = %s"
        connection.execute(change, (other.space.id,))
    assert column(corpus, query % "") == chosen
    assert column(corpus, query % ", vector_weight => 1, context => 0.5") == plain


def test_a_candidate_is_measured_and_never_the_baseline(
    corpus: Corpus,
    command: Callable[..., Result],  # noqa: F811
) -> None:
    local = labelled(local_space(corpus))
    evaluate(local.database, local.settings)
    before = column(corpus, "SELECT quality FROM embedding_spaces WHERE state = 'active'")
    baseline = column(corpus, "SELECT measured_at FROM evaluation_baseline")
    other = half(local)
    for name in ("contract_nli", "cuad"):
        pipeline.embed(other, pipeline.SOURCES[name])
    assert pipeline.build_index(other).ready
    answer = command("spaces", "evaluate", str(other.space.id), "--json")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["space"] == other.space.name
    listed = {space["id"]: space for space in json.loads(command("spaces", "list", "--json").stdout)}
    assert listed[other.space.id]["quality"]["space"] == other.space.name
    assert listed[other.space.id]["quality"]["whole_searches"]["differ"] == 0
    assert column(corpus, "SELECT quality FROM embedding_spaces WHERE state = 'active'") == before
    assert column(corpus, "SELECT measured_at FROM evaluation_baseline") == baseline
    with corpus.database.connection() as connection:
        connection.execute("DELETE FROM evaluation_baseline")
    evaluate(local.database, local.settings, space=other.space.id)
    assert column(corpus, "SELECT count(*) FROM evaluation_baseline") == [0]
    assert states(corpus)[-2:] == ["active", "ready"]


def test_halfvec_is_searched_by_its_index_as_vector_is(corpus: Corpus) -> None:
    other = half_ready(corpus)
    assert other.space.table == table_of(*other.space.key)
    assert other.space.table.endswith("_256_half")
    for step, kind in (
        (lambda: None, "vector"),
        (lambda: promote(other), "halfvec"),
        (lambda: rollback(corpus), "vector"),
    ):
        step()
        assert column(corpus, "SELECT DISTINCT pg_typeof(embedding)::text FROM reference_embeddings") == [kind]
        with connect(corpus.database.url) as connection:
            connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
            dimensions = 256 if kind == "halfvec" else 1024
            for view in ("reference_embeddings", "reference_vectors"):
                plan = connection.execute(
                    f"EXPLAIN SELECT content_hash FROM {view} ORDER BY embedding <=> "  # type: ignore[arg-type]
                    "array_fill(%s::real, ARRAY[%s])::vector LIMIT 5",
                    (1.0, dimensions),
                ).fetchall()
                assert any("Index Scan using" in line and "hnsw" in line for (line,) in plan), plan


def test_a_search_of_halfvec_walks_its_index(corpus: Corpus) -> None:
    """The graph is what reference_nearest reads: the counter of its index rises."""
    other = half_ready(corpus)
    scans = (
        "SELECT sum(idx_scan) FROM pg_stat_user_indexes "
        f"WHERE relname = '{other.space.table}' AND indexrelname LIKE '%hnsw%'"
    )
    with connect(corpus.database.url) as connection:
        connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        connection.execute(
            "SELECT reference_nearest(%s::regclass, array_fill(1::real, ARRAY[256])::vector, NULL, 5)",
            (other.space.table,),
        )
        connection.execute("SELECT pg_stat_force_next_flush()")
    [count] = column(corpus, scans)
    assert count


def test_halfvec_is_as_near_as_vector_and_its_recall_is_measured(corpus: Corpus) -> None:
    other = half_ready(corpus)
    promote(other)
    assert corpus.database.transact(lambda one: measure_recall(one, other.space)).mean > 0.95
    assert curve(corpus.database, other.space, queries=20).operating_point.recall_10 > 0.95
    [whole] = [
        one for one in corpus.database.transact(spaces.every) if one.key == (*other.space.key[:3], "vector")
    ]
    near = zip(scores(corpus), scores(corpus, space=whole.id), strict=True)
    assert all(one == pytest.approx(two, abs=0.002) for one, two in near)


def test_a_promotion_to_another_type_keeps_grants_and_comments(corpus: Corpus) -> None:
    other = half_ready(corpus)
    granted = (
        "SELECT string_agg(relacl::text || obj_description(oid) || col_description(oid, 1), '|' ORDER BY relname) "
        "FROM pg_class WHERE relname IN ('reference_embeddings', 'reference_vectors')"
    )
    with corpus.database.connection() as connection:
        connection.execute("GRANT SELECT ON reference_embeddings, reference_vectors TO PUBLIC")
    before = column(corpus, granted)
    assert before != [None]
    promote(other)
    assert column(corpus, granted) == before


def test_views_of_somebody_else_keep_the_type_and_nothing_changes(corpus: Corpus) -> None:
    other = half_ready(corpus)
    with corpus.database.connection() as connection:
        connection.execute("CREATE VIEW somebodys AS SELECT id FROM reference_embeddings")
    with pytest.raises(SpaceError, match=r"drop those first .*somebodys"):
        promote(other)
    assert states(corpus)[0] == "active"


def test_more_than_two_thousand_dimensions_take_halfvec(corpus: Corpus) -> None:
    def make(dimensions: int, element_type: str) -> spaces.Space:
        return corpus.database.transact(
            lambda one: spaces.ensure(one, "somebody", "m", dimensions, element_type=element_type)  # type: ignore[arg-type]
        )

    with pytest.raises(ConfigurationError, match=r"1 to 2000 of the type vector.*BOOTSTRAP_ELEMENT_TYPE=halfvec"):
        make(2001, "vector")
    with pytest.raises(ConfigurationError, match="1 to 4000 of the type halfvec"):
        make(4001, "halfvec")
    space = make(4000, "halfvec")
    with corpus.database.connection() as connection:
        connection.execute(f"CREATE INDEX ON {space.table} USING hnsw (embedding halfvec_cosine_ops)")  # type: ignore[arg-type]


def test_a_phrase_that_every_text_holds_takes_no_list_of_them(corpus: Corpus) -> None:
    """The filters hold the phrase, not the texts; hits are the same by vector, by text and by label."""
    pipeline.build_index(filled(corpus))
    kinds = column(
        corpus, "SELECT atttypid::regtype::text FROM pg_attribute WHERE attrelid = 'reference_filters'::regclass"
    )
    assert "bytea[]" not in kinds
    assert "tsquery" in kinds
    for mode in ("hybrid", "text"):
        hits = search(corpus.database, corpus.settings, 'what "party 7" must do', mode=mode)  # type: ignore[arg-type]
        assert hits
        assert all("party 7" in hit.content.lower() for hit in hits)
