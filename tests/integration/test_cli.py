"""The `bootstrap` command: what it prints, and its exit codes."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result

from bootstrap_assets import cli, pipeline
from bootstrap_assets.cli import environment
from bootstrap_assets.cli.console import errors
from bootstrap_assets.cli.signals import Signalled, raising_signals, stopping_signals
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import connect
from bootstrap_assets.embedding import context
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.search.query import search as find
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.fetch import locate
from tests.fakes.voyage_server import Always, Fault, VoyageServer
from tests.integration.test_index import local_space


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str) -> dict[str, str]:
    """A shell in which the corpus is this test's own, and the embedder local."""
    variables = {
        "BOOTSTRAP_HOME": str(tmp_path / "home"),
        "BOOTSTRAP_DATABASE_URL": database_url,
        "BOOTSTRAP_BATCHES": "8",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.bootstrap, arguments)


def shell(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """The command as a user's shell runs it."""
    command = [str(Path(sys.executable).parent / "bootstrap"), *arguments]
    return subprocess.run(command, env=os.environ | more, capture_output=True, text=True, check=False)


@pytest.fixture
def small(bonterms: None, corpus: Corpus, environ: dict[str, str]) -> Corpus:
    """A corpus with one source of the sample in it."""
    return local_space(corpus)


def test_status_json_is_one_document_of_the_promised_shape(small: Corpus) -> None:
    result = invoke("status", "--json")
    document: dict[str, Any] = json.loads(result.stdout)
    assert list(document["sources"]) == ["cuad", "contract_nli", "bonterms", "commonaccord"]
    bonterms = document["sources"]["bonterms"]
    assert bonterms["status"] == "completed"
    assert bonterms["embedded_records"] == bonterms["total_records"] == bonterms["processed_records"]
    assert bonterms["documents"] == 4
    assert bonterms["error_count"] == 0
    assert set(bonterms["by_granularity"]) == {"template", "section", "clause"}
    assert set(bonterms["batches"]) == {"total", "complete", "failed", "stale"}
    assert document["sources"]["cuad"]["status"] == "pending"
    assert document["space"]["provider"] == "local"
    assert document["space"]["dimensions"] == 256
    assert document["space"]["vectors"] == document["texts"]
    assert document["index"] == {"exists": True, "valid": True}


def test_search_json_is_one_document_of_the_promised_shape(small: Corpus) -> None:
    document = json.loads(invoke("search", "liability", "-k", "2", "--json").stdout)
    assert document["query"] == "liability"
    assert document["mode"] == "hybrid"
    assert len(document["results"]) == 2
    assert set(document["results"][0]) == {
        "rank",
        "score",
        "record_id",
        "source",
        "source_id",
        "document",
        "granularity",
        "section_path",
        "category",
        "hypothesis_id",
        "nli_label",
        "char_start",
        "char_end",
        "content",
        "before",
        "after",
        "vector_rank",
        "vector_score",
        "text_rank",
        "text_score",
        "weak",
        "invented",
        "others",
        "records",
        "licence",
        "tenant_id",
        "attribution",
        "url",
        "scorer",
    }


def test_a_hit_counts_the_others_in_words(small: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    record = {"source": "bonterms", "granularity": "clause"}
    [hit] = find(small.database, small.settings, "liability", k=1)
    others = (record, record, record | {"granularity": "section"})
    told = replace(hit, others=others)
    monkeypatch.setattr(sys.modules["bootstrap_assets.cli.search"], "find", lambda *_, **__: [told])
    printed = invoke("search", "liability").stdout
    assert "says the same, 3 more: 2 bonterms clauses, 1 bonterms section" in printed


def test_search_prints_hits_for_people(small: Corpus) -> None:
    printed = invoke("search", "liability", "-k", "2").stdout
    assert "1. " in printed
    assert "bonterms" in printed


def test_status_prints_a_table(small: Corpus) -> None:
    printed = invoke("status").stdout
    assert "completed" in printed
    assert "index valid" in printed


def test_an_unknown_granularity_is_wrong_usage(environ: dict[str, str]) -> None:
    assert invoke("search", "x", "--granularity", "word").exit_code == 2


def test_an_unknown_source_is_wrong_usage(environ: dict[str, str]) -> None:
    result = shell("run", "cuads")
    assert result.returncode == 2
    assert "unknown source 'cuads'" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_data_folder_is_wrong_usage(environ: dict[str, str]) -> None:
    result = shell("run", "--data", "/nowhere/at/all")
    assert result.returncode == 2
    assert "no folder /nowhere/at/all" in result.stderr


def test_a_database_that_is_down_is_a_failure_without_a_traceback(environ: dict[str, str]) -> None:
    result = shell("status", BOOTSTRAP_DATABASE_URL="postgresql://me:hunter2@127.0.0.1:1/corpus")
    assert result.returncode == 1
    assert "127.0.0.1:1/corpus" in result.stderr
    assert "Traceback" not in result.stderr
    assert "hunter2" not in result.stderr


def test_an_empty_database_says_what_to_do(environ: dict[str, str], blank_database_url: str) -> None:
    shown = shell("status", BOOTSTRAP_DATABASE_URL=blank_database_url)
    assert shown.returncode == 0
    assert "`bootstrap run` fills it" in shown.stdout
    document = json.loads(shell("status", "--json", BOOTSTRAP_DATABASE_URL=blank_database_url).stdout)
    assert document["sources"]["cuad"]["status"] == "pending"
    assert document["index"] == {"exists": False, "valid": False}
    searched = shell("search", "liability", BOOTSTRAP_DATABASE_URL=blank_database_url)
    assert searched.returncode == 1
    assert "`bootstrap run` fills it" in searched.stderr


def test_reading_commands_change_nothing(environ: dict[str, str], blank_database_url: str) -> None:
    for command in (["status"], ["search", "liability"]):
        shell(*command, BOOTSTRAP_DATABASE_URL=blank_database_url)
    with connect(blank_database_url) as connection:
        tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        assert connection.execute(tables).fetchone() == (0,)


def test_an_unknown_source_is_wrong_usage_of_search_too(small: Corpus) -> None:
    assert shell("search", "liability", "--source", "cuads").returncode == 2


def test_a_source_may_be_named_in_upper_or_lower_case(small: Corpus) -> None:
    found = json.loads(invoke("search", "liability", "--source", "BonTerms", "--json").stdout)["results"]
    assert {hit["source"] for hit in found} == {"bonterms"}


@pytest.mark.parametrize("option", ["--vector-weight", "--text-weight"])
@pytest.mark.parametrize("number", ["nan", "inf", "1e999", "-1", "-inf"])
def test_a_weight_that_is_no_number_from_nought_on_is_wrong_usage(
    environ: dict[str, str], option: str, number: str
) -> None:
    result = invoke("search", "liability", option, number, "--json")
    assert result.exit_code == 2
    assert option in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("number", ["nan", "inf", "-1"])
@pytest.mark.parametrize(
    "line",
    ["search liability --min-score", "run --max-cost", "failures retry --max-cost", "wait --timeout"],
)
def test_a_limit_that_is_no_number_is_wrong_usage(environ: dict[str, str], line: str, number: str) -> None:
    result = invoke(*line.split(), number)
    assert result.exit_code == 2
    assert line.rsplit(maxsplit=1)[-1] in result.stderr
    assert result.stdout == ""


def test_a_phrase_that_is_nowhere_is_told(small: Corpus) -> None:
    after = "word for word: without the quotes the words are looked for one by one"
    printed = invoke("search", 'liability "crowns million one" "each party"').stdout
    assert printed.splitlines() == ["nothing found", f'nothing holds "crowns million one" {after}']
    printed = invoke("search", '"each party"', "--label", "Entailment").stdout
    assert printed.splitlines() == ["nothing found", f'nothing that was searched holds "each party" {after}']
    assert json.loads(invoke("search", '"crowns million one"', "--json").stdout)["results"] == []


def test_without_a_phrase_that_asks_for_anything_there_is_no_word_of_phrases(small: Corpus) -> None:
    for query in ("zeppelin", '"of the" zeppelin'):
        assert invoke("search", query, "--mode", "text").stdout == "nothing found\n"


def test_a_query_of_stop_words_alone_is_told(small: Corpus) -> None:
    printed = invoke("search", "the of and", "--mode", "text").stdout.splitlines()
    assert printed[0] == "nothing found"
    assert printed[1].startswith("the query has no words but those that are everywhere")


def test_a_tenant_that_no_document_is_of_is_told(small: Corpus) -> None:
    printed = invoke("search", "zeppelin", "--mode", "text", "--tenant", "nobody").stdout.splitlines()
    assert printed == ["nothing found", "no document is of the tenant 'nobody'"]


def test_a_category_that_no_record_has_is_told_with_those_that_are_near(small: Corpus) -> None:
    with small.database.connection() as connection:
        connection.execute(
            "UPDATE reference_records SET category = 'Cap On Liability' WHERE granularity = 'clause'"
        )
    assert "1. " in invoke("search", "liability", "--category", "CAP on liability").stdout
    printed = invoke("search", "liability", "--category", "cap of liabilty").stdout.splitlines()
    assert printed == [
        "nothing found",
        "no record has the category 'cap of liabilty': did you mean 'Cap On Liability'?",
    ]
    printed = invoke("search", "liability", "--category", "nope").stdout.splitlines()
    assert printed == ["nothing found", "no record has the category 'nope'"]


def test_an_error_is_one_line_also_in_a_narrow_terminal(environ: dict[str, str]) -> None:
    result = shell("run", "--data", "/nowhere/" + "far/" * 40, COLUMNS="60")
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_missing_key_is_told_before_anything_starts(environ: dict[str, str]) -> None:
    result = shell("run", BOOTSTRAP_EMBEDDER="voyage")
    assert result.returncode == 2
    assert result.stderr.count("VOYAGE_API_KEY") == 1


def test_the_work_stops_when_the_command_is_killed(environ: dict[str, str], voyage: VoyageServer) -> None:
    """A child that went on would pay for texts that nobody waits for."""
    asked = threading.Event()
    voyage.refuse = lambda _texts: asked.set()
    voyage.latency = 1.0
    more = {"VOYAGE_API_KEY": "key", "BOOTSTRAP_VOYAGE_BASE_URL": voyage.url}
    command = [str(Path(sys.executable).parent / "bootstrap"), "run", "bonterms"]
    process = subprocess.Popen(
        command, env=os.environ | more, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    children = psutil.Process(process.pid).children
    assert asked.wait(60)
    [child] = [child for child in children() if "bootstrap_assets.defs.execute" in child.cmdline()]
    process.kill()
    process.wait()
    child.wait(30)


def test_both_halves_of_the_status_tell_of_the_space_that_is_searched(small: Corpus, corpus: Corpus) -> None:
    source = pipeline.SOURCES["bonterms"]
    pipeline.embed(corpus, source, batches=[0, 1])
    pipeline.build_index(corpus)
    document = json.loads(invoke("status", "--json").stdout)
    assert document["space"]["provider"] == "local"
    assert document["sources"]["bonterms"]["embedded_records"] == document["sources"]["bonterms"]["total_records"]
    assert document["building"]["provider"] == "voyage"
    assert document["building"]["uncovered"] > 0
    assert "Searches still use" in invoke("status").stdout


def test_a_run_goes_all_the_way_and_a_second_has_nothing_to_do(environ: dict[str, str]) -> None:
    first = shell("run", "bonterms")
    assert first.returncode == 0, first.stderr
    assert "127 records changed" in first.stdout
    logs = sorted((Path(environ["BOOTSTRAP_HOME"]) / "logs").iterdir())
    second = shell("run", "bonterms")
    assert second.returncode == 0, second.stderr
    assert "nothing to do" in second.stdout
    assert sorted((Path(environ["BOOTSTRAP_HOME"]) / "logs").iterdir()) == logs  # Dagster was not started
    printed = json.loads(shell("status", "--json").stdout)
    assert printed["sources"]["bonterms"]["status"] == "completed"
    assert printed["index"]["valid"]


def test_a_run_that_fails_says_why_and_names_the_log(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bonterms").mkdir()
    (tmp_path / "bonterms" / "Mutual-NDA.zip").write_text("<!DOCTYPE html><title>Sign in</title>")
    result = shell("run", "bonterms", "--data", str(tmp_path))
    assert result.returncode == 1
    assert "Mutual-NDA.zip" in result.stderr
    log = Path(result.stderr.split("the whole log:")[1].strip())
    assert log.is_file()
    assert "bonterms" in invoke("status").stdout


@pytest.fixture
def paid(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, voyage: VoyageServer) -> VoyageServer:
    """A shell in which the embedder is the provider's."""
    monkeypatch.setenv("VOYAGE_API_KEY", "key")
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_BASE_URL", voyage.url)
    monkeypatch.setenv("BOOTSTRAP_RETRY_SECONDS", "0.05")
    return voyage


def test_a_run_with_dead_letters_ends_with_a_code_of_its_own(paid: VoyageServer) -> None:
    source = pipeline.SOURCES["bonterms"]
    settings = load_settings()
    parsed = source.parse([archive.path for archive in locate.fetch(settings, source)], {})
    first = next(record for document in parsed for record in document.records if record.granularity == "clause")
    paid.poison = {first.content}
    ended = shell("run", "bonterms")
    assert ended.returncode == 3, ended.stderr
    assert "`bootstrap failures list` says why" in ended.stdout
    assert "completed with failures" in ended.stdout
    status = json.loads(shell("status", "--json").stdout)
    assert status["sources"]["bonterms"]["status"] == "completed_with_failures"
    assert status["sources"]["bonterms"]["error_count"] >= 1
    assert status["index"]["valid"]
    paid.poison = set()
    assert invoke("failures", "retry").exit_code == 0
    again = shell("run", "bonterms")
    assert again.returncode == 0
    assert "nothing to do" in again.stdout


def test_a_run_that_reaches_its_budget_ends_with_a_code_of_its_own(paid: VoyageServer) -> None:
    ended = shell("run", "bonterms", "--max-cost", "0.0001")
    assert ended.returncode == 4
    assert "the budget of $0.0001" in ended.stderr
    assert "stopped after" in ended.stderr
    assert paid.texts_paid == 0


def test_an_open_breaker_is_told_once_and_can_be_reset(paid: VoyageServer) -> None:
    paid.faults = Always(Fault.unauthorized)
    ended = shell("run", "bonterms")
    assert ended.returncode == 1
    assert "Voyage AI answered 401" in ended.stderr
    [breaker] = json.loads(invoke("breaker", "status", "--json").stdout)
    assert breaker["state"] == "open"
    assert "open" in invoke("breaker", "status").stdout
    assert shell("breaker", "reset", "voyage:none").returncode == 2
    assert "1 closed" in invoke("breaker", "reset", breaker["name"]).stdout
    assert "none was open" in invoke("breaker", "reset").stdout


def test_a_plan_tells_what_a_run_then_does_and_changes_nothing(
    paid: VoyageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VOYAGE_API_KEY")
    monkeypatch.setenv("BOOTSTRAP_EMBEDDER", "voyage")
    planned = json.loads(invoke("plan", "--json").stdout)
    assert planned["model"]["name"] == "voyage-4-large"
    sources = {one["source"]: one for one in planned["sources"]}
    assert list(sources) == ["cuad", "contract_nli", "bonterms", "commonaccord"]
    assert paid.log == []
    database_url = load_settings().database_url
    assert database_url
    with connect(database_url.get_secret_value()) as connection:
        for table in ("reference_records", "embedding_spaces", "bootstrap_progress", "embedding_usage"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
    monkeypatch.setenv("VOYAGE_API_KEY", "key")
    for name, told in sources.items():
        source = pipeline.SOURCES[name]
        with context.open_corpus(load_settings()) as corpus:
            pipeline.load(corpus, source, locate.fetch(corpus.settings, source))
            filled = pipeline.embed(corpus, source)
        assert (filled.records, filled.texts, filled.requests) == (told["records"], told["send"], told["requests"])
        assert told["dollars"] == pytest.approx(filled.cost, rel=0.25)
    after = json.loads(invoke("plan", "--json").stdout)["sources"]
    assert [one["send"] for one in after] == [0] * 4
    assert [one["already"] for one in after] == [one["texts"] for one in after]
    assert "together" in invoke("plan").stdout
    costs = json.loads(invoke("cost", "--json").stdout)
    assert {row["source"]: row["texts"] for row in costs} == {name: one["send"] for name, one in sources.items()}
    assert "together" in invoke("cost").stdout


@pytest.fixture
def hang_up() -> Iterator[None]:
    """SIGHUP as a shell leaves it, for this process and those it starts, even where the tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hang_up")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_lets_the_requests_in_flight_end(
    paid: VoyageServer, database_url: str, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    monkeypatch.setenv("BOOTSTRAP_EMBED_WORKERS", "1")
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_TPM", "50000")  # small requests
    asked = threading.Event()
    paid.refuse = lambda _texts: asked.set()
    paid.latency = 2.0
    command = [str(Path(sys.executable).parent / "bootstrap"), "run", "bonterms"]
    process = subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert asked.wait(60)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert "what was embedded is kept" in told
    assert "Traceback" not in told
    with connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM reference_vectors_voyage_voyage_4_large_1024").fetchone()
        assert row == (paid.texts_paid,)
        assert connection.execute("SELECT status FROM bootstrap_progress").fetchone() == ("pending",)
    assert len(paid.log) == 1


@pytest.mark.usefixtures("hang_up")
def test_closing_the_terminal_stops_work_and_nohup_keeps_it_going() -> None:
    before = signal.getsignal(signal.SIGHUP)
    with stopping_signals() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert stop.is_set()
    with pytest.raises(Signalled), raising_signals():
        signal.raise_signal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup starts a command
        with raising_signals(), stopping_signals() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.is_set()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hang_up")
def test_a_terminal_that_is_gone_does_not_keep_work_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_more: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(errors, "print", fail)
    with stopping_signals() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert stop.is_set()


def test_a_second_signal_stops_at_once(paid: VoyageServer) -> None:
    asked = threading.Event()
    paid.refuse = lambda _texts: asked.set()
    paid.latency = 30.0
    command = [str(Path(sys.executable).parent / "bootstrap"), "run", "bonterms"]
    process = subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert asked.wait(60)
    process.send_signal(signal.SIGINT)
    assert process.stderr
    while "once more stops at once" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "stopped at once" in told
    assert "Traceback" not in told


def test_env_prints_what_dagster_needs(environ: dict[str, str]) -> None:
    printed = shell("env").stdout
    assert f"export DAGSTER_HOME={environ['BOOTSTRAP_HOME']}/dagster" in printed
    assert (Path(environ["BOOTSTRAP_HOME"]) / "dagster" / "dagster.yaml").is_file()
    assert "export BOOTSTRAP_DAGSTER_URL=" in printed
    assert "export DAGSTER_EVENT_BATCH_SIZE=" in printed


def test_env_says_what_an_executor_needs_and_makes_nothing(environ: dict[str, str]) -> None:
    printed = shell("env", "--executor", "celery").stdout
    assert "export BOOTSTRAP_EXECUTOR=celery\n" in printed
    assert "BOOTSTRAP_DAGSTER_URL" not in printed
    assert not (Path(environ["BOOTSTRAP_HOME"]) / "dagster").exists()


def test_doctor_is_content_with_a_sound_installation(environ: dict[str, str]) -> None:
    result = invoke("doctor")
    assert result.exit_code == 0, result.output
    assert "problem" not in result.output


def test_doctor_names_what_is_wrong(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTSTRAP_EMBEDDER", "voyage")
    result = invoke("doctor")
    assert result.exit_code == 1
    assert "VOYAGE_API_KEY" in result.output


def test_a_key_appears_in_nothing_that_is_printed(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-secret-key")
    for arguments in (["doctor"], ["env"], ["status"]):
        assert "pa-secret-key" not in invoke(*arguments).output


def test_db_url_and_upgrade_and_reset(environ: dict[str, str], small: Corpus) -> None:
    assert invoke("db", "url").stdout.strip() == environ["BOOTSTRAP_DATABASE_URL"]
    assert f"schema {schema.head()}" in invoke("db", "upgrade").stdout
    assert invoke("db", "reset", "--yes").exit_code == 0
    assert json.loads(invoke("status", "--json").stdout)["texts"] == 0


def test_db_reset_asks_first(environ: dict[str, str], small: Corpus) -> None:
    assert invoke("db", "reset").exit_code == 1
    assert json.loads(invoke("status", "--json").stdout)["texts"] > 0


def test_db_down_leaves_a_server_alone_that_is_not_ours(environ: dict[str, str]) -> None:
    result = shell("db", "down")
    assert result.returncode == 2
    assert "not ours to stop" in result.stderr


def test_db_psql_reaches_the_corpus(environ: dict[str, str]) -> None:
    result = shell("db", "psql", "-Atc", "SELECT count(*) FROM reference_embeddings")
    assert result.stdout.strip() == "0"


def test_the_embedded_server_is_used_when_no_other_is_named(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.delenv("BOOTSTRAP_DATABASE_URL")
    assert shell("db", "up").returncode == 0
    try:
        assert environment.is_embedded_running(load_settings())
        assert shell("db", "psql", "-Atc", "SELECT 1").stdout.strip() == "1"
    finally:
        assert "stopped" in shell("db", "down").stdout
    assert not environment.is_embedded_running(load_settings())
    assert "not running" in shell("db", "down").stdout
