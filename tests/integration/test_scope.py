"""The document as the unit of change: a load of some documents touches these alone, whatever else there is."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import sql

from bootstrap_assets import pipeline
from bootstrap_assets.corpus import checks, settlement
from bootstrap_assets.corpus import load as corpus_store
from bootstrap_assets.corpus.load import Loaded
from bootstrap_assets.corpus.records import Finding, ParsedDocument, Severity
from bootstrap_assets.corpus.scope import Scope
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import FormatError, MassDeleteError
from bootstrap_assets.search.query import Mode, search
from tests.integration.test_fill import load
from tests.made_up_source import MADE_UP, contracts, parsed_document


def one(title: str, **clauses: str) -> ParsedDocument:
    return parsed_document("made_up", title, clauses)


def contract_three(text: str = "Quite another clause.") -> ParsedDocument:
    """`Contract 3` with another clause in it."""
    return parsed_document("made_up", "Contract 3", contracts(10)["Contract 3"] | {"Category 1": text})


def change(corpus: Corpus, *documents: ParsedDocument | Finding, **options: Any) -> Loaded:
    return pipeline.load_documents(corpus, "made_up", documents, **options)


def rows(corpus: Corpus, query: str) -> list[tuple[Any, ...]]:
    with corpus.database.connection() as connection:
        return connection.execute(query).fetchall()


def everything(corpus: Corpus) -> list[list[tuple[Any, ...]]]:
    """The corpus, row for row, without times."""
    return [
        rows(corpus, f"SELECT to_jsonb(t) - '{{created_at,updated_at}}'::text[] FROM {table} t ORDER BY 1")
        for table in ("reference_documents", "reference_records", "reference_texts", "reference_text_parts")
    ]


def lost(corpus: Corpus) -> checks.Lost:
    with corpus.database.connection() as connection:
        return checks.lost(connection, "made_up")


def is_loaded(corpus: Corpus) -> bool:
    [(fingerprint,)] = rows(corpus, "SELECT fingerprint FROM bootstrap_progress")
    with corpus.database.connection() as connection:
        return corpus_store.is_loaded(connection, "made_up", fingerprint)


def test_one_changed_document_gives_the_corpus_that_a_load_of_all_would_give(corpus: Corpus) -> None:
    load(corpus, contracts(10))
    loaded = change(corpus, contract_three())
    assert (loaded.documents, loaded.records, loaded.new, loaded.changed, loaded.deleted) == (1, 4, 0, 3, 0)
    in_part = everything(corpus)
    whole = contracts(10)
    whole["Contract 3"]["Category 1"] = "Quite another clause."
    load(corpus, whole)
    assert everything(corpus) == in_part


def test_no_row_of_another_document_is_written(corpus: Corpus) -> None:
    load(corpus, contracts(10))
    untouched = """SELECT id, xmin::text, ctid::text FROM reference_records WHERE source_id NOT LIKE 'Contract 3%'
                   UNION ALL
                   SELECT id, xmin::text, ctid::text FROM reference_documents
                   WHERE title <> 'Contract 3' ORDER BY 1"""
    before = rows(corpus, untouched)
    change(corpus, contract_three(), one("New", Cap="New words."))
    assert before == [row for row in rows(corpus, untouched) if row in before]


def test_the_manifest_of_the_source_goes_along(corpus: Corpus) -> None:
    load(corpus, contracts(10))
    change(corpus, contract_three(), one("New", Cap="New words."), removed=["Contract 4"], allow_deletes=True)
    assert (lost(corpus).expected, lost(corpus).stored, lost(corpus).ok) == (38, 38, True)
    assert is_loaded(corpus)
    rows(corpus, "DELETE FROM reference_records WHERE source_id = 'New__Cap' RETURNING id")
    assert not lost(corpus).ok
    assert not is_loaded(corpus)


def test_a_source_may_come_document_by_document_from_the_first_on(corpus: Corpus) -> None:
    for title in ("A", "B"):
        change(corpus, one(title, Cap=f"Words of {title}."))
    assert (lost(corpus).expected, lost(corpus).ok) == (4, True)
    assert rows(corpus, "SELECT status, total_records FROM bootstrap_progress") == [("pending", 4)]


def test_a_source_that_was_complete_is_pending_after_a_change_and_embedded_from_there(corpus: Corpus) -> None:
    load(corpus, contracts(10))
    pipeline.embed(corpus, MADE_UP)
    assert rows(corpus, "SELECT status FROM bootstrap_progress") == [("completed",)]
    change(corpus, contract_three())
    assert rows(corpus, "SELECT status FROM bootstrap_progress") == [("pending",)]
    assert pipeline.embed(corpus, MADE_UP).status == "completed"


def test_the_guard_counts_the_records_of_the_scope_alone(corpus: Corpus) -> None:
    load(corpus, contracts(10))
    before = everything(corpus)
    shorter = one("Contract 3", Category_9="Alone.")
    with pytest.raises(MassDeleteError, match=r"made_up \(1 of its documents\): .* 3 of the 4 "):
        change(corpus, shorter)
    assert everything(corpus) == before
    assert change(corpus, shorter, allow_deletes=True).deleted == 3


def test_a_text_goes_with_the_last_record_that_has_it_and_a_long_one_with_its_parts(corpus: Corpus) -> None:
    long = "\n\n".join(f"Paragraph {number}. " + "All of it is said at length. " * 30 for number in range(40))
    change(corpus, one("A", Cap="Shared words.", Long=long), one("B", Cap="Shared words."))
    corpus.embedder._model = replace(corpus.embedder.model, context=1_000)  # type: ignore[attr-defined]
    pipeline.embed(corpus, MADE_UP)
    assert rows(corpus, "SELECT count(*) > 1 FROM reference_text_parts") == [(True,)]
    change(corpus, one("A", Cap="Own words.", Long="Short."))
    assert rows(corpus, "SELECT content FROM reference_texts WHERE content NOT LIKE '%\n%' ORDER BY 1") == [
        ("Own words.",),
        ("Shared words.",),
        ("Short.",),
    ]
    assert rows(corpus, "SELECT count(*) FROM reference_text_parts") == [(0,)]


def test_findings_are_those_of_the_document_s_last_parse(corpus: Corpus) -> None:
    odd = [Finding("made_up", Severity.WARNING, "odd", "odd", f"place {title}", title) for title in "AB"]
    change(corpus, one("A", Cap="BROKEN"), one("B", Cap="BROKEN"), *odd)
    change(corpus, one("A", Cap="Mended."), Finding("made_up", Severity.WARNING, "new", "new", "nowhere"))
    open_ones = "SELECT place FROM bootstrap_failures WHERE resolved_at IS NULL"
    assert rows(corpus, open_ones) == [("B",)]
    assert rows(corpus, "SELECT kind FROM bootstrap_findings ORDER BY 1") == [("new",), ("odd",)]
    change(corpus, one("A", Cap="Mended."))
    assert rows(corpus, "SELECT kind FROM bootstrap_findings") == [("odd",)]


def test_changes_of_one_document_leave_those_of_others(corpus: Corpus) -> None:
    load(corpus, contracts(10))
    change(corpus, contract_three())
    change(corpus, contract_three("Yet another clause."))
    change(corpus, one("Contract 4", **{**contracts(10)["Contract 4"], "Category 0": "Something else."}))
    assert rows(corpus, "SELECT before FROM reference_changes WHERE source_id = 'Contract 3__Category 1'") == [
        ("Quite another clause.",)
    ]
    assert rows(corpus, "SELECT count(*) > 0 FROM reference_changes WHERE source_id LIKE 'Contract 4%'") == [
        (True,)
    ]


def test_a_record_of_another_document_is_not_taken_away(corpus: Corpus) -> None:
    load(corpus, contracts(10))
    thief = one("Thief", Cap="Stolen.")
    records = (*thief.records, replace(thief.records[1], source_id="Contract 5__Category 1"))
    with pytest.raises(FormatError, match="Contract 5__Category 1 belongs to another document"):
        change(corpus, replace(thief, records=records))


def test_a_scope_without_the_document_that_came_is_refused(corpus: Corpus) -> None:
    with (
        pytest.raises(FormatError, match="A belongs to another document"),
        corpus.database.connection() as connection,
    ):
        corpus_store.load(connection, [one("A", Cap="Words.")], Scope("made_up", ("B",)))


def test_nothing_of_the_database_is_held_while_a_parser_works(corpus: Corpus) -> None:
    load(corpus, contracts(3))
    sessions: list[tuple[Any, ...]] = []

    def slow() -> Iterator[ParsedDocument]:
        yield one("A", Cap="Words of A.")
        sessions.extend(
            rows(
                corpus,
                "SELECT pid FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() "
                "AND datname = current_database()",
            )
        )
        yield one("B", Cap="Words of B.")

    pipeline.load_documents(corpus, "made_up", slow())
    assert sessions == []


def test_a_text_that_comes_again_after_the_staged_rows_went_to_the_file_is_stored_once(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bootstrap_assets.corpus.staging._FLUSH_CHARACTERS", 1)
    change(corpus, one("A", Cap="Words of A."), one("B", Cap="Words of B."))
    change(corpus, one("A", Cap="Same words."), one("B", Cap="Same words."))
    assert rows(corpus, "SELECT content FROM reference_texts") == [("Same words.",)]
    assert lost(corpus).ok


def scanned(plan: dict[str, Any]) -> Iterator[str]:
    """Tables of ours that a plan reads from the first row on; whether there is any row (InitPlan) takes one."""
    name = str(plan.get("Relation Name", ""))
    read = plan["Node Type"] == "Seq Scan" and plan.get("Parent Relationship") != "InitPlan"
    if read and name.startswith(("reference_", "bootstrap_")):
        yield name
    for below in plan.get("Plans", []):
        yield from scanned(below)


FILL = """
    INSERT INTO reference_text_parts
        SELECT content_hash, id, 0, content_hash FROM reference_texts, embedding_spaces;
    INSERT INTO bootstrap_findings (source, kind, message, place, document_id)
        SELECT 'made_up', '', '', '', gen_random_uuid() FROM generate_series(1, 3000);
    INSERT INTO bootstrap_failures (source, stage, class, message, place, document_id)
        SELECT 'made_up', 'parse', '', '', n, gen_random_uuid() FROM generate_series(1, 3000) n;
    INSERT INTO reference_changes (source, source_id, change, granularity, document_id)
        SELECT 'made_up', n, 'new', 'clause', gen_random_uuid() FROM generate_series(1, 3000) n;
    ANALYZE"""


def test_no_statement_of_a_load_of_one_document_scans_the_corpus(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(corpus, contracts(2000))
    settlement.settle(corpus.database)
    plans: dict[str, list[str]] = {}
    execute = psycopg.Connection.execute

    def explaining(self: Connection, query: Any, params: Any = None, **options: Any) -> Any:
        text = query if isinstance(query, str) else query.as_string(self)
        if ("pg_temp" in text and not text.startswith(("DROP", "ANALYZE")) and ";" not in text) or params:
            [(plan,)] = execute(self, sql.SQL("EXPLAIN (FORMAT JSON) ") + sql.SQL(text), params).fetchall()
            plans[text[:300]] = list(scanned(plan[0]["Plan"]))
        return execute(self, query, params, **options)

    with corpus.database.connection() as connection:
        connection.execute(FILL)
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Connection, "execute", explaining)
            corpus_store.load(connection, [contract_three()], Scope("made_up", ("Contract 3",)))
    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", explaining)
        settlement.settle(corpus.database)
    assert len(plans) > 20
    queue = {"reference_unsettled_texts"}  # as long as what was changed
    assert {text: tables for text, tables in plans.items() if set(tables) - queue} == {}


def test_the_corpus_has_another_version_when_texts_came_or_went_and_no_scan_tells_it(corpus: Corpus) -> None:
    load(corpus, contracts(10))
    version = "SELECT reference_corpus_version()"
    before = rows(corpus, version)
    load(corpus, contracts(10))
    assert rows(corpus, version) == before
    change(corpus, contract_three())
    after = rows(corpus, version)
    assert after != before
    counted = "SELECT sum(texts) = (SELECT count(*) FROM reference_texts) FROM reference_text_changes"
    assert rows(corpus, counted) == [(True,)]
    change(corpus, removed=["Contract 3"], allow_deletes=True)
    assert rows(corpus, version) != after
    assert "reference_texts" not in str(rows(corpus, f"EXPLAIN (VERBOSE) {version}"))


@pytest.mark.parametrize("mode", Mode)
def test_what_streams_in_after_the_index_was_built_is_found_at_once(corpus: Corpus, mode: Mode) -> None:
    load(corpus, contracts(10))
    pipeline.embed(corpus, MADE_UP)
    pipeline.build_index(corpus)
    words = "The zeppelin is insured."
    change(corpus, one("New", Cap=words, Law="Norway."))
    if mode is not Mode.TEXT:
        pipeline.embed_documents(corpus, "made_up", ["New"])
    [hit] = search(corpus.database, corpus.settings, words, k=1, mode=mode)
    assert hit.content == words


class Plans:
    """What the statements scan from the first row on, by the beginning of their text."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.tables: dict[str, list[str]] = {}
        self._execute = psycopg.Connection.execute
        patch.setattr(psycopg.Connection, "execute", self._explaining())

    def _explaining(self) -> Any:
        def explaining(connection: Connection, query: Any, params: Any = None, **options: Any) -> Any:
            text = query if isinstance(query, str) else query.as_string(connection)
            if params and text.lstrip("-").strip()[:6] in (
                "SELECT",
                "INSERT",
                "UPDATE",
                "DELETE",
                "WITH o",
                "WITH s",
            ):
                explain = sql.SQL("EXPLAIN (FORMAT JSON) ") + sql.SQL(text)
                [(plan,)] = self._execute(connection, explain, params).fetchall()
                self.tables[text[:300]] = list(scanned(plan[0]["Plan"]))
            return self._execute(connection, query, params, **options)

        return explaining


def test_embedding_changed_documents_asks_of_these_alone(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    load(corpus, contracts(2000))
    change(corpus, contract_three())
    with corpus.database.connection() as connection:
        connection.execute(FILL)
    with monkeypatch.context() as patch:
        plans = Plans(patch)
        filled = pipeline.embed_documents(corpus, "made_up", ["Contract 3"])
    assert (filled.texts, filled.status) == (4, "pending")
    large = {"reference_texts", "reference_records", "reference_documents", "reference_text_parts"}
    assert len(plans.tables) > 8
    assert {text: tables for text, tables in plans.tables.items() if set(tables) & large} == {}


def test_the_vectors_of_a_request_are_stored_text_by_text(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    load(corpus, contracts(2000))
    with corpus.database.connection() as connection:
        connection.execute("ANALYZE")
    plans: list[list[str]] = []
    execute = psycopg.Connection.execute

    def explaining(self: Connection, query: Any, params: Any = None, **options: Any) -> Any:
        text = query if isinstance(query, str) else query.as_string(self)
        if "FROM pg_temp.stage_vectors" in text:
            [(plan,)] = execute(self, sql.SQL("EXPLAIN (FORMAT JSON) ") + sql.SQL(text)).fetchall()
            plans.append(list(scanned(plan[0]["Plan"])))
        return execute(self, query, params, **options)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", explaining)
        pipeline.embed(corpus, MADE_UP)
    assert plans
    assert not any(plans)


def progress_of(corpus: Corpus) -> list[tuple[Any, ...]]:
    return rows(corpus, "SELECT status, total_records, embedded_records, error_count FROM bootstrap_progress")


def test_the_sums_that_are_kept_of_a_source_are_those_of_a_count(corpus: Corpus) -> None:
    load(corpus, contracts(10))
    pipeline.embed(corpus, MADE_UP)
    for documents, removed in (
        ([contract_three(), one("New", Cap="New words.")], []),
        ([one("New", Cap="Newer words.", Law="Norway.")], ["Contract 4"]),
        ([], ["New"]),
    ):
        change(corpus, *documents, removed=removed, allow_deletes=True)
        names = [entry.document.source_id for entry in documents]
        filled = pipeline.embed_documents(corpus, "made_up", names)
        assert filled.status == "completed"
        kept = progress_of(corpus)
        pipeline.embed(corpus, MADE_UP)
        assert progress_of(corpus) == kept


def test_a_load_of_documents_tells_of_itself_as_that_of_a_source_does(corpus: Corpus) -> None:
    def slow() -> Iterator[ParsedDocument]:
        [(status, is_beating)] = rows(
            corpus, "SELECT status, heartbeat_at > now() - interval '1 minute' FROM bootstrap_progress"
        )
        assert (status, is_beating) == ("in_progress", True)
        yield one("A", Cap="Words.")

    pipeline.load_documents(corpus, "made_up", slow())
    pipeline.embed_documents(corpus, "made_up", ["A"])
    names = [name for (name,) in rows(corpus, "SELECT name FROM bootstrap_events ORDER BY id")]
    assert names[0] == "bootstrap/source.process"
    assert names[-1] == "bootstrap/source.completed"
