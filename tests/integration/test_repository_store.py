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
from bootstrap_assets.repositories.store import Repository, forget, is_indexed, keep_blobs, kept_blobs, swap
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


def index_of(origin: GitRepository, database: Database) -> Index:
    """As a job does it: what was kept of blobs is not parsed again."""
    with clone(str(origin.folder), "", origin.folder.parent / "clones") as brought, Parser() as parser:
        with database.connection() as connection:
            known = kept_blobs(connection, {one.oid for one in brought.entries()})
        index = index_commit(brought, parser, memory=lambda oid, language: known.get((oid, language)))
    database.transact(partial(keep_blobs, blobs=index.fresh))
    return index


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
        origin.commit({f"{part}.py": f"VERSION_{number} = {part}\n" for part in range(30)})
        indexes.append(index_of(origin, database))
    put(database, ours, indexes[0])
    seen: set[tuple[int, int]] = set()
    done = threading.Event()

    def poll() -> None:
        query = """SELECT count(*) FILTER (WHERE name = 'VERSION_0'), count(*) FILTER (WHERE name = 'VERSION_1')
                   FROM repository_symbols WHERE repository = 'ours'"""
        with psycopg.connect(database_url, autocommit=True) as connection:
            while not done.is_set():
                seen.add(connection.execute(query).fetchone())  # type: ignore[arg-type]

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        for turn in range(10):
            put(database, ours, indexes[(turn + 1) % 2])
    finally:
        done.set()
        reader.join()
    assert seen == {(30, 0), (0, 30)}


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
