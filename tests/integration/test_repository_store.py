"""The index of a repository in the database: swapped whole, stable ids, nothing parsed twice."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.repositories.clone import clone
from bootstrap_assets.repositories.indexing import Index, index_commit
from bootstrap_assets.repositories.parsing import Parser
from bootstrap_assets.repositories.snapshot import NOTHING, Snapshot, read
from bootstrap_assets.repositories.store import KeptBlobs, Repository, forget, is_indexed, keep_blobs, swap
from tests.fakes.git_repository import GitRepository

TABLES = ("files", "symbols", "references", "dependencies")


@pytest.fixture
def origin(tmp_path: Path) -> GitRepository:
    one = GitRepository(tmp_path / "origin")
    one.commit(
        {
            "a.py": 'from b import f\n\ndef g():\n    """Says \\0 this."""\n    f()\n',
            "b.py": "import a\ndef f(): pass\n",
            "bad.py": "def (:\n",
            "pyproject.toml": '[project]\ndependencies = ["numpy"]\n',
            "x.bin": b"\0",
        }
    )
    return one


@pytest.fixture
def ours(origin: GitRepository) -> Repository:
    return Repository("ours", str(origin.folder))


def index_of(origin: GitRepository, database: Database, before: Snapshot = NOTHING) -> Index:
    """As a job does it: what was kept of blobs is not parsed again."""
    return indexes_of(origin, database, before)[0]


def indexes_of(origin: GitRepository, database: Database, *befores: Snapshot) -> list[Index]:
    """Of one clone, an index that follows each of these."""
    with clone(str(origin.folder), "", origin.folder.parent / "clones") as brought, Parser() as parser:
        memory = KeptBlobs(database, {one.oid for one in brought.entries()})
        indexes = [index_commit(brought, parser, memory=memory, snapshot=before) for before in befores]
    database.transact(partial(keep_blobs, blobs=indexes[0].fresh))
    return indexes


def put(database: Database, repository: Repository, index: Index) -> bool:
    return database.transact(partial(swap, repository=repository, index=index))


def rows(connection: Connection, what: str, repository: str = "ours") -> list[tuple[object, ...]]:
    query = f"SELECT *, xmin::text FROM repository_{what} WHERE repository = %s ORDER BY 1, 2, 3, 4"
    return connection.execute(query, [repository]).fetchall()  # type: ignore[arg-type]


def everything(database: Database, repository: str = "ours") -> dict[str, list[tuple[object, ...]]]:
    with database.connection() as connection:
        return {what: rows(connection, what, repository) for what in TABLES}


def test_an_index_is_stored_with_what_could_not_be_read_and_why(
    origin: GitRepository, database: Database, ours: Repository
) -> None:
    assert put(database, ours, index_of(origin, database))
    found = everything(database)
    assert {(row[1], row[5]) for row in found["files"]} == {
        ("a.py", ""), ("b.py", ""), ("bad.py", ""), ("pyproject.toml", ""), ("x.bin", "binary"),
    }  # fmt: skip
    assert {(row[1], row[7]) for row in found["files"]} == {
        ("a.py", 1), ("b.py", 1), ("bad.py", None), ("pyproject.toml", None), ("x.bin", None),
    }  # fmt: skip
    assert [row[8] for row in found["files"] if row[8]] == [
        [["broken_syntax", "the syntax is broken, first in line 1", 1]]
    ]
    assert {row[4] for row in found["symbols"]} == {"f", "g"}
    assert ("ours", "a.py", "", "numpy") not in [row[:4] for row in found["dependencies"]]
    assert [row[:4] for row in found["dependencies"]] == [
        ("ours", "a.py", "b.py", ""), ("ours", "b.py", "a.py", ""), ("ours", "pyproject.toml", "", "numpy"),
    ]  # fmt: skip
    assert [(row[4], row[7], row[8]) for row in found["references"] if row[5] == "call"] == [("f", "b.py", "f")]


def test_the_same_commit_again_changes_no_row(origin: GitRepository, database: Database, ours: Repository) -> None:
    index = index_of(origin, database)
    assert put(database, ours, index)
    before = everything(database)
    with database.connection() as connection:
        assert is_indexed(connection, "ours", index.commit)
        assert not is_indexed(connection, "ours", "0" * 40)
    again = index_of(origin, database)
    assert again.fresh == {}
    assert not put(database, ours, again)
    assert everything(database) == before


def test_one_changed_file_is_one_parsed_blob_and_leaves_the_rows_of_the_others(
    origin: GitRepository, database: Database, ours: Repository
) -> None:
    put(database, ours, index_of(origin, database))
    before = everything(database)
    origin.commit({"a.py": "from b import f\n\n\ndef g():\n    f()\n    f()\n"})
    index = index_of(origin, database)
    assert len(index.fresh) == 1
    assert put(database, ours, index)
    after = everything(database)
    for what in TABLES:
        place = 2 if what == "symbols" else 1
        kept = [row for row in before[what] if row[place] != "a.py"]
        assert [row for row in after[what] if row[place] != "a.py"] == kept
    ids = {row[4]: row[0] for row in before["symbols"]}
    assert {row[4]: row[0] for row in after["symbols"]} == ids
    assert len([row for row in after["references"] if row[5] == "call"]) == 2


def test_what_is_gone_is_gone_with_all_that_hung_on_it(
    origin: GitRepository, database: Database, ours: Repository
) -> None:
    put(database, ours, index_of(origin, database))
    origin.git("rm", "--quiet", "b.py")
    origin.commit({})
    put(database, ours, index_of(origin, database))
    found = everything(database)
    assert "b.py" not in str([row[1:3] for each in found.values() for row in each])
    assert {row[4] for row in found["symbols"]} == {"g"}


def test_a_blob_that_a_fork_has_too_is_not_parsed_again(
    origin: GitRepository, database: Database, ours: Repository, tmp_path: Path
) -> None:
    put(database, ours, index_of(origin, database))
    fork = GitRepository(tmp_path / "fork")
    fork.commit({name: (origin.folder / name).read_bytes() for name in ("a.py", "b.py")} | {"c.py": "C = 1\n"})
    index = index_of(fork, database)
    assert [language for _, language in index.fresh] == ["python"]
    assert len(index.parsed) == 3
    put(database, Repository("fork", str(fork.folder)), index)
    one, other = everything(database), everything(database, "fork")
    assert not {row[0] for row in one["symbols"]} & {row[0] for row in other["symbols"]}
    database.transact(partial(forget, repository="fork"))
    assert everything(database) == one
    assert not any(everything(database, "fork").values())


def test_readers_see_the_old_index_or_the_new_one_and_never_a_mixture(
    origin: GitRepository, database: Database, ours: Repository, database_url: str
) -> None:
    indexes = []
    for number in range(2):
        files = {f"{part}.py": f"import os\n\ndef v{number}(): pass\n\nv{number}()\n" for part in range(20)}
        origin.commit(files | {f"only{number}.py": "import sys\n"})
        indexes.append(index_of(origin, database))
        origin.git("rm", "--quiet", f"only{number}.py")
    put(database, ours, indexes[0])
    seen: set[tuple[object, ...]] = set()
    done = threading.Event()

    def poll() -> None:
        query = """SELECT commit_id,
            (SELECT array_agg(DISTINCT name) FROM repository_symbols WHERE repository = 'ours' AND name LIKE 'v_'),
            (SELECT count(*) FROM repository_references r WHERE r.repository = 'ours' AND to_name = 'v0'),
            (SELECT count(*) FROM repository_references r WHERE r.repository = 'ours' AND to_name = 'v1'),
            (SELECT array_agg(from_path) FROM repository_dependencies
             WHERE repository = 'ours' AND package = 'sys'),
            (SELECT array_agg(path) FROM repository_files f WHERE f.repository = 'ours' AND path LIKE 'only%'),
            (SELECT count(*) FROM repository_files f WHERE f.repository = 'ours')
            FROM repository_snapshots s WHERE s.repository = 'ours'"""
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("SELECT set_config('bootstrap.pipeline', 'on', false)")
            while not done.is_set():
                seen.add(tuple(map(str, connection.execute(query).fetchone() or ())))

    readers = [threading.Thread(target=poll) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for turn in range(10):
            put(database, ours, indexes[(turn + 1) % 2])
    finally:
        done.set()
        for reader in readers:
            reader.join()
    count = str(len(indexes[0].files))
    assert seen == {
        (indexes[0].commit, "['v0']", "20", "0", "['only0.py']", "['only0.py']", count),
        (indexes[1].commit, "['v1']", "0", "20", "['only1.py']", "['only1.py']", count),
    }


def test_a_failure_in_the_middle_leaves_the_old_index(
    origin: GitRepository, database: Database, ours: Repository
) -> None:
    put(database, ours, index_of(origin, database))
    before = everything(database)
    origin.commit({"c.py": "C = 1\n"})
    index = index_of(origin, database)

    def half(connection: Connection) -> None:
        swap(connection, ours, index)
        raise RuntimeError("the process ends here")

    with pytest.raises(RuntimeError):
        database.transact(half)
    assert everything(database) == before
    with database.connection() as connection:
        assert not is_indexed(connection, "ours", index.commit)


def test_two_that_swap_the_same_repository_come_one_after_the_other(
    origin: GitRepository, database: Database, ours: Repository
) -> None:
    index = index_of(origin, database)
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(put(database, ours, index))) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(results) == [False, False, False, True]


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    assert not list((tmp_path / "clones").glob("*"))


def plain(database: Database, repository: str) -> dict[str, list[tuple[object, ...]]]:
    """All that readers can see of an index, without ids and times."""
    columns = {
        "files": "path, oid, size, language, reason, lines, cycle, findings, references_digest, reach",
        "symbols": "path, kind, qualified_name, ordinal, name, signature, docstring, line, end_line, visibility",
        "references": "path, line, col, name, kind, scope, to_path, to_name, to_line, package, how, confidence",
        "dependencies": "from_path, to_path, package",
    }
    with database.connection() as connection:
        return {
            table: sorted(
                connection.execute(
                    f"SELECT {names} FROM repository_{table} WHERE repository = %s".encode(), [repository]
                ).fetchall(),
                key=repr,
            )
            for table, names in columns.items()
        }


WEB = {
    "pack/__init__.py": "from pack.base import *\n",
    "pack/base.py": "class Base:\n    def run(self): pass\ndef helper(): return Base()\n",
    "use.py": "import pack\n\nclass Child(pack.Base):\n    def go(self): self.run()\n\npack.helper().run()\n",
    "far.py": "from use import Child\nChild().run()\nChild().lonely_member()\nunknown().only_one_here()\n",
    "one.py": "class One:\n    def only_one_here(self): pass\n",
    "alone.py": "import json\njson.dumps(1)\n",
    "m.go": "package m\n\nfunc F() { G() }\n",
    "n.go": "package m\n\nfunc G() {}\n",
    "a.ts": "import { f } from './b'\nf()\n",
    "b.ts": "export function f() {}\n",
    "README.md": "# Read\n[use](use.py) [more](MORE.md)\n",
    "MORE.md": "# More\n",
    "requirements.txt": "numpy\n",
}

STEPS: list[tuple[str, dict[str, str | None], set[str]]] = [
    ("a body", {"alone.py": "import json\n\njson.loads(1)\n"}, {"alone.py"}),
    ("lines of what others lead to", {"pack/base.py": "\n\n" + WEB["pack/base.py"]},
     {"pack/base.py", "use.py", "far.py"}),
    ("a second function of a name", {"alone.py": "def only_one_here(): pass\n"}, {"alone.py", "far.py"}),
    ("a member that a class gets", {"use.py": WEB["use.py"] + "\nclass Child: lonely_member = print\n"},
     {"use.py", "far.py"}),
    ("another language", {"n.go": "package m\n\n\nfunc G() {}\nfunc H() {}\n"}, {"m.go", "n.go"}),
    ("a star that brings no more", {"pack/__init__.py": "from pack.base import helper\n"},
     {"pack/__init__.py", "use.py"}),
    ("nothing of the family", {"MORE.md": "# Other\n"}, {"MORE.md"}),
    ("a file that goes", {"one.py": None}, {"pack/__init__.py", "pack/base.py", "use.py", "far.py", "alone.py"}),
    ("a name that breaks", {"b.ts": "export function g( {\n"}, {"a.ts", "b.ts"}),
]  # fmt: skip


def test_an_index_that_follows_another_is_as_one_made_from_scratch_and_resolves_only_what_may_differ(
    origin: GitRepository, database: Database, ours: Repository
) -> None:
    origin.git("rm", "--quiet", "-r", ".")
    origin.commit(WEB)
    put(database, ours, index_of(origin, database))
    for number, (what, files, stale) in enumerate(STEPS):
        for name in [name for name, content in files.items() if content is None]:
            (origin.folder / name).unlink()
        origin.commit({name: content for name, content in files.items() if content is not None})
        index, whole = indexes_of(origin, database, read(database, "ours"), NOTHING)
        assert index.references.keys() == stale, what
        assert put(database, ours, index)
        scratch = Repository(f"scratch{number}", str(origin.folder))
        put(database, scratch, whole)
        assert plain(database, "ours") == plain(database, scratch.name), what


def test_what_follows_an_index_that_is_not_there_any_more_is_not_stored(
    origin: GitRepository, database: Database, ours: Repository
) -> None:
    put(database, ours, index_of(origin, database))
    before = read(database, "ours")
    origin.commit({"c.py": "C = 1\n"})
    late = index_of(origin, database, before)
    origin.commit({"c.py": "C = 2\n"})
    put(database, ours, index_of(origin, database, before))
    found = everything(database)
    with pytest.raises(psycopg.errors.SerializationFailure), database.connection() as connection:
        swap(connection, ours, late)
    assert everything(database) == found
