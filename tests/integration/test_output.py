"""What a command prints reaches whoever reads it: a narrow terminal, a pipe, a closed pipe, another encoding."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap_assets.database.connection import Database
from bootstrap_assets.embedding.context import Corpus
from tests.integration.test_cli import environ, invoke, shell, small  # noqa: F401

BOOTSTRAP = str(Path(sys.executable).parent / "bootstrap")
REASON = "; ".join(
    ["a reason with “quotes”, a dash – and an ellipsis … that goes on, so that it fits no terminal"] * 3
)


@pytest.fixture
def failed(small: Corpus) -> Corpus:  # noqa: F811
    """A corpus with a dead letter and an open breaker, told in many words."""
    with small.database.connection() as connection:
        connection.execute(
            "INSERT INTO bootstrap_failures (source, place, stage, class, message, attempts) "
            "VALUES ('bonterms', 'some/quite/long/place/in/an/archive.md', 'parse', 'FormatError', %s, 1)",
            (REASON,),
        )
        connection.execute(
            "INSERT INTO bootstrap_breakers (name, open, retry_at, reason) "
            "VALUES ('voyage/abc', true, now() + interval '1 hour', %s)",
            (REASON,),
        )
    return small


COMMANDS = (
    ["status"],
    ["failures", "list"],
    ["breaker", "status"],
    ["cost"],
    ["plan", "bonterms"],
    ["search", "data"],
)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_in_a_pipe_nothing_is_cut_and_no_line_ends_in_blanks(failed: Corpus, arguments: list[str]) -> None:
    lines = invoke(*arguments).stdout.splitlines()
    assert lines
    assert lines == [line.rstrip() for line in lines]
    if arguments[0] in ("failures", "breaker"):
        assert any(REASON.strip() in line for line in lines)


@pytest.mark.parametrize("arguments", COMMANDS[:5], ids=" ".join)
def test_in_a_narrow_terminal_nothing_of_a_table_is_lost(failed: Corpus, arguments: list[str]) -> None:
    words = " ".join(invoke(*arguments).stdout.split()).replace("…", "").split()
    shown = in_terminal(60, *arguments)
    letters = "".join(shown.split())
    missing = [word for word in words if not set(word) <= set("s0123456789.") and word not in letters]
    assert [word for word in missing if len(word) < 20] == [], shown
    for line in shown.splitlines()[:1]:
        assert not line.rstrip().endswith("…")


def in_terminal(columns: int, *arguments: str) -> str:
    """What a command writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    variables = os.environ | {"COLUMNS": str(columns), "TERM": "dumb", "NO_COLOR": "1"}
    with subprocess.Popen([BOOTSTRAP, *arguments], env=variables, stdout=theirs, stderr=theirs) as child:
        os.close(theirs)
        told = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the terminal's other end is closed
                break
            if not piece:
                break
            told += piece
        assert child.wait() == 0
    os.close(ours)
    return told.decode()


ENCODINGS = (
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "C"},
)


@pytest.mark.parametrize("variables", ENCODINGS, ids=str)
def test_a_stdout_that_is_not_utf8_gets_what_it_can_show(failed: Corpus, variables: dict[str, str]) -> None:
    encoding = variables.get("PYTHONIOENCODING", "ascii")
    for arguments in (["failures", "list"], ["run", "--help"], ["status"]):
        done = raw(*arguments, **variables)
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr
        if "PYTHONIOENCODING" in variables:
            done.stdout.decode(encoding)
    told = raw("failures", "list", "--json", **variables)
    assert json.loads(told.stdout)[0]["message"] == REASON


def raw(*arguments: str, **more: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([BOOTSTRAP, *arguments], env=os.environ | more, capture_output=True, check=False)


def test_characters_that_an_encoding_lacks_are_said_in_others(failed: Corpus) -> None:
    told = raw("failures", "list", PYTHONIOENCODING="ascii").stdout.decode("ascii")
    assert 'a reason with "quotes", a dash - and an ellipsis ... that goes on' in told


def test_an_address_with_letters_of_any_language_is_printed_byte_for_byte(
    environ: dict[str, str],  # noqa: F811
) -> None:
    url = environ["BOOTSTRAP_DATABASE_URL"] + "&application_name=é"
    done = raw("db", "url", BOOTSTRAP_DATABASE_URL=url, PYTHONIOENCODING="ascii")
    assert done.stdout.decode() == url + "\n"


@pytest.mark.parametrize(
    "arguments", [["status"], ["status", "--json"], ["failures", "list"], ["events", "--json"]], ids=" ".join
)
def test_a_pipe_that_closes_ends_a_command_without_a_word(failed: Corpus, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [BOOTSTRAP, *arguments], env=os.environ, stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert done.stderr == b""
    if arguments[0] != "events":  # there may be none
        assert done.returncode == 141


def test_nothing_is_asked_for_and_wait_says_so(environ: dict[str, str], database: Database) -> None:  # noqa: F811
    nothing = invoke("wait")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert nothing.stderr == "nothing was ever requested: `bootstrap request` does that\n"
    assert json.loads(invoke("wait", "--json").stdout) == []
    for command in ("wait", "cancel", "resume"):
        assert str(invoke(command, "7").exception) == "there is no request 7"
    assert shell("cancel", "7").returncode == 2


def test_what_has_ended_is_said_with_its_end(environ: dict[str, str], database: Database) -> None:  # noqa: F811
    number = json.loads(invoke("request", "cuad", "--json").stdout)["request"]
    assert invoke("cancel", str(number)).stdout == f"request {number} is cancelled\n"
    again = invoke("cancel", str(number))
    assert (again.exit_code, again.stdout) == (0, f"request {number} is cancelled already\n")
    assert f"request {number}: cancelled since 2" in invoke("wait", str(number)).stdout
    waited = invoke("wait")
    assert waited.exit_code == 0
    assert f"no request is under way; the last one, {number}, is cancelled since 2" in waited.stderr
    assert invoke("resume", str(number)).exit_code == 0
    assert "is under way (requested)" in str(invoke("resume", str(number)).exception)
    with database.connection() as connection:
        connection.execute("UPDATE bootstrap_requests SET status = 'completed', finished_at = now()")
    assert "is completed since 2" in str(invoke("resume", str(number)).exception)
    assert "has ended already: completed since 2" in str(invoke("cancel", str(number)).exception)
