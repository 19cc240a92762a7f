"""The questions that checks ask of the corpus: right on a good corpus, naming what is wrong on a bad one."""

from uuid import uuid4

import numpy as np
import pytest

from bootstrap_assets import pipeline
from bootstrap_assets.corpus import checks, overview
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding import completeness, failures
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.versions import batch_versions
from bootstrap_assets.search import index
from bootstrap_assets.search.recall import MIN_RECALL, measure_recall
from tests.integration.test_fill import load
from tests.made_up_source import MADE_UP, contracts

SOURCE = MADE_UP.name
COUNT = 16


@pytest.fixture
def filled(corpus: Corpus) -> Corpus:
    """Six contracts with three clauses each: 24 records with their vectors."""
    load(corpus, contracts(6))
    pipeline.embed(corpus, MADE_UP)
    return corpus


def execute(corpus: Corpus, query: str, *parameters: object) -> None:
    with corpus.database.connection() as connection:
        connection.execute(query.replace("VECTORS", corpus.space.table), parameters)


def ids(connection: Connection) -> dict[object, str]:
    return dict(
        connection.execute(
            statements_of("bootstrap_assets.corpus")("stored_records"), {"source": SOURCE}
        ).fetchall()
    )


def test_a_good_corpus_passes_everything(filled: Corpus) -> None:
    pipeline.build_index(filled)
    with filled.database.connection() as connection:
        assert checks.lost(connection, SOURCE) == checks.Lost(24, 24)
        assert checks.lost(connection, SOURCE, ids(connection)).ok  # type: ignore[arg-type]
        assert completeness.coverage(connection, filled.space, SOURCE, count=COUNT) == completeness.Coverage(
            24, 24
        )
        assert completeness.insane(connection, filled.space, SOURCE) == {}
        assert completeness.errors(connection, filled.space, SOURCE).rate == 0
        assert checks.offsets(connection, SOURCE).wrong == ()
        assert index.index_state(connection, filled.space) == index.IndexState(True, True, 24, 0)


def test_a_record_that_vanished_after_the_load_is_lost(filled: Corpus) -> None:
    execute(
        filled, "DELETE FROM reference_records WHERE source_id = (SELECT min(source_id) FROM reference_records)"
    )
    with filled.database.connection() as connection:
        found = checks.lost(connection, SOURCE)
    assert (found.expected, found.stored, found.ok) == (24, 23, False)


@pytest.mark.parametrize(
    "damage",
    [
        "SET category = NULL WHERE category IS NOT NULL",
        "SET char_start = char_start + 1",
        "SET content_hash = (SELECT max(content_hash) FROM reference_records)",
        "SET section_path = 'elsewhere'",
    ],
)
def test_a_record_that_is_not_as_it_was_parsed_is_seen(filled: Corpus, damage: str) -> None:
    execute(filled, f"UPDATE reference_records {damage}")
    with filled.database.connection() as connection:
        found = checks.lost(connection, SOURCE)
        again = checks.lost(connection, SOURCE, ids(connection))  # type: ignore[arg-type]
    assert (found.expected, found.stored, found.same, found.ok) == (24, 24, False, False)
    assert (again.missing, again.surplus, again.ok) == ((), (), False)
    load(filled, contracts(6))  # the same archive again: it is not taken for loaded
    with filled.database.connection() as connection:
        assert checks.lost(connection, SOURCE).ok


def test_a_record_lost_within_the_load_itself_is_seen(corpus: Corpus) -> None:
    execute(
        corpus,
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RETURN CASE WHEN NEW.granularity = $$document$$ THEN NULL ELSE NEW END; END'",
    )
    execute(corpus, "CREATE TRIGGER lose BEFORE INSERT ON reference_records FOR EACH ROW EXECUTE FUNCTION lose()")
    load(corpus, contracts(6))
    with corpus.database.connection() as connection:
        found = checks.lost(connection, SOURCE)
    assert (found.expected, found.stored, found.ok) == (24, 18, False)


def test_a_manifest_tells_which_record_is_lost_and_which_is_too_many(filled: Corpus) -> None:
    with filled.database.connection() as connection:
        manifest = ids(connection)
        gone, name = manifest.popitem()
        manifest[uuid4()] = "never stored"
        found = checks.lost(connection, SOURCE, manifest)  # type: ignore[arg-type]
    assert gone
    assert found.missing == ("never stored",)
    assert found.surplus == (name,)
    assert not found.ok  # although the numbers are equal
    assert found.expected == found.stored


def test_a_source_that_was_never_loaded_has_lost_nothing(corpus: Corpus) -> None:
    with corpus.database.connection() as connection:
        assert checks.lost(connection, "never").ok


@pytest.mark.parametrize(
    "forget", ["UPDATE bootstrap_progress SET fingerprint = NULL", "DELETE FROM bootstrap_progress"]
)
def test_records_of_a_load_that_nothing_is_known_of_are_not_taken_for_right(filled: Corpus, forget: str) -> None:
    with filled.database.connection() as connection:
        assert checks.loaded_from(connection, SOURCE)
    execute(filled, forget)
    with filled.database.connection() as connection:
        found = checks.lost(connection, SOURCE)
        assert checks.loaded_from(connection, SOURCE) is None
    assert (found.stored, found.is_known, found.ok) == (24, False, False)


def test_records_that_all_vanished_are_lost_whatever_is_known(filled: Corpus) -> None:
    execute(filled, "UPDATE bootstrap_progress SET fingerprint = NULL")
    execute(filled, "DELETE FROM reference_records")
    with filled.database.connection() as connection:
        found = checks.lost(connection, SOURCE)
    assert (found.expected, found.stored, found.is_known, found.ok) == (24, 0, True, False)


def test_a_missing_vector_is_named_and_a_dead_letter_is_not(filled: Corpus) -> None:
    with filled.database.connection() as connection:
        [name, digest] = connection.execute(
            "SELECT source_id, content_hash FROM reference_records ORDER BY source_id LIMIT 1"
        ).fetchone() or ("", b"")
    execute(filled, "DELETE FROM VECTORS WHERE content_hash = %s", digest)
    with filled.database.connection() as connection:
        found = completeness.coverage(connection, filled.space, SOURCE, count=COUNT)
        assert found == completeness.Coverage(24, 23, missing=(name,))
        failures.bury(connection, filled.space, SOURCE, digest, "embed", ValueError("poison"))
        assert completeness.coverage(connection, filled.space, SOURCE, count=COUNT).ok
        errors = completeness.errors(connection, filled.space, SOURCE)
        assert errors.rate == pytest.approx(1 / 24)
        assert errors.letters[0][1:] == (name, "ValueError")


def test_records_of_batches_that_were_not_asked_for_are_told_apart(corpus: Corpus) -> None:
    load(corpus, contracts(6))
    pipeline.embed(corpus, MADE_UP, batches=[0, 1, 2, 3])
    with corpus.database.connection() as connection:
        found = completeness.coverage(connection, corpus.space, SOURCE, count=COUNT, batches=range(4))
        everything = completeness.coverage(connection, corpus.space, SOURCE, count=COUNT)
    assert found.missing == ()
    assert len(found.elsewhere) == 24 - found.embedded > 0
    assert everything.missing == found.elsewhere


def test_an_ignored_dead_letter_does_not_count_as_an_error(filled: Corpus) -> None:
    with filled.database.connection() as connection:
        [digest] = connection.execute("SELECT content_hash FROM reference_records LIMIT 1").fetchone() or (b"",)
        failures.bury(connection, filled.space, SOURCE, digest, "embed", ValueError("poison"))
        failures.ignore(connection, source=SOURCE)
        assert completeness.errors(connection, filled.space, SOURCE).rate == 0


def test_a_vector_that_is_not_of_unit_length_is_insane(filled: Corpus) -> None:
    execute(
        filled,
        "UPDATE VECTORS SET embedding = l2_normalize(embedding) * array_fill(3::real, ARRAY[1024])::vector "
        "WHERE content_hash = (SELECT min(content_hash) FROM VECTORS)",
    )
    with filled.database.connection() as connection:
        [length] = completeness.insane(connection, filled.space, SOURCE).values()
    assert length == pytest.approx(3, abs=0.01)


def test_a_record_that_does_not_stand_at_its_place_is_wrong(filled: Corpus) -> None:
    with filled.database.connection() as connection:
        before = checks.offsets(connection, SOURCE)
    assert before.checked > 0
    execute(
        filled,
        "UPDATE reference_records SET char_start = char_start + 1 WHERE source_id = "
        "(SELECT max(source_id) FROM reference_records WHERE char_end > char_start + 1)",
    )
    with filled.database.connection() as connection:
        assert len(checks.offsets(connection, SOURCE).wrong) == 1


def test_labels_that_no_record_carries_are_named(filled: Corpus) -> None:
    expected = ["Category 0", "Category 1", "Category 2", "Category 9"]
    with filled.database.connection() as connection:
        found = checks.labels(connection, SOURCE, expected)
    assert found.missing == ("Category 9",)
    assert found.records["Category 1"] == 6


def test_a_missing_and_an_invalid_index_are_told(filled: Corpus) -> None:
    with filled.database.connection() as connection:
        assert not index.index_state(connection, filled.space).exists
    pipeline.build_index(filled)
    execute(
        filled,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN (SELECT c.oid FROM pg_class c "
        "JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'hnsw')",
    )
    with filled.database.connection() as connection:
        state = index.index_state(connection, filled.space)
    assert (state.exists, state.valid) == (True, False)


def at_random(corpus: Corpus, count: int) -> None:
    """Fill the space with random unit vectors: the hardest case for a graph."""
    generator = np.random.default_rng(7)
    points = generator.normal(size=(count, corpus.space.dimensions)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    with corpus.database.connection() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO reference_texts (content_hash, content, tokens) VALUES (sha256(%s::text::bytea), %s, 1)",
            [(str(n), str(n)) for n in range(count)],
        )
        cursor.executemany(
            f"INSERT INTO {corpus.space.table} VALUES (sha256(%s::text::bytea), %s, 1)",
            [(str(n), point) for n, point in enumerate(points)],
        )


def test_recall_is_full_where_the_graph_is_searched_wide_enough(filled: Corpus) -> None:
    pipeline.build_index(filled)
    with filled.database.connection() as connection:
        found = measure_recall(connection, filled.space)
    assert len(found.shares) == 24
    assert found.mean == 1.0
    assert found.worst == []


def test_a_poor_graph_has_a_poor_recall(corpus: Corpus) -> None:
    at_random(corpus, 1500)
    execute(
        corpus,
        "CREATE INDEX ON VECTORS USING hnsw (embedding vector_cosine_ops) WITH (m = 2, ef_construction = 4)",
    )
    with corpus.database.connection() as connection:
        found = measure_recall(connection, corpus.space)
    assert len(found.shares) == 50
    assert found.mean < MIN_RECALL
    assert found.worst[0][1] <= found.worst[-1][1] < 1


def test_recall_is_that_of_the_effort_which_the_search_takes(corpus: Corpus) -> None:
    at_random(corpus, 1500)
    execute(corpus, "CREATE INDEX ON VECTORS USING hnsw (embedding vector_cosine_ops) WITH (m = 4)")
    means = []
    for effort in (10, 400):
        execute(corpus, "UPDATE embedding_spaces SET quality = jsonb_build_object('ef_search', %s::int)", effort)
        with corpus.database.connection() as connection:
            means.append(measure_recall(connection, corpus.space).mean)
    assert means[0] < means[1] - 0.1


def test_the_recall_of_an_empty_space_is_full(corpus: Corpus) -> None:
    with corpus.database.connection() as connection:
        assert measure_recall(connection, corpus.space).mean == 1.0


def test_a_batch_s_version_changes_with_its_texts_and_only_then(filled: Corpus) -> None:
    def versions() -> list[str]:
        with filled.database.connection() as connection:
            return batch_versions(connection, filled.space, SOURCE, COUNT)

    before = versions()
    assert len(before) == COUNT
    assert versions() == before
    documents = contracts(6)
    documents["Contract 3"] = documents["Contract 3"] | {"Category 1": "Something else altogether."}
    load(filled, documents)
    changed = [batch for batch, (old, new) in enumerate(zip(before, versions(), strict=True)) if old != new]
    assert 1 <= len(changed) <= 4  # the clause's old and new text, and the document's


def test_the_version_of_records_changes_with_a_label(filled: Corpus) -> None:
    def version() -> str:
        with filled.database.connection() as connection:
            return overview.records_version(connection, SOURCE)

    before = version()
    assert version() == before
    execute(filled, "UPDATE reference_records SET category = 'Other' WHERE category = 'Category 1'")
    assert version() != before


def test_what_a_source_holds_is_counted(filled: Corpus) -> None:
    with filled.database.connection() as connection:
        held = overview.holdings(connection, SOURCE)
    assert held.by_granularity == {"clause": 18, "document": 6}
    assert held.by_label == {"Category 0": 6, "Category 1": 6, "Category 2": 6}
