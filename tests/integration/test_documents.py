"""Tenants' documents: stage by stage, each done once, whatever happens in between."""

import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bootstrap_assets.documents import folders, inbox, opened, removal, stages, states, tenants
from bootstrap_assets.documents.extraction.extractor import Extractor
from bootstrap_assets.documents.folders import LocalFolder
from bootstrap_assets.documents.states import DocumentState
from bootstrap_assets.documents.steps import CHUNK, CONNECT, EMBED, EXTRACT, STEPS, Step
from bootstrap_assets.documents.work import working
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.search.query import Filters, search
from tests.fakes.voyage_server import Refusal, VoyageServer

TEXT = b"""# Master Services Agreement

## 1. Liability

The liability of either party is capped at the fees that were paid in the twelve months before the claim.

## 2. Confidentiality

Each party keeps the other's confidential information secret for five years, and shows it to nobody.

## 3. Termination

Either party may terminate this agreement for convenience with ninety days' written notice.
"""


def add_tenant(corpus: Corpus, name: str, **options: Any) -> None:
    with corpus.database.connection() as connection:
        tenants.add(connection, name, **options)


def put(corpus: Corpus, tenant: str, name: str, content: bytes, *, origin: str = "added") -> UUID:
    """A document's bytes, as `bootstrap documents add` takes them."""
    with corpus.database.connection() as connection:
        states.put(connection, tenant, [states.Arrival(name, content)], origin=origin)
    return states.id_of(tenant, name)


def state_of(corpus: Corpus, document: UUID) -> DocumentState:
    with corpus.database.connection() as connection:
        return states.listing(connection, documents=[document])[0]


def rows(corpus: Corpus, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    with corpus.database.connection() as connection:
        return connection.execute(query.encode(), parameters).fetchall()


def records_of(corpus: Corpus, document: UUID) -> list[tuple[Any, ...]]:
    return rows(
        corpus,
        "SELECT id, content_hash, created_at FROM reference_records WHERE document_id = %s ORDER BY id",
        document,
    )


@pytest.fixture
def acme(ten_contracts: None, corpus: Corpus) -> Corpus:
    """A corpus with the reference and a tenant."""
    add_tenant(corpus, "acme")
    return corpus


def test_a_document_goes_through_every_stage_and_keeps_when_it_was_done(acme: Corpus) -> None:
    document = put(acme, "acme", "msa.md", TEXT)
    stages.process(acme, "acme")
    state = state_of(acme, document)
    assert (state.stage, state.reason) == ("complete", None)
    assert list(state.stages) == ["chunked", "complete", "embedded", "extracted"]
    assert state.passages
    assert state.embedded == state.passages


def test_every_passage_stands_where_it_says_in_the_text(acme: Corpus) -> None:
    document = put(acme, "acme", "msa.md", TEXT)
    stages.process(acme, "acme")
    found = rows(
        acme,
        "SELECT substr(d.raw_text, r.char_start + 1, r.char_end - r.char_start) = t.content, r.section_path "
        "FROM reference_records r JOIN reference_documents d ON d.id = r.document_id "
        "JOIN reference_texts t ON t.content_hash = r.content_hash WHERE d.id = %s ORDER BY r.char_start",
        document,
    )
    assert all(same for same, _ in found)
    assert any("Liability" in path for _, path in found)


def test_a_document_is_found_by_its_tenant_as_soon_as_it_is_embedded_and_by_nobody_else(acme: Corpus) -> None:
    document = put(acme, "acme", "msa.md", TEXT)
    for step in (EXTRACT, CHUNK, EMBED):
        stages.run(acme, "acme", step)
    query = "liability is capped at the fees paid in twelve months"

    def documents(tenant: str | None) -> set[str]:
        hits = search(acme.database, acme.settings, query, k=20, filters=Filters(tenant=tenant))
        return {record["document_id"] for hit in hits for record in hit.records}

    assert str(document) in documents("acme")
    assert str(document) not in documents(None) | documents("other")


def crash_in(corpus: Corpus, tenant: str, step: Step) -> None:
    """A process that claims a document for a step and dies: its lock is free, its row says that it is at work."""
    with working(corpus.database, limit=10, run_id="dead", every=30, stop=corpus.stop) as worker:
        assert worker.claim(tenant, step)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.doing)
def test_after_a_kill_in_any_stage_the_stages_before_it_are_not_run_again(
    acme: Corpus, step: Step, voyage: VoyageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = put(acme, "acme", "msa.md", TEXT)
    calls: list[str] = []
    extract = Extractor.extract

    def counting(self: Extractor, *arguments: Any, **options: Any) -> Any:
        calls.append("extract")
        return extract(self, *arguments, **options)

    monkeypatch.setattr(Extractor, "extract", counting)
    for one in STEPS:
        if one is step:
            crash_in(acme, "acme", step)
            assert state_of(acme, document).stage == step.doing
        stages.run(acme, "acme", one)
    assert state_of(acme, document).stage == "complete"
    assert calls == ["extract"]
    assert voyage.texts_paid_twice == 0


def test_the_same_bytes_again_change_nothing_and_other_bytes_replace_only_changed_passages(acme: Corpus) -> None:
    document = put(acme, "acme", "msa.md", TEXT)
    stages.process(acme, "acme")
    before = records_of(acme, document)
    put(acme, "acme", "msa.md", TEXT)
    assert state_of(acme, document).stage == "complete"
    put(acme, "acme", "msa.md", TEXT.replace(b"five years", b"seven years"))
    stages.process(acme, "acme")
    after = records_of(acme, document)
    assert len(set(before) & set(after)) == len(before) - 1 == len(after) - 1
    assert state_of(acme, document).stage == "complete"


def test_a_document_that_is_extracted_again_keeps_its_passages_and_their_ids(acme: Corpus) -> None:
    document = put(acme, "acme", "msa.md", TEXT)
    stages.process(acme, "acme")
    before = records_of(acme, document)
    with acme.database.connection() as connection:
        states.extract_again(connection, document)
    stages.process(acme, "acme")
    assert records_of(acme, document) == before


def test_a_bad_document_fails_with_its_reason_and_the_others_are_done(acme: Corpus) -> None:
    good, bad = put(acme, "acme", "good.md", TEXT), put(acme, "acme", "bad.pdf", b"%PDF-1.7 and no more")
    stages.process(acme, "acme")
    assert state_of(acme, good).stage == "complete"
    state = state_of(acme, bad)
    assert state.stage == "failed"
    assert state.reason


def refusing(words: str) -> Callable[[list[str]], None]:
    """A provider that takes no text with these words."""

    def refuse(texts: list[str]) -> None:
        if any(words in text for text in texts):
            raise Refusal(400, "The request could not be processed.")

    return refuse


def test_a_failed_document_is_tried_again_when_it_is_asked_for(acme: Corpus, voyage: VoyageServer) -> None:
    document = put(acme, "acme", "msa.md", TEXT)
    voyage.refuse = refusing("ninety days")
    stages.process(acme, "acme")
    state = state_of(acme, document)
    assert state.stage == "failed"
    assert "passages have no vector" in str(state.reason)
    voyage.refuse = None
    with acme.database.connection() as connection:
        assert states.retry(connection, tenant="acme") == 1
    assert state_of(acme, document).stage == "chunked"
    stages.process(acme, "acme")
    assert state_of(acme, document).stage == "complete"


def test_two_tenants_with_the_same_file_pay_for_it_once(acme: Corpus, voyage: VoyageServer) -> None:
    add_tenant(acme, "other")
    for tenant in ("acme", "other"):
        put(acme, tenant, "msa.md", TEXT)
        stages.process(acme, tenant)
    assert voyage.texts_paid_twice == 0


def test_removing_a_tenant_leaves_nothing_of_what_only_it_had(acme: Corpus) -> None:
    def everything() -> list[list[tuple[Any, ...]]]:
        tables = ("reference_documents", "reference_records", "reference_texts", str(acme.space.table))
        return [rows(acme, f"SELECT count(*) FROM {table}") for table in tables]

    before = everything()
    put(acme, "acme", "msa.md", TEXT)
    stages.process(acme, "acme")
    assert everything() != before
    assert removal.remove_tenant(acme.database, "acme") == 1
    assert everything() == before
    assert rows(acme, "SELECT FROM document_states") == rows(acme, "SELECT FROM document_extractions") == []


def test_a_cancelled_document_is_left_alone_until_it_is_tried_again(acme: Corpus) -> None:
    document = put(acme, "acme", "msa.md", TEXT)
    with acme.database.connection() as connection:
        states.cancel(connection, document)
    stages.process(acme, "acme")
    assert state_of(acme, document).stage == "pending"
    with acme.database.connection() as connection:
        states.retry(connection, tenant="acme")
    stages.process(acme, "acme")
    assert state_of(acme, document).stage == "complete"


def test_one_process_works_on_a_document_and_another_takes_the_next(acme: Corpus) -> None:
    first, second = put(acme, "acme", "a.md", TEXT), put(acme, "acme", "b.md", TEXT + b"\nMore.\n")
    with _worker(acme) as one, _worker(acme) as other:
        claims = [worker.claim("acme", EXTRACT)[0].document_id for worker in (one, other)]
        assert claims == [first, second]
        assert one.claim("acme", EXTRACT) == []


def test_two_runs_on_one_tenant_share_its_documents_and_do_none_twice(
    acme: Corpus, voyage: VoyageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        put(acme, "acme", f"{number}.md", TEXT.replace(b"five", str(number).encode()))
    calls: Counter[tuple[str, int]] = Counter()
    extract = Extractor.extract

    def counting(self: Extractor, path: Path, **options: Any) -> Any:
        calls[path.name, threading.get_ident()] += 1
        return extract(self, path, **options)

    monkeypatch.setattr(Extractor, "extract", counting)
    runs = [replace(acme, run_id=name) for name in ("first", "second")]
    with ThreadPoolExecutor() as pool:
        list(pool.map(stages.process, runs, ["acme"] * 2))
    for run in runs:  # what one of them left to the other, which had it when it looked
        stages.process(run, "acme")
    with acme.database.connection() as connection:
        assert {state.stage for state in states.listing(connection, tenant="acme")} == {"complete"}
    assert len({name for name, _ in calls}) == len(calls) == calls.total() == 40
    assert len({thread for _, thread in calls}) == 2
    assert voyage.texts_paid_twice == 0


def test_no_more_documents_are_at_work_than_may_be(acme: Corpus) -> None:
    add_tenant(acme, "small", at_work=1)
    for tenant in ("acme", "small"):
        for number in range(3):
            put(acme, tenant, f"{number}.md", TEXT + str(number).encode())
    with _worker(acme, limit=3) as one, _worker(acme, limit=3) as other:
        assert len(one.claim("small", EXTRACT, most=3)) == 1
        assert len(other.claim("acme", EXTRACT, most=3)) == 2


def _worker(corpus: Corpus, limit: int = 10) -> Any:
    return working(corpus.database, limit=limit, run_id="test", every=30, stop=corpus.stop)


@pytest.mark.parametrize(("minutes", "stale"), [(29, False), (31, True)])
def test_a_document_is_stale_after_half_an_hour_without_a_sign_of_life(
    acme: Corpus, minutes: int, stale: bool
) -> None:
    query = "SELECT document_is_stale('extracting', now() - make_interval(mins => %s))"
    assert rows(acme, query, minutes) == [(stale,)]


def test_a_document_whose_bytes_change_while_it_is_worked_on_keeps_nothing_of_the_work(acme: Corpus) -> None:
    document = put(acme, "acme", "msa.md", TEXT)
    with _worker(acme) as worker:
        [claim] = worker.claim("acme", EXTRACT)
        put(acme, "acme", "msa.md", TEXT + b"\nAnother version.\n")
        assert worker.is_unwanted(claim)
        with acme.database.connection() as connection:
            assert not worker.end(connection, claim, EXTRACT)
    assert state_of(acme, document).stage == "pending"


def names(corpus: Corpus, tenant: str = "acme") -> list[str]:
    with corpus.database.connection() as connection:
        return [state.name for state in states.listing(connection, tenant=tenant)]


def test_the_inbox_takes_new_and_changed_files_and_forgets_vanished_ones(acme: Corpus, tmp_path: Path) -> None:
    folder = tmp_path / "inbox" / "acme"
    (folder / "deep").mkdir(parents=True)
    for number in range(8):
        (folder / "deep" / f"{number}.md").write_bytes(TEXT + str(number).encode())
    assert len(inbox.scan(acme.database, LocalFolder(folder), "acme").added) == 8
    assert inbox.scan(acme.database, LocalFolder(folder), "acme") == inbox.Intake()
    (folder / "deep" / "0.md").write_bytes(TEXT)
    (folder / "deep" / "1.md").unlink()
    intake = inbox.scan(acme.database, LocalFolder(folder), "acme")
    assert (intake.added, intake.removed) == (["deep/0.md"], ["deep/1.md"])
    assert len(names(acme)) == 7


def test_a_look_that_has_no_time_left_forgets_nothing_more_and_the_next_one_goes_on(
    acme: Corpus, tmp_path: Path
) -> None:
    for number in range(4):
        (tmp_path / f"{number}.md").write_bytes(TEXT + str(number).encode())
    inbox.scan(acme.database, LocalFolder(tmp_path), "acme")
    for number in range(3):
        (tmp_path / f"{number}.md").unlink()
    assert inbox.scan(acme.database, LocalFolder(tmp_path), "acme", seconds=0).removed == []
    assert inbox.scan(acme.database, LocalFolder(tmp_path), "acme").removed == ["0.md", "1.md", "2.md"]


def test_an_inbox_that_is_gone_at_once_costs_no_document(acme: Corpus, tmp_path: Path) -> None:
    folder = tmp_path / "acme"
    folder.mkdir()
    for number in range(10):
        (folder / f"{number}.md").write_bytes(TEXT + str(number).encode())
    inbox.scan(acme.database, LocalFolder(folder), "acme")
    for path in folder.glob("*.md"):
        path.unlink()
    assert inbox.scan(acme.database, LocalFolder(folder), "acme").held_back == 10
    assert len(names(acme)) == 10
    assert len(inbox.scan(acme.database, LocalFolder(folder), "acme", allow_deletes=True).removed) == 10


def test_a_folder_that_cannot_be_read_costs_no_document(
    acme: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "acme"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "one.md").write_bytes(TEXT)
    inbox.scan(acme.database, LocalFolder(folder), "acme")
    list_folder = os.scandir

    def refuse(place: Any) -> Any:
        if str(place).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(place))
        return list_folder(place)

    monkeypatch.setattr(os, "scandir", refuse)
    intake = inbox.scan(acme.database, LocalFolder(folder), "acme")
    assert (intake.held_back, len(intake.refused), names(acme)) == (1, 1, ["deep/one.md"])
    assert "cannot be listed" in intake.why_held_back("acme")
    assert "--allow-deletes" not in intake.why_held_back("acme")


def test_a_link_out_of_the_inbox_and_a_pipe_are_refused(acme: Corpus, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("not for you")
    folder = tmp_path / "acme"
    folder.mkdir()
    (folder / "link.txt").symlink_to(secret)
    os.mkfifo(folder / "pipe.txt")
    intake = inbox.scan(acme.database, LocalFolder(folder), "acme")
    assert {refusal.name for refusal in intake.refused} == {"link.txt", "pipe.txt"}
    assert names(acme) == []


@pytest.mark.parametrize("name", ["a\nb.txt", "../../up.txt", "x" * 300 + ".txt", "a\udcffb.txt"])
def test_a_strange_name_becomes_one_plain_line(name: str) -> None:
    plain = folders.clean_name(name)
    assert len(plain) <= folders.LONGEST + 1
    assert plain.isprintable()
    assert ".." not in plain
    assert plain.endswith(".txt")
    assert folders.clean_name(name) == plain


def test_a_tenant_that_is_not_there_is_wrong_usage(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="bootstrap tenants add nobody"):
        inbox.add(corpus.database, "nobody", [tmp_path])


def test_passages_are_connected_with_what_they_are_like_in_the_reference_alone(acme: Corpus) -> None:
    add_tenant(acme, "other")
    [clause] = rows(
        acme,
        "SELECT t.content, r.id::text FROM reference_records r JOIN reference_texts t USING (content_hash) "
        "WHERE r.granularity = 'clause' ORDER BY r.id LIMIT 1",
    )
    put(acme, "other", "same.txt", clause[0].encode())
    stages.process(acme, "other")
    document = put(acme, "acme", "mine.txt", clause[0].encode())
    stages.process(acme, "acme")
    with acme.database.connection() as connection:
        whole = opened.read(connection, state_of(acme, document))
    links = {link["record_id"]: link["score"] for link in whole["connections"]}
    assert links[clause[1]] == pytest.approx(1, abs=1e-3)
    others = {str(row[0]) for row in rows(acme, "SELECT id FROM reference_records WHERE tenant_id IS NOT NULL")}
    assert not others & links.keys()


def test_what_a_passage_is_like_is_all_that_is_near_enough_whatever_tenants_have(acme: Corpus) -> None:
    for number in range(60):
        put(acme, "acme", f"{number}.txt", f"Clause {number} of many that the tenant has.".encode())
    for step in (EXTRACT, CHUNK, EMBED):
        stages.run(acme, "acme", step)
    asked = "FROM reference_vectors q JOIN reference_records o USING (content_hash), LATERAL "
    alike = f"SELECT a.content_hash {asked} reference_alike(q.embedding, -0.02, 500) a WHERE o.tenant_id = 'acme'"
    near = (
        f"SELECT v.content_hash {asked} (SELECT * FROM reference_vectors v "
        "WHERE 1 - (v.embedding <=> q.embedding) >= -0.02) v "
        "WHERE o.tenant_id = 'acme' AND v.content_hash IN ("
        "SELECT content_hash FROM reference_records WHERE tenant_id IS NULL)"
    )
    expected = Counter(rows(acme, near))
    assert expected
    assert sum((Counter(rows(acme, alike)) & expected).values()) > 0.95 * sum(expected.values())
    assert not Counter(rows(acme, alike)) - expected
    [few] = rows(acme, f"SELECT count(*) {asked} reference_alike(q.embedding, -1, 3) a WHERE o.tenant_id = 'acme'")
    assert few == (180,)


def test_what_a_passage_is_like_is_looked_up_in_the_index_of_vectors_and_no_further_than_it_is_alike(
    acme: Corpus,
) -> None:
    with acme.database.connection() as connection:
        connection.execute(
            "SELECT a.* FROM (SELECT embedding FROM reference_vectors LIMIT 1) v, "
            "LATERAL reference_alike(v.embedding, 0.999, 50) a"
        ).fetchall()
        looks = connection.execute(
            "SELECT pg_stat_get_xact_tuples_returned(indexrelid) FROM pg_stat_user_indexes "
            "WHERE indexrelname LIKE '%\\_hnsw%'"
        ).fetchall()
    assert [1 <= count < 20 for [count] in looks] == [True]


def test_a_contract_is_not_connected_with_code(acme: Corpus) -> None:
    [clause] = rows(
        acme, "SELECT t.content FROM reference_texts t JOIN reference_records r USING (content_hash) LIMIT 1"
    )
    document = put(acme, "acme", "mine.txt", clause[0].encode())
    with acme.database.connection() as connection:
        connection.execute("UPDATE reference_records SET source = 'repositories' WHERE tenant_id IS NULL")
    stages.process(acme, "acme")
    assert rows(acme, "SELECT FROM reference_connections") == []
    assert state_of(acme, document).stage == "embedded"  # as long as there is nothing to be compared with


def test_connections_are_made_anew_when_they_are_asked_for(acme: Corpus) -> None:
    document = put(acme, "acme", "msa.md", TEXT)
    stages.process(acme, "acme")
    with acme.database.connection() as connection:
        connection.execute("DELETE FROM reference_connections")
        assert states.connect_again(connection, "acme") == 1
    stages.run(acme, "acme", CONNECT)
    assert rows(acme, "SELECT FROM reference_connections") or state_of(acme, document).connections == 0
