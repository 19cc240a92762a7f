"""What is asked of a repository's index: plain rows, as `--json` prints them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.repositories import registry
from bootstrap_assets.repositories.registry import RepositoryState

statement = statements_of(__name__)

Rows = list[dict[str, Any]]

MOST_FINDINGS = 100
"""Findings that are shown of a repository."""

_SYMBOL = ("name", "qualified_name", "kind", "path", "line", "end_line", "signature", "docstring", "visibility")
_REFERENCE = ("from_path", "from_line", "name", "kind", "to", "how", "confidence", "to_path", "scope")
_LIST = ("name", "address", "ref", "commit", "status", *registry.COUNTS, "reason")


def listing(connection: Connection) -> Rows:
    """All repositories, with the counts of their indexes and how their last jobs went."""
    return [{name: getattr(state, name) for name in _LIST} for state in registry.states(connection)]


def show(connection: Connection, name: str) -> dict[str, Any]:
    """A repository with its stages, languages, findings, and why files were not read."""
    state = registry.state(connection, name)
    values = {"repository": name, "most": MOST_FINDINGS}
    findings = connection.execute(statement("list_findings"), values).fetchall()
    languages = connection.execute(statement("languages"), values).fetchall()
    reasons = connection.execute(statement("reasons"), values).fetchall()
    return _plain(state) | {
        "languages": [dict(zip(("language", "files", "lines"), row, strict=True)) for row in languages],
        "left_out": [dict(zip(("reason", "files"), row, strict=True)) for row in reasons],
        "finding_list": [dict(zip(("path", "code", "message", "line"), row, strict=True)) for row in findings],
    }


def _plain(state: RepositoryState) -> dict[str, Any]:
    at = state.indexed_at.isoformat() if state.indexed_at else None
    return {**asdict(state), "seconds": dict(state.seconds), "indexed_at": at}


def symbols(
    connection: Connection,
    name: str,
    *,
    kind: str | None = None,
    path: str | None = None,
    symbol: str | None = None,
) -> Rows:
    """What a repository defines: of one kind, below a path, or of one qualified name."""
    registry.get(connection, name)
    parameters = {"repository": name, "kind": kind, "path": path, "name": symbol}
    rows = connection.execute(statement("list_symbols"), parameters)
    return [dict(zip(_SYMBOL, row, strict=True)) for row in rows]


def references(
    connection: Connection,
    name: str,
    *,
    to: str | None = None,
    path: str | None = None,
    kinds: Sequence[str] | None = None,
) -> Rows:
    """What a repository refers to: all, what leads to one qualified name, what stands in one file."""
    registry.get(connection, name)
    parameters = {"repository": name, "to": to, "path": path, "kinds": list(kinds) if kinds else None}
    rows = connection.execute(statement("list_references"), parameters)
    return [dict(zip(_REFERENCE, row, strict=True)) for row in rows]


def callers(connection: Connection, name: str, symbol: str) -> Rows:
    """From where a function is called: `scope` is the symbol that calls it, empty at the top of a file."""
    return references(connection, name, to=symbol, kinds=["call"])


def cycles(connection: Connection, name: str) -> list[list[str]]:
    """Files that depend on each other, the largest group first."""
    registry.get(connection, name)
    return [row[0] for row in connection.execute(statement("list_cycles"), {"repository": name})]


def dependencies(connection: Connection, name: str) -> dict[str, list[list[str]]]:
    """File on file, file on package, and the cycles among files."""
    registry.get(connection, name)
    rows = connection.execute(statement("list_dependencies"), {"repository": name}).fetchall()
    return {
        "files": [[start, end] for start, end, package in rows if not package],
        "packages": [[start, package] for start, _, package in rows if package],
        "cycles": cycles(connection, name),
    }
