"""What is in the corpus and how the last work on it ended, as plain values: `bootstrap status --json`."""

from dataclasses import asdict
from typing import Any

from bootstrap_assets.corpus import overview
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import connect, existing_database_url
from bootstrap_assets.embedding import breakers
from bootstrap_assets.embedding.status import describe_corpus
from bootstrap_assets.repositories import registry
from bootstrap_assets.search import index
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.registry import SOURCES

NO_INDEX = {"exists": False, "valid": False}


def read_status(settings: Settings) -> dict[str, Any]:
    """The status as plain values; sources that nothing was done for yet are included, as pending."""
    with connect(existing_database_url(settings)) as connection:
        if schema.current(connection) is None:
            return _complete({"sources": {}, "texts": 0, "space": None, "building": None}, NO_INDEX)
        schema.require_current(connection)
        document = _complete(describe_corpus(connection), index.state(connection))
        for name, origin in overview.invented(connection).items():
            document["sources"][name] |= {"invented": True, "origin": origin}
        document["repositories"] = asdict(registry.queue(connection))
        open_breakers = [breaker for breaker in breakers.listing(connection) if breaker.state != "closed"]
        return document | {"breakers": {breaker.name: breaker.reason for breaker in open_breakers}}


def _complete(document: dict[str, Any], index_state: dict[str, bool]) -> dict[str, Any]:
    sources = {name: document["sources"].pop(name, _pending()) for name in SOURCES}
    document["sources"] = {
        name: source | {"invented": False, "origin": None}
        for name, source in (sources | document["sources"]).items()
    }
    document.setdefault("breakers", {})
    document.setdefault("repositories", asdict(registry.Queue()))
    document["index"] = index_state
    return document


def _pending() -> dict[str, Any]:
    return {
        "status": "pending",
        "documents": 0,
        "total_records": 0,
        "processed_records": 0,
        "embedded_records": 0,
        "error_count": 0,
        "by_granularity": {},
        "batches": {"total": 0, "complete": 0, "failed": 0, "stale": 0},
        "warnings": {},
        "seconds": None,
        "message": None,
        "stale": False,
        "heartbeat_seconds": None,
    }
