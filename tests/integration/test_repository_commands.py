"""`bootstrap repositories` and its Python: shapes, exit codes, and the commands of docs/repositories.md."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import bootstrap_assets as ba
from bootstrap_assets.cli import bootstrap
from bootstrap_assets.cli.repositories import repositories
from bootstrap_assets.settings import Settings
from tests.fakes.git_repository import GitRepository

DOCS = (Path(__file__).parents[2] / "docs" / "repositories.md").read_text()

POOL = '''from row import Row

class Pool:
    def get(self):
        """A row."""
        return Row()
'''

Run = Callable[..., Result]


@pytest.fixture
def origin(tmp_path: Path) -> GitRepository:
    one = GitRepository(tmp_path / "origin")
    one.commit(
        {
            "pool.py": POOL,
            "row.py": "import pool\n\nclass Row: pass\n\ndef first(one: pool.Pool):\n    return one.get()\n",
            "README.md": "# Caps\nA cap on liability.\n",
            "pyproject.toml": '[project]\ndependencies = ["numpy"]\n',
        }
    )
    return one


@pytest.fixture
def run(settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("BOOTSTRAP_HOME", str(settings.home))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", database_url)
    monkeypatch.setenv("BOOTSTRAP_BATCHES", "16")
    monkeypatch.setenv("BOOTSTRAP_EMBEDDER", "voyage")
    monkeypatch.setenv("VOYAGE_API_KEY", "test-key")
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_BASE_URL", str(settings.voyage_base_url))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(bootstrap, ["repositories", *arguments])

    return run


def document(result: Result) -> object:
    return json.loads(result.stdout)


def test_the_commands_answer_in_the_shapes_that_were_agreed(run: Run, origin: GitRepository) -> None:
    address = str(origin.folder)
    assert run("add", "ours", address).exit_code == 0
    shown = document(run("index", "ours", "--wait", "--json"))
    assert isinstance(shown, dict)
    assert (shown["status"], shown["commit"]) == ("completed", origin.head)
    counts = {"files": 4, "symbols": 6, "references": 6, "dependencies": 3}
    [row] = document(run("list", "--json"))  # type: ignore[misc]
    assert {name: row[name] for name in counts} == {name: shown[name] for name in counts}
    assert row.keys() == {"name", "address", "ref", "commit", "status", "reason", *counts}
    assert document(run("symbols", "ours", "--kind", "method", "--json")) == [
        {"name": "get", "qualified_name": "Pool.get", "kind": "method", "path": "pool.py", "line": 4,
         "end_line": 6, "signature": "def get(self)"}
    ]  # fmt: skip
    call = {"from_path": "row.py", "from_line": 6, "name": "get", "kind": "call", "to": "Pool.get",
            "how": "import", "confidence": pytest.approx(0.95)}  # fmt: skip
    assert document(run("references", "ours", "--to", "Pool.get", "--json")) == [call]
    assert document(run("callers", "ours", "Pool.get", "--json")) == [call | {"scope": "first"}]
    assert document(run("dependencies", "ours", "--json")) == {
        "files": [["pool.py", "row.py"], ["row.py", "pool.py"]],
        "packages": [["pyproject.toml", "numpy"]],
        "cycles": [["pool.py", "row.py"]],
    }
    assert document(run("cycles", "ours", "--json")) == [["pool.py", "row.py"]]
    for command in (
        "list",
        "show ours",
        "symbols ours",
        "references ours",
        "callers ours Pool.get",
        "cycles ours",
    ):
        result = run(*command.split())
        assert result.exit_code == 0, result.output
        assert result.stdout.strip(), command
    with ba.open() as corpus:
        assert corpus.repositories.callers("ours", "Pool.get")[0]["scope"] == "first"
        assert corpus.repositories.cycles("ours") == [["pool.py", "row.py"]]
        assert [row["name"] for row in corpus.repositories.listing()] == ["ours"]


def test_exit_codes_say_how_a_job_ended(run: Run, origin: GitRepository, tmp_path: Path) -> None:
    origin.commit({"bad.py": "def (:\n"})
    run("add", "ours", str(origin.folder))
    assert run("index", "ours").exit_code == 0
    assert run("index", "ours", "--wait").exit_code == 3
    (tmp_path / "nothing").mkdir()
    run("add", "nothing", str(tmp_path / "nothing"))
    result = run("index", "nothing", "--wait")
    assert result.exit_code == 1
    assert re.search("status .*failed", result.stdout)
    assert "1 to be tried again: nothing" in run("retry").stdout
    assert run("remove", "nothing", "ours").exit_code == 0
    assert document(run("list", "--json")) == []


def test_a_database_that_holds_nothing_yet_will_do(
    run: Run, origin: GitRepository, blank_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", blank_database_url)
    assert "ours added" in run("add", "ours", str(origin.folder)).stdout
    assert run("index", "ours", "--wait").exit_code == 0


def test_the_counts_of_an_index_stay_while_another_is_asked_for_or_cannot_be_had(
    run: Run, origin: GitRepository
) -> None:
    run("add", "ours", str(origin.folder))
    run("index", "ours", "--wait")
    [before] = document(run("list", "--json"))  # type: ignore[misc]
    assert run("index", "ours", "--commit", "f" * 40, "--wait").exit_code == 1
    [failed] = document(run("list", "--json"))  # type: ignore[misc]
    assert failed | {"status": "completed", "reason": ""} == before
    origin.commit({"pool.py": ""})
    run("index", "ours")
    [pending] = document(run("list", "--json"))  # type: ignore[misc]
    assert pending | {"status": "completed"} == before


def test_every_command_of_the_docs_does_what_it_should(run: Run, origin: GitRepository) -> None:
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", DOCS, re.DOTALL))
    lines = re.findall(r"^bootstrap repositories (.*)$", blocks, re.MULTILINE)
    assert {shlex.split(line)[0] for line in lines} == set(repositories.commands)
    for line in lines:
        words = [str(origin.folder) if "//" in word else word for word in shlex.split(line, comments=True)]
        result = run(*words)
        assert result.exit_code == 0, f"{line}: {result.output}{result.exception!r}"
