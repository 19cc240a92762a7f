"""The index that a repository has, as far as the next one builds on it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.repositories.discover import File
from bootstrap_assets.repositories.languages import VERSION
from bootstrap_assets.repositories.symbols import CALLABLE, CLASSES

statement = statements_of(__name__)

Edge = tuple[str, str, str]
"""From a file, to a file or (empty) to a package."""


@dataclass(frozen=True, slots=True)
class Row:
    """A file of the index: what it is, what its parser noticed, and how its references came to be.

    `reach` are the other files that were read to resolve its references, `digest` is of those references.
    """

    oid: str
    language: str
    reason: str
    lines: int
    findings: Any
    digest: bytes
    reach: Sequence[str]


def _no_names() -> Iterable[tuple[str, str]]:
    return ()


def _nowhere(names: Iterable[str]) -> set[str]:
    return set()


@dataclass(frozen=True)
class Snapshot:
    """An index by path; that of nothing at all where there is none by these readers.

    `callables` gives (name, path) of each function and class, `waiting` the files with calls of such names that
    no scope, import or type explained.
    """

    commit: str = ""
    files: Mapping[str, Row] = field(default_factory=dict)
    dependencies: Sequence[Edge] = ()
    callables: Callable[[], Iterable[tuple[str, str]]] = _no_names
    waiting: Callable[[Iterable[str]], set[str]] = _nowhere

    def has(self, file: File) -> bool:
        """Whether a file is in the index as it is now."""
        row = self.files.get(file.path)
        return row is not None and (row.oid, row.language, row.reason) == (file.oid, file.language, file.reason)

    def callables_of(self, paths: Iterable[str]) -> Counter[tuple[str, str]]:
        """How many functions and classes of a name each of these files has, by (path, name)."""
        these = set(paths)
        return Counter((path, name) for name, path in self.callables() if path in these)


NOTHING = Snapshot()


def read(database: Database, repository: str) -> Snapshot:
    """The index that a repository has."""
    with database.connection() as connection:
        return _read(connection, database, repository)


def _read(connection: Connection, database: Database, repository: str) -> Snapshot:
    values: dict[str, Any] = {"repository": repository, "version": VERSION}
    row = connection.execute(statement("snapshot"), values).fetchone()
    if row is None:
        return NOTHING
    files = {path: Row(*rest) for path, *rest in connection.execute(statement("snapshot_files"), values)}
    edges = connection.execute(statement("list_dependencies"), values).fetchall()

    def callables() -> list[tuple[str, str]]:
        kinds = [one.value for one in (*CALLABLE, *CLASSES)]
        with database.connection() as other:
            return other.execute(statement("callables"), {**values, "kinds": kinds}).fetchall()

    def waiting(names: Iterable[str]) -> set[str]:
        with database.connection() as other:
            rows = other.execute(statement("waiting_paths"), {**values, "names": list(names)})
            return {path for [path] in rows}

    return Snapshot(row[0], files, edges, callables, waiting)
