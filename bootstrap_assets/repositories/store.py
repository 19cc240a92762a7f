"""Keeps what was said of blobs, and puts the index of a commit in the place of the one before."""

import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from psycopg.types.json import Jsonb

from bootstrap_assets.corpus.records import NAMESPACE
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.copy import copy_temporary
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.repositories.discover import File
from bootstrap_assets.repositories.indexing import Index
from bootstrap_assets.repositories.languages import VERSION
from bootstrap_assets.repositories.references import Reference
from bootstrap_assets.repositories.symbols import Parsed, Symbol
from bootstrap_assets.texts.content import clean_text

statement = statements_of(__name__)

Blobs = Mapping[tuple[str, str], Parsed]
"""What was said of blobs, by id and language."""

_COLUMNS = {
    "stage_repository_files": (
        "path oid size language reason lines cycle findings references_digest",
        "text text int8 text text int4 int4 jsonb bytea",
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


def keep_blobs(connection: Connection, blobs: Blobs) -> None:
    """Keep what was said of blobs. A parser that failed may have failed for lack of time: that is not kept."""
    rows = [
        {"oid": oid, "language": language, "version": VERSION, "content": _packed(parsed)}
        for (oid, language), parsed in blobs.items()
        if all(one.code != "parser_failed" for one in parsed.findings)
    ]
    with connection.cursor() as cursor:
        cursor.executemany(statement("add_blob"), rows)


def kept_blobs(connection: Connection, oids: Iterable[str]) -> Blobs:
    """What was kept of some blobs."""
    rows = connection.execute(statement("blobs"), {"version": VERSION, "oids": list(oids)})
    return {
        (oid, language): Parsed.from_json(json.loads(zlib.decompress(content))) for oid, language, content in rows
    }


def swap(connection: Connection, repository: Repository, index: Index) -> bool:
    """Put an index in the place of the one before, in the caller's transaction; False: it is there already."""
    connection.execute(statement("lock_repository"), {"repository": repository.name})
    connection.execute(statement("stage_repository"))
    stored: dict[str, bytes] = dict(
        connection.execute(statement("digests"), {"repository": repository.name}).fetchall()
    )
    for table, rows in _rows(repository.name, index, stored).items():
        columns, types = (one.split() for one in _COLUMNS[table])
        copy_temporary(connection, table, columns, types, rows)
    connection.execute(statement("analyze_stage"))
    values = {"repository": repository.name, "address": repository.address, "ref": repository.ref,
              "commit": index.commit, "version": VERSION, "tenant": repository.tenant}  # fmt: skip
    answer = connection.execute(statement("swap"), values).fetchone()
    return bool(answer and answer[0])


def forget(connection: Connection, repository: str) -> None:
    """Remove a repository's index, whole."""
    connection.execute(statement("forget_repository"), {"repository": repository})


def _packed(parsed: Parsed) -> bytes:
    return zlib.compress(json.dumps(parsed.to_json(), separators=(",", ":")).encode(), 1)


def _rows(repository: str, index: Index, stored: Mapping[str, bytes]) -> dict[str, Iterator[tuple[Any, ...]]]:
    """What is staged; of references only those of files that have others than are `stored`, by their digests."""
    by_path: dict[str, list[Reference]] = defaultdict(list)
    for one in index.references:
        by_path[one.path].append(one)
    digests = {path: _digest(map(_reference, group)) for path, group in by_path.items()}
    changes = [path for path, digest in digests.items() if stored.get(clean_text(path)) != digest]
    return {
        "stage_repository_files": _files(index, digests),
        "stage_repository_symbols": _symbols(repository, index),
        "stage_repository_references": (_reference(one) for path in changes for one in by_path[path]),
        "stage_repository_dependencies": _dependencies(index),
    }


def _files(index: Index, digests: Mapping[str, bytes]) -> Iterator[tuple[Any, ...]]:
    numbers = {path: number for number, cycle in enumerate(index.dependencies.cycles, 1) for path in cycle}
    for one in _each_path_once(index.files):
        parsed = index.parsed.get(one.path)
        findings = [[row.code, clean_text(row.message), row.line] for row in parsed.findings] if parsed else []
        digest = digests.get(one.path, b"")
        yield (clean_text(one.path), one.oid, one.size, one.language, one.reason, parsed.lines if parsed else 0,
               numbers.get(one.path), Jsonb(findings), digest)  # fmt: skip


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
    for path, parsed in index.parsed.items():
        for one in parsed.symbols:
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
