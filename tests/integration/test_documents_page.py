"""docs/documents.md: its commands and examples are run as they stand there."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.sample.documents import FOLDER
from tests.integration.test_cli import environ, invoke, small  # noqa: F401

PAGE = (Path(__file__).parents[2] / "docs" / "documents.md").read_text()
ROLE = "acme_app"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(small: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """Where somebody has a PDF at hand, beside a corpus that was filled."""
    place = tmp_path / "documents"
    place.mkdir()
    shutil.copy(FOLDER / "supply-agreement.pdf", place)
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def role(database_url: str) -> Iterator[str]:
    """The application's role, made by the SQL of the page; gives its connection string."""
    [make, _] = blocks("sql")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {ROLE}")
        connection.execute(make.encode())
    yield make_conninfo(database_url, user=ROLE, password="choose-one")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {ROLE}")
        connection.execute(f"DROP ROLE {ROLE}")


def run(line: str) -> str:
    result = invoke(*shlex.split(line, comments=True)[1:])
    assert result.exit_code == 0, f"{line}: {result.output} {result.exception}"
    return result.output


def test_the_way_from_a_pdf_to_what_it_is_like_is_gone_by_its_commands(
    folder: Path, role: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    printed = {line: run(line) for line in lines if line.split()[1] != "run"}  # the corpus is there
    assert len(printed) == len(lines) - 1 >= 8
    text = "\n".join(printed.values())
    assert "complete" in text
    assert re.search(r"^  like .* score 0\.\d\d$", text, re.MULTILINE)
    assert (folder / "acme.html").read_text().count("Documents of the tenant acme") == 1

    [api, application] = blocks("python")
    exec(compile(api, "docs/documents.md", "exec"), {})
    exec(compile(application, "docs/documents.md", "exec"), {"APPLICATION": role})
    assert capsys.readouterr().out.splitlines()[-1] == "supply-agreement.pdf complete"

    [_, query] = blocks("sql")
    with psycopg.connect(role, autocommit=True) as connection:
        results = []
        for statement in query.split(";\n"):
            cursor = connection.execute(statement.encode()) if statement.strip() else None
            results += [cursor.fetchall()] if cursor and cursor.description else []
        states, hits, _connections = results
        assert states == [("supply-agreement.pdf", "complete", None)]
        assert any(title == "supply-agreement.pdf" for _, title, _ in hits)
        assert connection.execute("SELECT count(*) FROM document_states").fetchone() == (0,)


def test_the_sample_that_the_page_offers_comes_in(folder: Path) -> None:
    [command] = re.findall(r"`(bootstrap documents add --sample [^`]+)`", PAGE)
    assert "6 added" in run(command)


def test_every_command_that_the_page_names_exists() -> None:
    for line in re.findall(r"`bootstrap (documents|tenants) (\w+)", PAGE):
        assert invoke(*line, "--help").exit_code == 0, line
