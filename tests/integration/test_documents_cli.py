"""`bootstrap documents` and `bootstrap tenants`: what they print, and their exit codes."""

import json
import zipfile
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from bootstrap_assets import cli
from bootstrap_assets.documents import stages, states
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.sample.documents.packed_files import epub
from tests import prepared
from tests.fakes.voyage_server import VoyageServer
from tests.integration.test_documents import TEXT, refusing

SAMPLE_FILES = 6

LIKE_A_CLAUSE = b"""
## 4. Duties

Clause 1 of contract 3 says what party 21 must do.
"""


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str) -> None:
    """A shell in which the corpus is this test's own, and the embedder local."""
    monkeypatch.setenv("BOOTSTRAP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", database_url)
    monkeypatch.setenv("BOOTSTRAP_BATCHES", "16")


@pytest.fixture
def acme(ten_contracts_locally: None, corpus: Corpus, environ: None) -> None:
    """A corpus with a searched reference, and a tenant."""
    invoke("tenants", "add", "acme")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.bootstrap, arguments)


def printed(*arguments: str, code: int = 0) -> Any:
    """The one JSON document on stdout."""
    result = invoke(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "msa [final].md"
    file.write_bytes(TEXT + LIKE_A_CLAUSE)
    return file


def test_what_is_added_is_listed_with_the_shape_that_was_promised(acme: None, file: Path) -> None:
    first = printed("documents", "add", str(file), "--tenant", "acme")
    [entry] = first["added"]
    assert first == {"added": [entry], "unchanged": [], "refused": []}
    assert set(entry) == {"document_id", "name", "stage"}
    assert (entry["name"], entry["stage"]) == ("msa [final].md", "pending")
    assert printed("documents", "add", str(file), "--tenant", "acme")["unchanged"] == [entry]

    [row] = printed("documents", "list", "--tenant", "acme")
    assert list(row) == [
        *("document_id", "name", "stage", "stages", "pages", "passages", "embedded", "connections"),
        *("attempts", "reason"),
    ]


def test_waiting_ends_when_every_document_can_be_searched(acme: None, file: Path) -> None:
    [entry] = printed("documents", "add", str(file), "--tenant", "acme", "--wait")["added"]
    assert entry["stage"] == "complete"
    query = "capped at the fees that were paid in the twelve months"
    assert file.name in invoke("search", query, "--tenant", "acme").stdout
    assert file.name not in invoke("search", query).stdout


def test_waiting_ends_with_3_where_a_document_failed_and_says_why(acme: None, file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pdf"
    bad.write_bytes(b"%PDF-1.7 and nothing else")
    result = invoke("documents", "add", str(file), str(bad), "--tenant", "acme", "--wait")
    assert result.exit_code == 3, result.output
    by_name = {row["name"]: row for row in printed("documents", "list", "--tenant", "acme")}
    assert by_name["bad.pdf"]["stage"] == "failed"
    assert by_name["bad.pdf"]["reason"]
    assert by_name[file.name]["stage"] == "complete"
    shown = invoke("documents", "show", "bad.pdf").stdout
    assert by_name["bad.pdf"]["reason"] in shown
    assert f"bootstrap documents retry {by_name['bad.pdf']['document_id']} --tenant acme" in shown
    assert "1 document to be worked on" in invoke("documents", "retry", "--tenant", "acme").stdout
    assert printed("documents", "show", "bad.pdf")["stage"] == "pending"
    assert invoke("documents", "process", "--tenant", "acme").exit_code == 3


def test_waiting_also_waits_for_what_another_process_works_on(
    acme: None, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    work = stages.process

    def process(corpus: Corpus, tenant: str) -> object:
        calls.append(tenant)
        return {} if len(calls) < 3 else work(corpus, tenant)

    monkeypatch.setattr(stages, "process", process)
    [entry] = printed("documents", "add", str(file), "--tenant", "acme", "--wait")["added"]
    assert (entry["stage"], len(calls)) == ("complete", 3)


def test_a_document_opens_with_the_shape_that_was_promised(acme: None, file: Path) -> None:
    invoke("documents", "add", str(file), "--tenant", "acme", "--wait")
    whole = printed("documents", "open", file.name)
    assert list(whole) == ["document_id", "tenant", "text", "passages", "connections"]
    assert whole["passages"]
    for passage in whole["passages"]:
        assert list(passage) == ["id", "char_start", "char_end", "page", "chapter", "section_path"]
    assert whole["connections"]
    for link in whole["connections"]:
        assert list(link) == [
            *("passage_id", "record_id", "score", "category", "hypothesis_id", "nli_label", "content"),
        ]
    text = invoke("documents", "open", file.name).stdout
    assert "The liability of either party is capped" in text
    assert "like " in text


def test_a_passage_of_a_book_opens_with_its_chapter(acme: None, tmp_path: Path) -> None:
    book = tmp_path / "book.epub"
    book.write_bytes(epub("Book", ["<p>The first binds nobody.</p>", "<h1>Term</h1><p>The second ends.</p>"]))
    invoke("documents", "add", str(book), "--tenant", "acme", "--wait")
    passages = printed("documents", "open", "book.epub")["passages"]
    assert [(passage["page"], passage["chapter"]) for passage in passages] == [(None, 1), (None, 2)]
    assert " · chapter 2 · " in invoke("documents", "open", "book.epub").stdout


def test_a_text_that_is_not_there_yet_is_said_to_be_missing(acme: None, file: Path) -> None:
    invoke("documents", "add", str(file), "--tenant", "acme")
    result = invoke("documents", "open", file.name)
    assert "has no text yet: it is pending" in str(result.exception)


def test_names_of_other_systems_are_shown_on_one_line_and_found_again(acme: None, tmp_path: Path) -> None:
    odd = tmp_path / "two\nlines [bold]x[bold].md"
    odd.write_bytes(TEXT)
    [entry] = printed("documents", "add", str(odd), "--tenant", "acme")["added"]
    assert "\n" not in entry["name"]
    assert "[bold]x[bold]" in entry["name"]
    assert entry["name"] in invoke("documents", "list", "--tenant", "acme").stdout
    assert printed("documents", "show", entry["name"])["document_id"] == entry["document_id"]
    assert entry["name"] in invoke("documents", "show", entry["document_id"]).stdout


def test_what_cannot_be_taken_is_refused_alone_and_ends_with_3(acme: None, file: Path, tmp_path: Path) -> None:
    missing = tmp_path / "not\nhere"
    intake = printed("documents", "add", str(missing), str(file), "--tenant", "acme", code=3)
    assert [entry["name"] for entry in intake["added"]] == [file.name]
    [refusal] = intake["refused"]
    assert refusal["reason"] == "there is no such file"
    assert "\n" not in refusal["name"]
    assert "refused" in invoke("documents", "add", str(missing), "--tenant", "acme").stdout


def test_two_files_of_one_name_do_not_take_each_other_s_place(acme: None, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "nda.md").write_text(f"An agreement of {folder}.")
    paths = [str(tmp_path / folder / "nda.md") for folder in ("a", "b")]
    intake = printed("documents", "add", *paths, "--tenant", "acme", code=3)
    assert [entry["name"] for entry in intake["added"]] == ["nda.md"]
    assert "another file of this name" in intake["refused"][0]["reason"]


def test_an_archive_s_files_are_documents(acme: None, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("deals/one.md", TEXT)
        archive.writestr("two.txt", b"Another text.")
    intake = printed("documents", "add", str(tmp_path / "all.zip"), "--tenant", "acme")
    assert {entry["name"] for entry in intake["added"]} == {"deals/one.md", "two.txt"}


def test_the_sample_comes_into_a_database_that_has_nothing_and_makes_its_tenant(
    environ: None, blank_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", blank_database_url)
    result = invoke("documents", "add", "--sample", "--tenant", "demo", "--wait")
    assert result.exit_code == 0, result.output
    assert "bootstrap run" in result.stderr
    rows = printed("documents", "list", "--tenant", "demo")
    assert [row["stage"] for row in rows] == ["embedded"] * SAMPLE_FILES
    assert [tenant["name"] for tenant in printed("tenants", "list")] == ["demo"]


def test_documents_wait_for_the_reference_corpus_to_be_connected(
    environ: None, corpus: Corpus, file: Path
) -> None:
    invoke("tenants", "add", "acme")
    invoke("documents", "add", str(file), "--tenant", "acme", "--wait")
    assert printed("documents", "show", file.name)["stage"] == "embedded"
    prepared.ten_contracts_locally(corpus)
    invoke("documents", "process", "--tenant", "acme")
    assert printed("documents", "show", file.name)["connections"]


def test_complete_documents_are_connected_again_when_asked(acme: None, file: Path, corpus: Corpus) -> None:
    invoke("documents", "add", str(file), "--tenant", "acme", "--wait")
    before = printed("documents", "show", file.name)["stages"]
    assert invoke("documents", "process", "--tenant", "acme").exit_code == 0
    assert printed("documents", "show", file.name)["stages"] == before
    assert invoke("documents", "process", "--tenant", "acme", "--connect-again").exit_code == 0
    after = printed("documents", "show", file.name)["stages"]
    assert after["complete"] != before["complete"]
    assert after["embedded"] == before["embedded"]


def test_a_cancelled_document_is_left_alone_until_it_is_retried(acme: None, file: Path) -> None:
    invoke("documents", "add", str(file), "--tenant", "acme")
    assert invoke("documents", "cancel", file.name, "--tenant", "acme").stdout == "1 document cancelled\n"
    assert invoke("documents", "process", "--tenant", "acme").exit_code == 0
    assert printed("documents", "show", file.name)["stage"] == "pending"
    assert "pending (cancelled)" in invoke("documents", "list", "--tenant", "acme").stdout
    invoke("documents", "retry", file.name, "--tenant", "acme")
    invoke("documents", "process", "--tenant", "acme")
    assert printed("documents", "show", file.name)["stage"] == "complete"


def test_a_document_is_extracted_again_when_that_is_asked_for(acme: None, file: Path) -> None:
    invoke("documents", "add", str(file), "--tenant", "acme", "--wait")
    before = printed("documents", "show", file.name)
    invoke("documents", "retry", file.name, "--tenant", "acme", "--extract")
    invoke("documents", "process", "--tenant", "acme")
    after = printed("documents", "show", file.name)
    assert after["stages"]["extracted"] != before["stages"]["extracted"]
    assert (after["stage"], after["passages"]) == ("complete", before["passages"])


def test_a_removed_document_is_gone(acme: None, file: Path) -> None:
    invoke("documents", "add", str(file), "--tenant", "acme", "--wait")
    assert invoke("documents", "remove", file.name, "--tenant", "acme").stdout == "1 document removed\n"
    assert printed("documents", "list", "--tenant", "acme") == []
    assert "none" in invoke("documents", "list", "--tenant", "acme").stdout


def test_a_look_at_the_inbox_takes_files_and_forgets_the_vanished(
    acme: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOTSTRAP_INBOX", str(tmp_path / "inbox"))
    folder = tmp_path / "inbox" / "acme"
    folder.mkdir(parents=True)
    for number in range(8):
        (folder / f"{number}.md").write_text(f"Text {number}.")
    assert len(printed("documents", "scan", "--tenant", "acme")["added"]) == 8
    for file in folder.iterdir():
        file.unlink()
    assert printed("documents", "scan", "--tenant", "acme", code=3)["held_back"] == 8
    assert "--allow-deletes" in invoke("documents", "scan", "--tenant", "acme").stderr
    assert "8 removed" in invoke("documents", "scan", "--tenant", "acme", "--allow-deletes").stdout
    assert printed("documents", "list", "--tenant", "acme") == []


def test_without_an_inbox_there_is_nothing_to_scan(acme: None) -> None:
    assert "BOOTSTRAP_INBOX is not set" in str(invoke("documents", "scan", "--tenant", "acme").exception)


@pytest.mark.parametrize("command", ["list", "process", "add"])
def test_a_tenant_that_nobody_made_is_no_tenant(environ: None, file: Path, command: str) -> None:
    more = [str(file)] if command == "add" else []
    result = invoke("documents", command, *more, "--tenant", "nobody")
    assert "there is no tenant 'nobody': `bootstrap tenants add nobody` makes one" in str(result.exception)


def test_a_name_that_two_tenants_have_asks_which(acme: None, file: Path) -> None:
    invoke("tenants", "add", "beta")
    for tenant in ("acme", "beta"):
        invoke("documents", "add", str(file), "--tenant", tenant)
    assert "more than one tenant has a document" in str(invoke("documents", "show", file.name).exception)
    document = printed("documents", "show", file.name, "--tenant", "beta")
    assert document["document_id"] == str(states.id_of("beta", file.name))


def test_tenants_are_listed_with_what_they_have_the_most_urgent_first(acme: None, file: Path) -> None:
    assert invoke("tenants", "add", "beta", "--priority", "5", "--at-work", "2").stdout == "beta: added\n"
    assert invoke("tenants", "add", "beta", "--priority", "7", "--at-work", "2").stdout == "beta: changed\n"
    invoke("documents", "add", str(file), "--tenant", "acme", "--wait")
    beta, acme_row = printed("tenants", "list")
    assert beta == {"name": "beta", "priority": 7, "at_work": 2, "documents": 0, "failed": 0, "passages": 0}
    assert (acme_row["name"], acme_row["documents"]) == ("acme", 1)
    assert acme_row["passages"] > 1
    assert "beta" in invoke("tenants", "list").stdout


def test_a_tenant_is_removed_with_all_that_only_it_had(acme: None, file: Path, corpus: Corpus) -> None:
    invoke("documents", "add", str(file), "--tenant", "acme", "--wait")
    assert invoke("tenants", "remove", "acme").exit_code == 1  # nobody said yes
    assert invoke("tenants", "remove", "acme", "--yes").stdout == "acme is removed, with 1 document\n"
    assert printed("tenants", "list") == []
    with corpus.database.connection() as connection:
        rows = connection.execute("SELECT count(*) FROM reference_records WHERE tenant_id IS NOT NULL").fetchone()
    assert rows == (0,)


def test_a_role_is_granted_what_an_application_reads(acme: None, database_url: str) -> None:
    assert "there is no role" in str(invoke("tenants", "grant", "nobody_of_this_name").exception)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE app_of_the_cli")
        try:
            result = invoke("tenants", "grant", "app_of_the_cli")
            assert "SET LOCAL bootstrap.tenant" in result.stdout
            connection.execute("SET ROLE app_of_the_cli")
            assert connection.execute("SELECT count(*) FROM reference_records").fetchone() != (0,)
        finally:
            connection.execute("RESET ROLE")
            connection.execute("DROP OWNED BY app_of_the_cli")
            connection.execute("DROP ROLE app_of_the_cli")


def test_documents_are_requested_once_by_other_programs(acme: None) -> None:
    first = printed("request", "--tenant", "acme", "--by", "a program")
    assert (first["request"], first["new"]) == (1, True)
    assert printed("request", "--tenant", "acme")["new"] is False
    assert printed("request", "cuad")["request"] > 1  # sources are another matter
    assert "request 1 is cancelled" in invoke("cancel", "1").stdout
    [entry] = printed("wait", "1", code=1)
    assert (entry["tenant"], entry["sources"], entry["status"]) == ("acme", [], "cancelled")
    assert "there is no tenant 'nobody'" in str(invoke("request", "--tenant", "nobody").exception)
    assert "goes with no source" in str(invoke("request", "cuad", "--tenant", "acme").exception)


@pytest.fixture
def refused(
    ten_contracts: None,
    corpus: Corpus,
    environ: None,
    file: Path,
    voyage: VoyageServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A document of which the provider refuses a passage."""
    monkeypatch.setenv("VOYAGE_API_KEY", "test-key")
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_BASE_URL", voyage.url)
    invoke("tenants", "add", "acme")
    voyage.refuse = refusing("ninety days")
    assert invoke("documents", "add", str(file), "--tenant", "acme", "--wait").exit_code == 3
    voyage.refuse = None


def test_what_failed_of_a_document_is_retried_by_the_document_s_own_command(refused: None, file: Path) -> None:
    letters = printed("failures", "list")
    assert [letter["source"] for letter in letters] == ["documents"]
    result = invoke("failures", "retry")
    assert result.exit_code == 3
    assert "1 of them are of tenants' documents: `bootstrap documents retry --tenant NAME`" in result.stdout
    assert invoke("documents", "retry", "--tenant", "acme").exit_code == 0
    assert invoke("documents", "process", "--tenant", "acme").exit_code == 0
    assert printed("documents", "show", file.name)["stage"] == "complete"
    assert printed("failures", "list") == []


def test_tenants_documents_are_no_source_of_the_corpus(refused: None) -> None:
    invoke("failures", "retry")
    invoke("documents", "retry", "--tenant", "acme")
    invoke("documents", "process", "--tenant", "acme")
    assert "documents" not in printed("status")["sources"]
    assert "documents" not in {row["source"] for row in printed("plan")["sources"]}
    assert "documents" in json.dumps(printed("cost"))  # what was paid stands in the ledger
