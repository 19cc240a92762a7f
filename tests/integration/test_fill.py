"""The embedding stage: what is missing is embedded, once, and every answer is kept."""

import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import numpy as np
import psycopg
import pytest
from psycopg import sql

from bootstrap_assets import pipeline
from bootstrap_assets.corpus import load as corpus_store
from bootstrap_assets.database.connection import Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.batches import LEASE_BUCKETS, bounds
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.fill import BatchDone
from bootstrap_assets.embedding.leases import leasing
from bootstrap_assets.embedding.providers.protocol import Embeddings, InputType, Model
from bootstrap_assets.embedding.vectors import Work
from bootstrap_assets.errors import AnswerError, TransientError, VectorError
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.fetch import locate
from tests.conftest import open_for_test
from tests.fakes.voyage_server import Refusal, VoyageServer
from tests.made_up_source import MADE_UP, contracts, write

OTHER = replace(MADE_UP, name="other")


def load(corpus: Corpus, documents: dict[str, dict[str, str]]) -> None:
    folder = write(corpus.settings.root / "data", documents)
    archives = locate.fetch(corpus.settings.model_copy(update={"data": str(folder)}), MADE_UP)
    pipeline.load(corpus, MADE_UP, archives, allow_deletes=True)


def column(corpus: Corpus, query: str) -> list[object]:
    with corpus.database.connection() as connection:
        return [row[0] for row in connection.execute(query.replace("VECTORS", corpus.space.table))]


def in_parallel(*works: Callable[[], object]) -> list[BaseException]:
    """Do things at the same time; gives the errors they raised."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return errors


class StubEmbedder:
    """Answers with what it is told to: for what no HTTP server should ever send."""

    def __init__(self, answer: Callable[[int], np.ndarray], **model: object) -> None:
        self.answer = answer
        self.asked = 0
        self.account = "stub"
        self.model = Model("voyage", "voyage-law-2", 1024, 16_000, 1_000, 120_000, 0.12)
        self.model = replace(self.model, **model)  # type: ignore[arg-type]

    def embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        self.asked += 1
        return Embeddings(self.answer(len(texts)), len(texts))


def test_every_distinct_text_is_paid_for_once(corpus: Corpus, voyage: VoyageServer) -> None:
    documents = contracts(20)
    documents["Contract 1"]["Category 1"] = documents["Contract 0"]["Category 0"]
    load(corpus, documents)
    filled = pipeline.embed(corpus, MADE_UP)
    assert voyage.texts_paid == filled.texts == 79
    assert voyage.texts_paid_twice == 0
    assert (filled.records, filled.embedded_records) == (80, 80)


def test_texts_are_packed_across_batches(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(20))
    filled = pipeline.embed(corpus, MADE_UP)
    assert voyage.requests == filled.requests == 1
    assert len(column(corpus, "SELECT batch FROM bootstrap_batches")) > 10


def test_a_second_run_asks_for_nothing(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(20))
    pipeline.embed(corpus, MADE_UP)
    again = pipeline.embed(corpus, MADE_UP)
    assert (again.texts, again.already, again.requests) == (0, 80, 0)
    assert voyage.requests == 1


def test_one_changed_record_touches_only_the_texts_that_changed(corpus: Corpus, voyage: VoyageServer) -> None:
    documents = contracts(20)
    load(corpus, documents)
    pipeline.embed(corpus, MADE_UP)
    documents["Contract 7"]["Category 2"] = "A new last clause."
    load(corpus, documents)
    done: list[BatchDone] = []
    assert pipeline.embed(corpus, MADE_UP, on_batch=done.append).texts == 2  # the clause and its document
    assert sum(batch.embedded for batch in done) == 2
    assert voyage.texts_paid == 82


def test_what_was_answered_before_a_failure_is_kept_and_not_paid_again(
    corpus: Corpus, voyage: VoyageServer
) -> None:
    small = replace(corpus.embedder.model, request_texts=10)
    corpus.embedder._model = small  # type: ignore[attr-defined]
    load(corpus, contracts(20))

    def fail_after_three(texts: list[str]) -> None:
        if voyage.requests >= 3:
            raise Refusal(500, "out of order")

    voyage.refuse = fail_after_three
    with pytest.raises(TransientError):
        pipeline.embed(corpus, MADE_UP)
    kept = column(corpus, "SELECT count(*) FROM VECTORS")[0]
    assert kept == voyage.texts_paid > 0
    assert column(corpus, "SELECT status FROM bootstrap_progress") == ["failed"]
    voyage.refuse = None
    filled = pipeline.embed(corpus, MADE_UP)
    assert filled.already == kept
    assert voyage.texts_paid == 80
    assert voyage.texts_paid_twice == 0
    assert column(corpus, "SELECT DISTINCT stage FROM bootstrap_batches") == ["complete"]
    assert column(corpus, "SELECT status FROM bootstrap_progress") == ["completed"]


def test_batches_are_told_as_complete_only_when_all_their_texts_are_stored(
    corpus: Corpus, voyage: VoyageServer
) -> None:
    corpus.embedder._model = replace(corpus.embedder.model, request_texts=3)  # type: ignore[attr-defined]
    load(corpus, contracts(20))
    missing = f"""SELECT count(*) FROM reference_texts t WHERE reference_batch(content_hash, 16) = %s
                  AND NOT EXISTS (SELECT 1 FROM {corpus.space.table} v WHERE v.content_hash = t.content_hash)"""
    told: list[int] = []

    def look(done: BatchDone) -> None:
        with corpus.database.connection() as connection:
            assert connection.execute(missing, (done.batch,)).fetchone() == (0,)
        told.append(done.batch)

    pipeline.embed(corpus, MADE_UP, on_batch=look)
    assert sorted(told) == sorted(column(corpus, "SELECT batch FROM bootstrap_batches"))  # type: ignore[type-var]


def test_only_the_batches_asked_for_are_embedded(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(20))
    pipeline.embed(corpus, MADE_UP, batches=[3, 4])
    batches = "SELECT DISTINCT reference_batch(content_hash, 16) FROM VECTORS ORDER BY 1"
    assert column(corpus, batches) == [3, 4]
    assert column(corpus, "SELECT status FROM bootstrap_progress") == ["pending"]
    pipeline.embed(corpus, MADE_UP)
    assert voyage.texts_paid == 80
    assert voyage.texts_paid_twice == 0


def test_two_sources_that_share_texts_at_the_same_time_pay_once(
    settings: Settings, database: Database, voyage: VoyageServer
) -> None:
    voyage.latency = 0.05
    one = open_for_test(settings, database)
    one.embedder._model = replace(one.embedder.model, request_texts=7)  # type: ignore[attr-defined]
    load(one, contracts(30))
    with database.connection() as connection:  # the same records once more, as another source's
        connection.execute("INSERT INTO bootstrap_progress (source) VALUES ('other')")
        connection.execute(
            """INSERT INTO reference_records (id, document_id, content_hash, source, source_id, granularity)
               SELECT gen_random_uuid(), document_id, content_hash, 'other', source_id, granularity
               FROM reference_records"""
        )
    errors = in_parallel(lambda: pipeline.embed(one, MADE_UP), lambda: pipeline.embed(one, OTHER))
    assert errors == []
    assert voyage.texts_paid == 120
    assert voyage.texts_paid_twice == 0
    assert column(one, "SELECT embedded_records FROM bootstrap_progress") == [120, 120]


def test_two_runs_set_to_different_numbers_of_batches_pay_once(
    settings: Settings, database: Database, voyage: VoyageServer
) -> None:
    voyage.latency = 0.05
    runs = [open_for_test(settings.model_copy(update={"batches": batches}), database) for batches in (16, 48)]
    for run in runs:
        run.embedder._model = replace(run.embedder.model, request_texts=7)  # type: ignore[attr-defined]
    load(runs[0], contracts(30))
    errors = in_parallel(*(lambda run=run: pipeline.embed(run, MADE_UP) for run in runs))  # type: ignore[misc]
    assert errors == []
    assert voyage.texts_paid == 120
    assert voyage.texts_paid_twice == 0


def test_a_batch_that_another_process_works_on_is_waited_for(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(20))
    busy = column(corpus, "SELECT reference_batch(content_hash, 256) FROM reference_texts LIMIT 1")[0]
    assert isinstance(busy, int)
    with leasing(corpus.database, corpus.space.id) as leases:
        assert leases.acquire([busy]) == [busy]
        thread = threading.Thread(target=pipeline.embed, args=(corpus, MADE_UP))
        thread.start()
        buckets = "SELECT count(DISTINCT reference_batch(content_hash, 256)) FROM {}"
        all_buckets = column(corpus, buckets.format("reference_texts"))[0]
        assert isinstance(all_buckets, int)
        while column(corpus, buckets.format("VECTORS")) != [all_buckets - 1]:
            assert thread.is_alive()
        assert column(corpus, f"SELECT 1 FROM VECTORS WHERE reference_batch(content_hash, 256) = {busy}") == []
        assert column(corpus, "SELECT status FROM bootstrap_progress") == ["in_progress"]
        leases.release([busy])
        thread.join(60)
    assert voyage.texts_paid == 80


def test_a_text_that_does_not_fit_the_model_is_pooled_from_its_parts(corpus: Corpus, voyage: VoyageServer) -> None:
    paragraphs = [f"{number}. Paragraph {number} " + f"goes on number {number} " * 60 for number in range(90)]
    load(corpus, {"Long": {"Cap": "\n\n".join(paragraphs)}})
    filled = pipeline.embed(corpus, MADE_UP)
    assert filled.pooled == 1
    assert (filled.records, filled.embedded_records) == (2, 2)
    whole = column(corpus, "SELECT embedding FROM VECTORS WHERE pooled")[0]
    with corpus.database.connection() as connection:
        parts = connection.execute(
            f"""SELECT v.embedding, t.tokens FROM reference_text_parts p
                JOIN reference_texts t ON t.content_hash = p.part_hash
                JOIN {corpus.space.table} v ON v.content_hash = p.part_hash"""
        ).fetchall()
    mean = sum(np.asarray(vector.to_list()) * tokens for vector, tokens in parts)
    expected = mean / np.linalg.norm(mean)
    np.testing.assert_allclose(whole.to_list(), expected, atol=1e-6)  # type: ignore[attr-defined]


def test_one_batch_with_a_long_text_gets_the_parts_that_lie_in_others(
    corpus: Corpus, voyage: VoyageServer
) -> None:
    paragraphs = [f"{number}. Paragraph {number} " + f"goes on number {number} " * 60 for number in range(90)]
    load(corpus, {"Long": {"Cap": "\n\n".join(paragraphs)}})
    batch = column(corpus, "SELECT reference_batch(content_hash, 16) FROM reference_texts")[0]
    assert isinstance(batch, int)
    done: list[BatchDone] = []
    pipeline.embed(corpus, MADE_UP, batches=[batch], on_batch=done.append)
    assert [one.batch for one in done] == [batch]
    assert column(corpus, "SELECT count(*) FROM VECTORS WHERE pooled") == [1]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda texts: np.ones((texts, 512), np.float32), "expected vectors of 1024 dimensions, got 512"),
        (lambda texts: np.ones((texts - 1, 1024), np.float32) / 32, "asked for 80 vectors, got 79"),
    ],
)
def test_an_answer_of_the_wrong_shape_is_never_stored(
    corpus: Corpus, answer: Callable[[int], np.ndarray], message: str
) -> None:
    load(corpus, contracts(20))
    stub = StubEmbedder(answer)
    with pytest.raises(AnswerError, match=message):
        pipeline.embed(replace(corpus, embedder=stub), MADE_UP)
    assert column(corpus, "SELECT count(*) FROM VECTORS") == [0]
    assert stub.asked == 4  # it might have been a passing fault: three attempts more
    assert column(corpus, "SELECT DISTINCT outcome FROM embedding_usage") == ["bad_answer"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda texts: np.full((texts, 1024), np.nan, np.float32), "not finite"),
        (lambda texts: np.zeros((texts, 1024), np.float32), "length 0"),
    ],
)
def test_an_unsound_vector_is_never_stored(
    corpus: Corpus, answer: Callable[[int], np.ndarray], message: str
) -> None:
    load(corpus, contracts(2))
    filled = pipeline.embed(replace(corpus, embedder=StubEmbedder(answer)), MADE_UP)
    assert column(corpus, "SELECT count(*) FROM VECTORS") == [0]
    assert (filled.errors, filled.status) == (8, "completed_with_failures")
    told = column(corpus, "SELECT DISTINCT class || ': ' || message FROM bootstrap_failures")
    assert len(told) == 1
    assert message in str(told[0])


def test_a_space_whose_table_has_other_dimensions_is_refused(corpus: Corpus) -> None:
    with corpus.database.connection() as connection:
        connection.execute(f"ALTER TABLE {corpus.space.table} ALTER embedding TYPE vector(512)")
    with pytest.raises(VectorError, match=r"voyage-4-large gives 1024 dimensions.*512"):
        open_for_test(corpus.settings, corpus.database)


def test_every_request_is_in_the_ledger(corpus: Corpus, voyage: VoyageServer) -> None:
    corpus.embedder._model = replace(corpus.embedder.model, request_texts=30)  # type: ignore[attr-defined]
    load(corpus, contracts(20))
    filled = pipeline.embed(corpus, MADE_UP)
    assert column(corpus, "SELECT sum(texts)::int FROM embedding_usage") == [80]
    assert column(corpus, "SELECT count(*) FROM embedding_usage") == [voyage.requests]
    assert column(corpus, "SELECT sum(tokens)::int FROM embedding_usage") == [filled.tokens]


def test_progress_is_kept_while_the_work_goes_on(corpus: Corpus, voyage: VoyageServer) -> None:
    corpus.embedder._model = replace(corpus.embedder.model, request_texts=10)  # type: ignore[attr-defined]
    load(corpus, contracts(20))
    corpus = replace(corpus, settings=corpus.settings.model_copy(update={"embed_workers": 1}))
    seen: list[object] = []
    voyage.refuse = lambda _texts: seen.append(
        column(corpus, "SELECT status || ' ' || embedded_records FROM bootstrap_progress")[0]
    )
    pipeline.embed(corpus, MADE_UP)
    assert seen[0] == "in_progress 0"
    assert len(set(seen)) == 8
    assert column(corpus, "SELECT embedded_records FROM bootstrap_progress") == [80]
    assert column(corpus, "SELECT last_processed_hash IS NOT NULL FROM bootstrap_progress") == [True]


MANY_TEXTS = """
    WITH document AS (
        INSERT INTO reference_documents
            (id, source, source_id, title, raw_text, licence, attribution, url, content_hash)
        SELECT gen_random_uuid(), 'made_up', 'd', '', '', '', '', '', sha256('d') RETURNING id
    ), texts AS (
        INSERT INTO reference_texts (content_hash, content, tokens)
        SELECT sha256(n::text::bytea), n, 3 FROM generate_series(1, %(texts)s) n RETURNING content_hash
    )
    INSERT INTO reference_records (id, document_id, content_hash, source, source_id, granularity)
    SELECT gen_random_uuid(), d.id, t.content_hash, 'made_up', encode(t.content_hash, 'hex'), 'clause'
    FROM texts t CROSS JOIN document d"""


def peak(corpus: Corpus, texts: int) -> int:
    """Bytes that it takes at most to ask what is missing of so many texts, and to read the first of them."""
    with corpus.database.connection() as connection:
        connection.execute("DELETE FROM reference_documents")
        connection.execute("DELETE FROM reference_texts")
        connection.execute(MANY_TEXTS, {"texts": texts})
        connection.execute("ANALYZE")
    filler = pipeline._filler(corpus, "made_up")
    with leasing(corpus.database, corpus.space.id) as leases:
        tracemalloc.start()
        try:
            filler._plan()
            read = filler._read(leases, filler._missing(), [])
            assert len(list(islice(read, 300))) == 300
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_what_is_missing_is_never_all_in_memory(corpus: Corpus) -> None:
    peak(corpus, 2_000)  # what is imported and prepared once
    assert peak(corpus, 20_000) < 1.5 * peak(corpus, 2_000)


def test_what_a_lease_bucket_lacks_is_looked_for_in_its_own_range_of_hashes(corpus: Corpus) -> None:
    load(corpus, contracts(20))
    first, end = bounds(3, LEASE_BUCKETS)
    work = Work(corpus.space, MADE_UP.name, corpus.settings.batches, limit=1_000)
    query = statements_of("bootstrap_assets.embedding.vectors")("missing").format(vectors=corpus.space.vectors)
    with corpus.database.connection() as connection:
        connection.execute("SET LOCAL enable_seqscan = off")
        cursor = psycopg.ClientCursor(connection)
        cursor.execute(sql.SQL("EXPLAIN ") + query, work.parameters() | {"first": first, "end": end, "dead": []})
        plan = "\n".join(row[0] for row in cursor)
    records = [line for line in plan.splitlines() if "Index Cond" in line and "content_hash >=" in line]
    assert records, plan


def test_the_planner_knows_of_a_large_load_at_once_and_is_not_troubled_by_a_small_one(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = "SELECT reltuples::int FROM pg_class WHERE oid = 'reference_records'::regclass"
    monkeypatch.setattr(corpus_store, "MUCH", 4)
    load(corpus, contracts(1))
    assert column(corpus, records) == [-1]  # never looked at
    load(corpus, contracts(5))
    after = column(corpus, records)
    assert after == column(corpus, "SELECT count(*)::int FROM reference_records")
    monkeypatch.setattr(corpus_store, "MUCH_OF", 10)
    load(corpus, contracts(8))
    assert column(corpus, records) == after
