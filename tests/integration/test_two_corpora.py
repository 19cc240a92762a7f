"""A corpus, and a schema beside it without one: the extension is in the schema of the corpus."""

from pathlib import Path

import pytest

from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import connect
from bootstrap_assets.database.connection_string import read
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import SchemaError
from tests.integration.test_cli import invoke
from tests.integration.test_fill import column, load
from tests.made_up_source import contracts


@pytest.fixture
def beside(corpus: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The connection string of a blank schema beside a filled one."""
    load(corpus, contracts(1))
    url = corpus.database.url
    with connect(url) as connection:
        connection.execute("CREATE SCHEMA legal")
    with_schema = f"{url}{'&' if '?' in url else '?'}schema=legal"
    monkeypatch.setenv("BOOTSTRAP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", with_schema)
    return read(with_schema)


def test_a_blank_schema_is_not_taken_for_the_corpus_beside_it(beside: str) -> None:
    with connect(beside) as connection:
        assert schema.current(connection) is None
    assert "corpus is empty" in invoke("status").stdout


@pytest.mark.parametrize("line", ["db reset --yes", "db downgrade base --yes", "db upgrade", "run"])
def test_what_writes_refuses_it_and_leaves_the_corpus_alone(corpus: Corpus, beside: str, line: str) -> None:
    records = column(corpus, "SELECT count(*) FROM reference_records")
    told = invoke(*line.split())
    assert isinstance(told.exception, SchemaError)
    assert "the schema legal has no corpus" in str(told.exception)
    assert column(corpus, "SELECT count(*) FROM reference_records") == records != [0]
