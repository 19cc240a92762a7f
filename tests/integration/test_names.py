"""No statement and no function of ours touches what is the user's own and only called like something of ours."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import bootstrap_assets
from bootstrap_assets import pipeline
from bootstrap_assets.corpus.settlement import is_settled
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Database, connect
from bootstrap_assets.database.statements import statements_in
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.status import describe_corpus
from bootstrap_assets.evaluation.labels import Span
from bootstrap_assets.evaluation.shadow import shadow
from tests.conftest import open_for_test
from tests.integration.test_fill import column, load
from tests.made_up_source import MADE_UP, contracts

STAGES = ("stage_documents", "stage_texts", "stage_records", "stage_vectors")
SHADOWS = ("evaluation_spans", "evaluation_texts", "evaluation_nearby")

LOOKED_UP_BY_THE_CALLER = {
    "reference_fold",
    "reference_label_scores",
    "reference_labelled_texts",
    "reference_few_texts",
    "reference_question",
    "reference_rank",
    "reference_text_candidates",
    "reference_text_scores",
    "reference_space",
    "reference_nearest",
    "reference_vector_scores",
    "reference_mean_vector",
    "reference_label_of",
    "reference_likely_texts",
    "reference_likelihoods",
}
"""What `search_reference` calls, under its own search_path; the evaluation has its own tables found by them."""


def test_no_function_of_ours_means_something_else_under_the_callers_search_path(database: Database) -> None:
    """Its body was bound when it was made (prosqlbody), or the function has a search_path of its own."""
    with database.connection() as connection:
        found = connection.execute("""
            SELECT proname FROM pg_proc p
            WHERE pronamespace = current_schema()::regnamespace AND prosqlbody IS NULL
              AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
              AND NOT EXISTS (SELECT FROM unnest(proconfig) c WHERE starts_with(c, 'search_path='))
        """).fetchall()
    assert {name for (name,) in found} <= LOOKED_UP_BY_THE_CALLER


def every_statement() -> Iterator[tuple[str, str]]:
    for file in Path(bootstrap_assets.__file__).parent.glob("*/statements.sql"):
        yield from statements_in(f"bootstrap_assets.{file.parent.name}").items()


@pytest.mark.parametrize("table", [*STAGES, *SHADOWS])
def test_every_temporary_table_is_named_as_one(table: str) -> None:
    for name, statement in every_statement():
        told = [line for line in statement.splitlines() if not line.startswith("--")]
        assert "\n".join(told).replace(f"pg_temp.{table}", "").count(table) == 0, name


@pytest.mark.parametrize("kind", ["TABLE {} AS SELECT 'mine' AS own", "VIEW {} AS SELECT 'mine' AS own"])
def test_a_load_leaves_the_users_own_tables_of_the_same_names_alone(corpus: Corpus, kind: str) -> None:
    with corpus.database.connection() as connection:
        for name in (*STAGES, *SHADOWS):
            connection.execute(f"CREATE {kind.format(name)}")
    load(corpus, contracts(20))
    pipeline.embed(corpus, MADE_UP)
    pipeline.build_index(corpus)
    with shadow(corpus.database, corpus.space, [span(corpus)]) as connection:
        assert connection.execute("SELECT count(*) FROM pg_temp.reference_records").fetchone() == (1,)
    for name in (*STAGES, *SHADOWS):
        assert column(corpus, f"SELECT own FROM {name}") == ["mine"]


def span(corpus: Corpus) -> Span:
    [row] = corpus.database.transact(
        lambda connection: connection.execute(
            "SELECT document_id, source_id, content_hash FROM reference_records WHERE char_start > 0 LIMIT 1"
        ).fetchall()
    )
    return Span(row[0], row[1], 0, 6, "a span", row[2])


OURS = ("reference_texts", "reference_records", "reference_lexemes", "bootstrap_progress", "embedding_spaces")


@pytest.fixture
def namesakes(database_url: str) -> Callable[[], list[object]]:
    """Tables called like ours in a schema that comes first for everyone; gives what is in them now."""
    with connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA theirs")
        for name in OURS:
            connection.execute(f"CREATE TABLE theirs.{name} AS SELECT 'mine' AS own")
        connection.execute("CREATE FUNCTION theirs.reference_batch(bytea, integer) RETURNS integer RETURN -1")
        [name] = connection.execute("SELECT current_database()").fetchone() or ("",)
        connection.execute(f"ALTER DATABASE {name} SET search_path = theirs, public")

    def left() -> list[object]:
        with connect(database_url) as connection:
            return [connection.execute(f"SELECT own FROM theirs.{name}").fetchone() for name in OURS]

    return left


def test_a_schema_that_comes_first_in_the_search_path_is_left_alone(
    namesakes: Callable[[], list[object]], corpus: Corpus
) -> None:
    with Database(corpus.database.url) as database:
        again = open_for_test(corpus.settings, database)
        load(again, contracts(20))
        assert pipeline.embed(again, MADE_UP).embedded_records == 80
        assert pipeline.build_index(again).promoted
        with database.connection() as connection:
            assert is_settled(connection)
            assert describe_corpus(connection)["sources"]["made_up"]["status"] == "completed"
            assert connection.execute("SELECT current_schema()").fetchone() == ("public",)
    assert namesakes() == [("mine",)] * len(OURS)


def test_going_down_drops_our_tables_and_not_their_namesakes(
    namesakes: Callable[[], list[object]], database_url: str
) -> None:
    schema.downgrade(database_url, "base")
    assert namesakes() == [("mine",)] * len(OURS)


def test_a_function_called_under_a_bare_search_path_reads_our_tables(corpus: Corpus) -> None:
    load(corpus, contracts(3))
    with corpus.database.connection() as connection:
        connection.execute("SET LOCAL search_path = pg_catalog")
        connection.execute("CREATE TEMP TABLE reference_texts (created_at timestamptz) ON COMMIT DROP")
        assert connection.execute("SELECT records FROM public.bootstrap_stored('made_up')").fetchone() == (12,)
        [version] = connection.execute("SELECT public.reference_corpus_version()").fetchone() or ("",)
    assert version.startswith("12 ")


def test_a_table_that_is_called_like_that_of_a_new_space_is_not_taken_for_it(database: Database) -> None:
    with database.connection() as connection:
        connection.execute(
            "CREATE TABLE reference_vectors_local_model_8 (content_hash bytea, embedding vector(8))"
        )
    with pytest.raises(schema.SchemaError, match="reference_vectors_local_model_8"):
        database.transact(lambda connection: spaces.ensure(connection, "local", "model", 8))
