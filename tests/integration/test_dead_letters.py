"""One bad text never costs its neighbours: it becomes a dead letter, and can be tried again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bootstrap_assets import cli, pipeline
from bootstrap_assets.embedding import stages
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.fill import BatchDone
from bootstrap_assets.errors import ConfigurationError, MassDeleteError
from bootstrap_assets.sources.fetch import locate
from bootstrap_assets.texts.content import content_hash, estimate_tokens
from bootstrap_assets.texts.passages import parts_of
from tests.fakes.voyage_server import Fault, Refusal, VoyageServer
from tests.integration.test_fill import OTHER, column, in_parallel, load
from tests.made_up_source import MADE_UP, contracts

OPEN = "SELECT count(*) FROM bootstrap_failures WHERE resolved_at IS NULL AND ignored_at IS NULL"


@pytest.fixture
def poisoned(corpus: Corpus, voyage: VoyageServer) -> set[str]:
    """A corpus of 200 texts of which the provider refuses three, loaded and not yet embedded."""
    documents = contracts(50)
    load(corpus, documents)
    voyage.poison = {documents[f"Contract {number}"]["Category 1"] for number in (3, 17, 40)}
    return set(voyage.poison)


@pytest.fixture
def environ(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell in which the corpus is this test's own."""
    settings = corpus.settings
    assert settings.database_url
    for name, value in {
        "BOOTSTRAP_DATABASE_URL": settings.database_url.get_secret_value(),
        "VOYAGE_API_KEY": "test-key",
        "BOOTSTRAP_VOYAGE_BASE_URL": settings.voyage_base_url,
        "BOOTSTRAP_BATCHES": str(settings.batches),
        "BOOTSTRAP_HOME": str(settings.home),
    }.items():
        monkeypatch.setenv(name, str(value))


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.bootstrap, arguments)


def test_poisoned_texts_are_found_one_by_one_and_their_neighbours_stored(
    corpus: Corpus, voyage: VoyageServer, poisoned: set[str]
) -> None:
    done: list[BatchDone] = []
    filled = pipeline.embed(corpus, MADE_UP, on_batch=done.append)
    assert column(corpus, "SELECT count(*) FROM VECTORS") == [197]
    letters = column(corpus, "SELECT content_hash FROM bootstrap_failures WHERE stage = 'embed'")
    assert set(letters) == {content_hash(text) for text in poisoned}
    assert column(corpus, "SELECT DISTINCT class FROM bootstrap_failures") == ["RefusedError"]
    assert (filled.errors, filled.embedded_records, filled.status) == (3, 197, "completed_with_failures")
    assert column(corpus, "SELECT status FROM bootstrap_progress") == ["completed_with_failures"]
    assert voyage.texts_paid == 197
    assert voyage.texts_paid_twice == 0
    assert sum(batch.failed for batch in done) == 3
    assert sum(batch.embedded for batch in done) == 197
    assert column(corpus, "SELECT DISTINCT stage FROM bootstrap_batches") == ["complete"]
    assert column(corpus, "SELECT sum(failed)::int FROM bootstrap_batches") == [3]
    assert column(corpus, "SELECT sum(embedded)::int FROM bootstrap_batches") == [197]


def test_a_further_run_leaves_dead_letters_alone(corpus: Corpus, voyage: VoyageServer, poisoned: set[str]) -> None:
    pipeline.embed(corpus, MADE_UP)
    asked = len(voyage.log)
    assert pipeline.embed(corpus, MADE_UP).status == "completed_with_failures"
    assert len(voyage.log) == asked
    assert column(corpus, "SELECT DISTINCT attempts FROM bootstrap_failures") == [1]


def test_a_retry_embeds_exactly_the_dead_letters(corpus: Corpus, voyage: VoyageServer, poisoned: set[str]) -> None:
    pipeline.embed(corpus, MADE_UP)
    documents = contracts(51)  # one more document, which nobody asked to be embedded yet
    load(corpus, documents)
    pipeline.retry_failures(corpus)
    assert column(corpus, "SELECT DISTINCT attempts FROM bootstrap_failures") == [2]
    voyage.poison = set()
    paid = voyage.texts_paid
    done = pipeline.retry_failures(corpus)
    assert done["made_up"].texts == 3
    assert voyage.texts_paid == paid + 3
    assert column(corpus, OPEN) == [0]
    assert column(corpus, "SELECT count(*) FROM bootstrap_failures WHERE resolved_at IS NOT NULL") == [3]
    assert column(corpus, "SELECT status FROM bootstrap_progress") == ["pending"]
    assert pipeline.embed(corpus, MADE_UP).status == "completed"
    assert voyage.texts_paid_twice == 0
    assert column(corpus, "SELECT sum(failed)::int FROM bootstrap_batches") == [0]


def test_a_dead_letter_does_not_keep_the_index_from_being_searched(
    corpus: Corpus, voyage: VoyageServer, poisoned: set[str]
) -> None:
    with corpus.database.connection() as connection:
        connection.execute(
            "INSERT INTO embedding_spaces (name, provider, model, dimensions, table_name, state) "
            "VALUES ('old', 'local', 'old', 8, 'reference_vectors_old', 'active')"
        )
    pipeline.embed(corpus, MADE_UP)
    indexed = pipeline.build_index(corpus)
    assert (indexed.ready, indexed.uncovered) == (True, 0)


def test_only_the_unsound_vectors_of_an_answer_are_asked_for_again(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(20))
    voyage.faults = [Fault.nan, Fault.zero]
    filled = pipeline.embed(corpus, MADE_UP)
    assert (filled.embedded_records, filled.errors) == (80, 0)
    assert voyage.texts_paid_twice == 0
    assert [len(entry.texts) for entry in voyage.log] == [80, 27, 9]


def test_a_text_whose_vector_is_never_sound_becomes_a_dead_letter(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(2))
    voyage.faults = [Fault.zero] * 100  # of each answer the first row and every third: in the end one text is left
    filled = pipeline.embed(corpus, MADE_UP)
    assert filled.errors == 1
    assert column(corpus, "SELECT class || ': ' || message FROM bootstrap_failures") == [
        "VectorError: the vector has the length 0; a unit vector was expected"
    ]
    assert filled.embedded_records == 7


def test_a_row_that_the_database_refuses_does_not_cost_the_others(corpus: Corpus, voyage: VoyageServer) -> None:
    documents = contracts(20)
    load(corpus, documents)
    victim = content_hash(documents["Contract 7"]["Category 2"])
    with corpus.database.connection() as connection:
        connection.execute(
            f"ALTER TABLE {corpus.space.table} ADD CONSTRAINT no CHECK (content_hash <> '\\x{victim.hex()}')"
        )
    filled = pipeline.embed(corpus, MADE_UP)
    assert (filled.embedded_records, filled.errors) == (79, 1)
    letters = column(corpus, "SELECT stage || ' ' || class || ' ' || source_id FROM bootstrap_failures")
    assert letters == ["store CheckViolation Contract 7__Category 2"]
    assert voyage.texts_paid == 80  # what was answered is not asked for again
    assert voyage.texts_paid_twice == 0
    assert column(corpus, "SELECT outcome FROM embedding_usage") == ["ok"]
    with corpus.database.connection() as connection:
        connection.execute(f"ALTER TABLE {corpus.space.table} DROP CONSTRAINT no")
    pipeline.retry_failures(corpus)
    assert column(corpus, "SELECT count(*) FROM VECTORS") == [80]


def test_a_text_that_proves_too_long_is_pooled_from_its_parts(corpus: Corpus, voyage: VoyageServer) -> None:
    paragraphs = [f"{number}. Paragraph {number} " + f"goes on number {number} " * 60 for number in range(20)]
    text = "\n\n".join(paragraphs)
    assert 4_000 < estimate_tokens(text) < corpus.embedder.model.context * 0.9

    def count_more(texts: list[str]) -> None:
        if text in texts:
            raise Refusal(400, "The example at index 0 has too many tokens for the context window.")

    voyage.refuse = count_more
    load(corpus, {"Long": {"Cap": text}, **contracts(3)})
    done: list[BatchDone] = []
    filled = pipeline.embed(corpus, MADE_UP, on_batch=done.append)
    assert (filled.pooled, filled.errors, filled.status) == (1, 0, "completed")
    assert (
        len(done) == len({batch.batch for batch in done}) == len(column(corpus, "SELECT 1 FROM bootstrap_batches"))
    )
    assert column(corpus, "SELECT count(*) FROM VECTORS WHERE pooled") == [1]
    asked = len(voyage.log)
    pipeline.embed(corpus, MADE_UP)
    assert len(voyage.log) == asked


def test_a_request_that_is_too_large_is_split(corpus: Corpus, voyage: VoyageServer) -> None:
    corpus.embedder._model = replace(corpus.embedder.model, request_tokens=10**9, request_texts=5_000)  # type: ignore[attr-defined]
    load(corpus, contracts(300))
    filled = pipeline.embed(corpus, MADE_UP)
    assert (filled.embedded_records, filled.errors) == (1200, 0)
    assert [(entry.status, len(entry.texts)) for entry in voyage.log] == [(400, 0), (200, 600), (200, 600)]
    assert voyage.texts_paid_twice == 0


def test_a_long_text_with_a_poisoned_passage_is_a_dead_letter_and_is_cured_with_it(
    corpus: Corpus, voyage: VoyageServer
) -> None:
    paragraphs = [f"{number}. Paragraph {number} " + f"goes on number {number} " * 60 for number in range(90)]
    long = "\n\n".join(paragraphs)
    load(corpus, {"Long": {"Cap": long}})
    voyage.poison = {parts_of(long)[5]}
    filled = pipeline.embed(corpus, MADE_UP)
    assert (filled.records, filled.embedded_records, filled.errors) == (2, 0, 2)
    voyage.poison = set()
    done = pipeline.retry_failures(corpus)
    assert done["made_up"].status == "completed"
    assert column(corpus, OPEN) == [0]
    assert voyage.texts_paid_twice == 0


def test_a_record_that_comes_later_with_a_dead_text_is_counted_as_failed(
    corpus: Corpus, voyage: VoyageServer, poisoned: set[str]
) -> None:
    pipeline.embed(corpus, MADE_UP)
    documents = contracts(50)
    documents["Contract 1"]["Category 0"] = next(iter(poisoned))
    load(corpus, documents)
    filled = pipeline.embed(corpus, MADE_UP)
    assert (filled.records, filled.embedded_records, filled.errors) == (200, 196, 4)
    load(corpus, contracts(50))
    assert pipeline.embed(corpus, MADE_UP).errors == 3
    load(corpus, documents)  # and again: its letter is opened again
    filled = pipeline.embed(corpus, MADE_UP)
    assert (filled.embedded_records, filled.errors) == (196, 4)


def test_two_processes_count_dead_letters_once(corpus: Corpus, voyage: VoyageServer, poisoned: set[str]) -> None:
    voyage.latency = 0.02
    corpus.embedder._model = replace(corpus.embedder.model, request_texts=7)  # type: ignore[attr-defined]
    done: list[BatchDone] = []
    errors = in_parallel(*(lambda: pipeline.embed(corpus, MADE_UP, on_batch=done.append) for _ in range(2)))
    assert errors == []
    assert column(corpus, "SELECT sum(failed)::int FROM bootstrap_batches") == [3]
    assert column(corpus, "SELECT sum(embedded)::int FROM bootstrap_batches") == [197]
    assert column(corpus, "SELECT DISTINCT stage FROM bootstrap_batches") == ["complete"]
    assert sum(batch.embedded for batch in done) <= 197
    assert column(corpus, OPEN) == [3]


def test_a_dead_letter_whose_record_is_gone_is_closed(
    corpus: Corpus, voyage: VoyageServer, poisoned: set[str]
) -> None:
    pipeline.embed(corpus, MADE_UP)
    load(corpus, contracts(40))
    filled = pipeline.embed(corpus, MADE_UP)
    assert filled.errors == 2
    assert column(corpus, OPEN) == [2]


def test_another_source_tries_the_same_text_for_itself(
    corpus: Corpus, voyage: VoyageServer, poisoned: set[str]
) -> None:
    with corpus.database.connection() as connection:
        connection.execute("INSERT INTO bootstrap_progress (source) VALUES ('other')")
        connection.execute(
            """INSERT INTO reference_records (id, document_id, content_hash, source, source_id, granularity)
               SELECT gen_random_uuid(), document_id, content_hash, 'other', source_id, granularity
               FROM reference_records"""
        )
    pipeline.embed(corpus, MADE_UP)
    assert pipeline.embed(corpus, OTHER).errors == 3
    voyage.poison = set()
    pipeline.retry_failures(corpus, source="other")
    assert column(corpus, OPEN) == [0]  # the vectors are there for both
    with corpus.database.connection() as connection:
        assert stages.count_embedded(connection, corpus.space, "made_up").status == "completed"


def test_the_failures_command_lists_shows_exports_ignores_and_retries(
    corpus: Corpus, voyage: VoyageServer, poisoned: set[str], environ: None, tmp_path: Path
) -> None:
    pipeline.embed(corpus, MADE_UP)
    listed = json.loads(invoke("failures", "list", "--json").stdout)
    listed.sort(key=lambda letter: letter["source_id"])
    assert [letter["source_id"] for letter in listed] == [f"Contract {n}__Category 1" for n in (17, 3, 40)]
    assert "RefusedError" in invoke("failures", "list").stdout
    shown = invoke("failures", "show", str(listed[0]["id"])).stdout
    assert contracts(50)["Contract 17"]["Category 1"] in shown
    file = tmp_path / "failures.jsonl"
    for _ in range(2):
        assert "3 appended" in invoke("failures", "export", str(file)).stdout
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 6
    assert {"content_hash", "source_id", "class", "message", "attempts", "first_seen", "last_seen"} <= set(
        lines[0]
    )
    assert lines[0]["content_hash"] in {content_hash(text).hex() for text in poisoned}
    assert "1 ignored" in invoke("failures", "ignore", str(listed[1]["id"])).stdout
    assert invoke("failures", "retry").exit_code == 3
    voyage.poison = set()
    retried = invoke("failures", "retry", "--source", "made_up", "--class", "RefusedError")
    assert (retried.exit_code, "2 texts embedded, 0 dead letters left" in retried.stdout) == (0, True)
    assert column(corpus, "SELECT count(*) FROM VECTORS") == [199]
    assert invoke("failures", "list").stdout.strip() == "none"
    assert "ignored" in invoke("failures", "list", "--all").stdout
    assert "completed with failures" not in invoke("status").stdout
    assert len(json.loads(invoke("failures", "list", "--all", "--json").stdout)) == 3
    assert pipeline.embed(corpus, MADE_UP).status == "completed"


@pytest.mark.parametrize(
    "arguments", [["ignore"], ["ignore", "999"], ["list", "--source", "cuads"], ["retry", "--source", "cuads"]]
)
def test_dead_letters_that_do_not_exist_are_wrong_usage(
    corpus: Corpus, environ: None, arguments: list[str]
) -> None:
    assert isinstance(invoke("failures", *arguments).exception, ConfigurationError)


def test_dead_letters_of_another_model_are_left_alone(
    corpus: Corpus, voyage: VoyageServer, poisoned: set[str], environ: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.embed(corpus, MADE_UP)
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_MODEL", "voyage-4")
    retried = invoke("failures", "retry")
    assert retried.exit_code == 0
    assert "3 more are of other models" in retried.stdout


def test_a_retry_of_a_passage_alone_takes_its_text_along(corpus: Corpus, voyage: VoyageServer) -> None:
    paragraphs = [f"{number}. Paragraph {number} " + f"goes on number {number} " * 60 for number in range(90)]
    long = "\n\n".join(paragraphs)
    load(corpus, {"Long": {"Cap": long}})
    voyage.poison = {parts_of(long)[5]}
    pipeline.embed(corpus, MADE_UP)
    voyage.poison = set()
    done = pipeline.retry_failures(corpus, error_class="RefusedError")
    assert done["made_up"].status == "completed"


def test_what_a_parser_could_not_take_is_a_failure_of_its_source_too(corpus: Corpus, environ: None) -> None:
    documents = contracts(5)
    documents["Contract 1"]["Category 0"] = "BROKEN"
    load(corpus, documents)
    assert pipeline.embed(corpus, MADE_UP).status == "completed_with_failures"
    retried = invoke("failures", "retry")
    assert retried.exit_code == 3
    assert "when it changes" in retried.stdout
    load(corpus, contracts(5))
    assert pipeline.embed(corpus, MADE_UP).status == "completed"


def test_a_guarded_load_keeps_its_dead_letters(
    corpus: Corpus, voyage: VoyageServer, poisoned: set[str], tmp_path: Path
) -> None:
    pipeline.embed(corpus, MADE_UP)
    from tests.made_up_source import write

    folder = write(tmp_path / "small", contracts(5))
    archives = locate.fetch(corpus.settings.model_copy(update={"data": str(folder)}), MADE_UP)
    with pytest.raises(MassDeleteError):
        pipeline.load(corpus, MADE_UP, archives)
    assert column(corpus, OPEN) == [3]
