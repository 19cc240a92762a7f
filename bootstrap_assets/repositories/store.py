"""Keeps what was said of blobs, and puts the index of a commit in the place of the one before."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from psycopg.types.json import Jsonb

from bootstrap_assets.corpus.records import NAMESPACE
from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.copy import copy_temporary
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import TransientError
from bootstrap_assets.repositories.discover import File
from bootstrap_assets.repositories.indexing import Index
from bootstrap_assets.repositories.languages import VERSION
from bootstrap_assets.repositories.references import Reference
from bootstrap_assets.repositories.results import Blob
from bootstrap_assets.repositories.snapshot import Row
from bootstrap_assets.repositories.symbols import Parsed, Symbol
from bootstrap_assets.texts.content import clean_text

statement = statements_of(__name__)

_COLUMNS = {
    "stage_repository_files": (
        "path oid size language reason lines cycle findings references_digest reach is_moved",
        "text text int8 text text int4 int4 jsonb bytea text[] bool",
    ),
    "stage_repository_symbols": (
        "id path kind qualified_name ordinal name signature docstring line end_line visibility",
        "uuid text text text int4 text text text int4 int4 text",
    ),
    "stage_repository_references": (
        "path line col name kind scope to_path to_name to_line package how confidence",
        "text int4 int4 text text text text text int4 text text float4",
    ),
    "stage_repository_dependencies": ("from_path to_path package", "text text text"),
}


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository that is indexed: its name, where it is, which ref is followed, whose it is."""

    name: str
    address: str
    ref: str = ""
    tenant: str | None = None


def symbol_id(repository: str, path: str, one: Symbol) -> UUID:
    """The id of a symbol: the same in every commit that has it."""
    parts = ("symbol", repository, path, one.kind, one.qualified_name, str(one.ordinal))
    return uuid5(NAMESPACE, clean_text("\x1f".join(parts)))


def is_indexed(connection: Connection, repository: str, commit: str) -> bool:
    """Whether the index of a repository is of this commit, by these readers."""
    values = {"repository": repository, "commit": commit, "version": VERSION}
    return connection.execute(statement("is_indexed"), values).fetchone() is not None


def keep_blobs(connection: Connection, blobs: Mapping[Blob, Parsed]) -> None:
    """Keep what was said of blobs. A parser that failed may have failed for lack of time: that is not kept."""
    rows = [
        {"oid": oid, "language": language, "version": VERSION, "content": _packed(parsed)}
        for (oid, language), parsed in blobs.items()
        if all(one.code != "parser_failed" for one in parsed.findings)
    ]
    with connection.cursor() as cursor:
        cursor.executemany(statement("add_blob"), rows)


class KeptBlobs(Mapping[Blob, Parsed]):
    """What was kept of some blobs: which there are is known at once, each is fetched when it is asked for."""

    def __init__(self, database: Database, oids: Iterable[str]) -> None:
        self._database = database
        values = {"version": VERSION, "oids": list(oids)}
        with database.connection() as connection:
            self._blobs = set(connection.execute(statement("blobs"), values).fetchall())

    def __getitem__(self, blob: Blob) -> Parsed:
        if blob not in self._blobs:
            raise KeyError(blob)
        values = {"version": VERSION, "oid": blob[0], "language": blob[1]}
        with self._database.connection() as connection:
            row = connection.execute(statement("blob"), values).fetchone()
        if row is None:
            raise TransientError(f"what was kept of the blob {blob[0]} was removed meanwhile")
        return Parsed.from_json(json.loads(zlib.decompress(row[0])))

    def __contains__(self, blob: object) -> bool:
        return blob in self._blobs

    def __iter__(self) -> Iterator[Blob]:
        return iter(self._blobs)

    def __len__(self) -> int:
        return len(self._blobs)


def swap(connection: Connection, repository: Repository, index: Index) -> bool:
    """Put an index in the place of the one before, in the caller's transaction; False: it is there already.

    An error that may pass (a failed serialization) where that is not the snapshot that the index follows any more.
    """
    connection.execute(statement("lock_repository"), {"repository": repository.name})
    connection.execute(statement("stage_repository"))
    for table, rows in _rows(repository.name, index).items():
        columns, types = (one.split() for one in _COLUMNS[table])
        copy_temporary(connection, table, columns, types, rows)
    connection.execute(statement("analyze_stage"))
    values = {"repository": repository.name, "address": repository.address, "ref": repository.ref,
              "commit": index.commit, "version": VERSION, "tenant": repository.tenant,
              "base": index.snapshot.commit}  # fmt: skip
    answer = connection.execute(statement("swap"), values).fetchone()
    return bool(answer and answer[0])


def forget(connection: Connection, repository: str) -> None:
    """Remove a repository's index, whole, and what was kept of blobs that no other has."""
    connection.execute(statement("forget_repository"), {"repository": repository})
    connection.execute(statement("forget_blobs"))


def _packed(parsed: Parsed) -> bytes:
    return zlib.compress(json.dumps(parsed.to_json(), separators=(",", ":")).encode(), 1)


def _rows(repository: str, index: Index) -> dict[str, Iterator[tuple[Any, ...]]]:
    """What is staged: all files and dependencies, symbols of files that moved, references that are others now."""
    before = index.snapshot.files
    digests = {path: _digest(map(_reference, group)) for path, group in index.references.items()}
    changes = [path for path, digest in digests.items() if path not in before or before[path].digest != digest]
    return {
        "stage_repository_files": _files(index, digests),
        "stage_repository_symbols": _symbols(repository, index),
        "stage_repository_references": (_reference(one) for path in changes for one in index.references[path]),
        "stage_repository_dependencies": _dependencies(index),
    }


def _files(index: Index, digests: Mapping[str, bytes]) -> Iterator[tuple[Any, ...]]:
    numbers = {path: number for number, cycle in enumerate(index.dependencies.cycles, 1) for path in cycle}
    for one in _each_path_once(index.files):
        row = index.snapshot.files[one.path] if one.path not in index.moved else _row(index, one)
        digest, reach = digests.get(one.path, row.digest), index.reach.get(one.path, row.reach)
        yield (clean_text(one.path), one.oid, one.size, one.language, one.reason, row.lines, numbers.get(one.path),
               Jsonb(row.findings), digest, list(reach), one.path in index.moved)  # fmt: skip


def _row(index: Index, file: File) -> Row:
    """A file that moved."""
    parsed = index.parsed.get(file.path)
    findings = [[one.code, clean_text(one.message), one.line] for one in parsed.findings] if parsed else []
    return Row(file.oid, file.language, file.reason, parsed.lines if parsed else 0, findings, b"", ())


def _each_path_once(files: Iterable[File]) -> Iterator[File]:
    """Two names that are shown alike, for neither is text, are one row."""
    paths: set[str] = set()
    for one in files:
        if one.path not in paths:
            paths.add(one.path)
            yield one


def _digest(rows: Iterable[tuple[Any, ...]]) -> bytes:
    return hashlib.sha256("\n".join(map(repr, rows)).encode("utf-8", "replace")).digest()


def _symbols(repository: str, index: Index) -> Iterator[tuple[Any, ...]]:
    for path in filter(index.moved.__contains__, index.parsed):
        for one in index.parsed[path].symbols:
            place = (symbol_id(repository, path, one), path, one.kind.value, clean_text(one.qualified_name))
            texts = map(clean_text, (one.name, one.signature, one.docstring))
            yield (*place, one.ordinal, *texts, one.line, one.end_line, one.visibility)


def _reference(one: Reference) -> tuple[Any, ...]:
    place = (one.path, one.line, one.column, clean_text(one.name), one.kind.value, clean_text(one.scope))
    target = (one.to_path, clean_text(one.to_name), one.to_line, clean_text(one.package))
    return (*place, *target, one.how, one.confidence)


def _dependencies(index: Index) -> Iterator[tuple[str, str, str]]:
    yield from ((start, end, "") for start, end in index.dependencies.files)
    yield from ((start, "", clean_text(name)) for start, name in index.dependencies.packages)
