"""One way through the pipeline in a process of its own; prints its seconds and its peak memory as JSON.

pipeline_child          the generated source, by the embedder of the settings
pipeline_child free     the same, by one that answers at once, from its own memory
pipeline_child floor    what nobody can do without: the requests to the provider and a COPY of each answer
pipeline_child copy     a binary COPY of the records and of as many vectors, from memory
pipeline_child cuad     parse and load of CUAD, and nothing else
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from pgvector.psycopg import register_vector

from benchmarks.generated import SOURCE
from bootstrap_assets import pipeline
from bootstrap_assets.corpus.records import ParsedDocument
from bootstrap_assets.database.connection import database_url
from bootstrap_assets.embedding import context
from bootstrap_assets.embedding.batches import Text, pack
from bootstrap_assets.embedding.choose import choose_embedder
from bootstrap_assets.embedding.dispatch import dispatch
from bootstrap_assets.embedding.providers.protocol import Embedder, Embeddings, InputType, Model
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.sources.cuad.source import SOURCE as CUAD
from bootstrap_assets.sources.fetch import locate
from bootstrap_assets.stopping import Stop
from bootstrap_assets.texts.content import content_hash, estimate_tokens

DIMENSIONS = 1024


@dataclass(frozen=True, slots=True)
class FreeEmbedder:
    """Answers at once, with vectors that it has: what remains is the pipeline's own work."""

    of: Embedder
    vectors: Any

    @property
    def model(self) -> Model:
        return self.of.model

    @property
    def account(self) -> str:
        return self.of.account

    def embed(self, texts: Sequence[str], _input_type: InputType) -> Embeddings:
        return Embeddings(self.vectors[: len(texts)], sum(map(len, texts)) // 4)


def unit_vectors(count: int, dimensions: int = DIMENSIONS) -> Any:
    vectors = np.random.default_rng(7).standard_normal((count, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def whole(settings: Settings, *, free: bool = False) -> dict[str, Any]:
    with context.open_corpus(settings) as corpus:
        if free:
            corpus = replace(
                corpus, embedder=FreeEmbedder(corpus.embedder, unit_vectors(1_000, corpus.space.dimensions))
            )
        started = time.monotonic()
        loaded = pipeline.load(corpus, SOURCE, locate.fetch(settings, SOURCE))
        filled_at = time.monotonic()
        filled = pipeline.embed(corpus, SOURCE)
        done = time.monotonic()
        indexed = None if free else pipeline.build_index(corpus)
        return {
            "records": loaded.records,
            "load": filled_at - started,
            "embed": done - filled_at,
            "texts": filled.texts,
            "requests": filled.requests,
            "index": indexed.seconds if indexed else 0,
            "all": time.monotonic() - started,
        }


def cuad(settings: Settings) -> dict[str, Any]:
    with context.open_corpus(settings) as corpus:
        started = time.monotonic()
        loaded = pipeline.load(corpus, CUAD, locate.fetch(settings, CUAD))
        return {"records": loaded.records, "load": time.monotonic() - started}


def parsed(settings: Settings) -> list[ParsedDocument]:
    return list(SOURCE.parse([archive.path for archive in locate.fetch(settings, SOURCE)], {}))


@contextmanager
def bare_tables(url: str, **columns: str) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        for name, definition in columns.items():
            connection.execute(f"CREATE TABLE bare_{name} ({definition})")
        yield connection
        for name in columns:
            connection.execute(f"DROP TABLE bare_{name}")


def copy(settings: Settings) -> dict[str, Any]:
    documents, vectors = parsed(settings), unit_vectors(1_000)
    records = [
        (
            r.id,
            r.document_id,
            content_hash(r.content),
            r.source,
            r.source_id,
            r.granularity,
            r.category,
            r.char_start,
            r.char_end,
        )
        for entry in documents
        for r in entry.records
    ]
    texts = list({content_hash(r.content): r.content for entry in documents for r in entry.records}.items())
    with bare_tables(
        database_url(settings),
        documents="id uuid, title text, raw_text text",
        records="id uuid, document_id uuid, content_hash bytea, source text, source_id text, granularity text, "
        "category text, char_start int, char_end int",
        texts="content_hash bytea, content text",
        vectors=f"content_hash bytea, embedding vector({DIMENSIONS})",
    ) as connection:
        register_vector(connection)
        started = time.monotonic()
        _copy(
            connection,
            "documents",
            "uuid text text",
            [(d.document.id, d.document.title, d.document.text) for d in documents],
        )
        _copy(connection, "records", "uuid uuid bytea text text text text int4 int4", records)
        _copy(connection, "texts", "bytea text", texts)
        _copy(
            connection,
            "vectors",
            "bytea vector",
            [(digest, vectors[n % 1_000]) for n, (digest, _) in enumerate(texts)],
        )
        return {"all": time.monotonic() - started}


def _copy(connection: Any, name: str, types: str, rows: Sequence[Sequence[Any]]) -> None:
    with connection.cursor().copy(f"COPY bare_{name} FROM STDIN (FORMAT BINARY)") as stream:
        stream.set_types(types.split())
        for row in rows:
            stream.write_row(row)


def floor(settings: Settings) -> dict[str, Any]:
    embedder, url = choose_embedder(settings), database_url(settings)
    started = time.monotonic()
    contents = {
        content_hash(record.content): record.content for entry in parsed(settings) for record in entry.records
    }
    texts = [Text(digest, content, estimate_tokens(content)) for digest, content in contents.items()]

    def embed_and_copy(request: list[Text]) -> None:
        vectors = embedder.embed([text.content for text in request], InputType.DOCUMENT).vectors
        with psycopg.connect(url) as connection:
            register_vector(connection)
            rows = [(text.content_hash, vector) for text, vector in zip(request, vectors, strict=True)]
            _copy(connection, "floor", "bytea vector", rows)

    with bare_tables(url, floor=f"content_hash bytea, embedding vector({DIMENSIONS})"):
        requests = pack(texts, max_texts=1_000, max_tokens=108_000)
        for _ in dispatch(requests, embed_and_copy, workers=8, stop=Stop()):
            pass
        return {"all": time.monotonic() - started}


def peak() -> float:
    """The most memory that this process had, in MB. What getrusage tells is at least what the parent had."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


WAYS: dict[str, Callable[[Settings], dict[str, Any]]] = {
    "all": whole,
    "free": lambda settings: whole(settings, free=True),
    "floor": floor,
    "copy": copy,
    "cuad": cuad,
}

if __name__ == "__main__":
    result = WAYS[sys.argv[1] if len(sys.argv) > 1 else "all"](load_settings())
    print(json.dumps(result | {"memory_mb": peak()}))
