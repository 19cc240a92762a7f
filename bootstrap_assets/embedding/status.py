"""What is in the corpus, in brief: sources, texts, spaces."""

from datetime import datetime
from typing import Any

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.spaces import Space

statement = statements_of(__name__)


def describe_corpus(connection: Connection) -> dict[str, Any]:
    """Everything `bootstrap status` says about sources, texts and vectors, as plain values.

    Vectors are those of the space that is searched (before there is one, of the one being built).
    """
    sources: dict[str, Any] = {}
    space = spaces.newest(connection)
    if space is None:
        return {"sources": sources, "texts": 0, "space": None, "building": None}
    query = statement("source_status").format(vectors=space.vectors)
    for row in connection.execute(query, {"space": space.id}):
        (
            name,
            state,
            message,
            documents,
            total,
            processed,
            embedded,
            errors,
            grains,
            batches,
            findings,
            seconds,
            stale,
            silent,
        ) = row
        sources[name] = {
            "status": state,
            "documents": documents,
            "total_records": total,
            "processed_records": processed,
            "embedded_records": embedded,
            "error_count": errors,
            "by_granularity": grains,
            "batches": batches,
            "warnings": findings,
            "seconds": float(seconds) if seconds is not None else None,
            "message": message,
            "stale": stale,
            "heartbeat_seconds": float(silent) if silent is not None else None,
        }
    texts = connection.execute(statement("count_texts")).fetchone() or (0,)
    return {
        "sources": sources,
        "texts": texts[0],
        "space": _describe(connection, space),
        "building": _building(connection, space),
    }


def _describe(connection: Connection, space: Space) -> dict[str, Any]:
    return {
        "id": space.id,
        "provider": space.provider,
        "model": space.model,
        "dimensions": space.dimensions,
        "vectors": spaces.count(connection, space),
        "state": space.state,
    }


def _building(connection: Connection, active: Space) -> dict[str, Any] | None:
    """The newest space that is built, or ready, beside the searched one, and what it lacks."""
    space = spaces.building(connection)
    if space is None or space.id == active.id:
        return None
    return _describe(connection, space) | {"uncovered": spaces.uncovered(connection, space)}


def server_time(connection: Connection) -> datetime:
    """The time by the server's clock, which all rows go by."""
    row = connection.execute(statement("server_time")).fetchone()
    assert row is not None
    time: datetime = row[0]
    return time


def sources_since(connection: Connection, limiter: str, since: datetime) -> list[tuple[Any, ...]]:
    """Sources begun since a time: name, status, records, parsed, with vectors, seconds that a limiter waits."""
    return connection.execute(statement("sources_since"), {"limiter": limiter, "since": since}).fetchall()
