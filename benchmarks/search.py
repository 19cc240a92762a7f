"""Searches against a bare kNN on the same vectors: hybrid, by words, by vectors; alone, and eight clients at once.

    python -m benchmarks search

The corpus is made from a seed: see language.py. Queries are of four kinds in turn: words, questions, pasted
pages, and questions with a filter. Warm, on a PostgreSQL that is started for this.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import psutil
import psycopg
from pgvector.psycopg import register_vector
from psycopg import sql

from benchmarks.figures import Figure, times
from benchmarks.language import Array, Language
from bootstrap_assets import pipeline
from bootstrap_assets.corpus import settlement
from bootstrap_assets.database.connection import connect
from bootstrap_assets.database.embedded import server
from bootstrap_assets.embedding.context import Corpus, open_corpus
from bootstrap_assets.settings import Settings

SECTIONS, CLAUSES = 2, 6  # of a document; of a section
STRAYS = 0.4
"""Of the clauses of a section, those of another kind than it."""
CLIENTS = (1, 8)
QUERIES = 80

SEARCHES = {
    "kNN": "SELECT content_hash FROM reference_vectors ORDER BY embedding <=> %(vector)s LIMIT 10",
    "vector": "SELECT rank FROM search_reference(NULL, %(vector)s, categories => %(categories)s)",
    "text": "SELECT rank FROM search_reference(%(text)s, NULL, categories => %(categories)s)",
    "hybrid": "SELECT rank FROM search_reference(%(text)s, %(vector)s, categories => %(categories)s)",
}

Row = tuple[Any, ...]


def document(language: Language, number: int) -> tuple[str, list[Row], list[Row]]:
    """The text of a document, its texts (hash, text, tokens, vector) and records."""
    topic, whole = language.topic(), UUID(int=number + 1)
    texts: list[Row] = []
    records: list[Row] = []
    pages, start = [], 0
    for section in range(SECTIONS):
        ranks = _section(language, topic)
        clauses = [language.text(clause) for clause in ranks]
        page = "\n".join(clauses)
        names = [page, *clauses]
        hashes = [sha256(text.encode()).digest() for text in names]
        vectors = [language.vector(clause) for clause in (np.concatenate(ranks), *ranks)]
        for place, (text, digest) in enumerate(zip(names, hashes, strict=True)):
            begin = start if not place else start + page.index(text)
            label = f"Kind {(number + place) % 40}" if place else None
            granularity = "clause" if place else "section"
            texts.append((digest, text, len(text) // 5 + 1, vectors[place]))
            key = UUID(int=(number + 1) * 1_000 + section * 100 + place)
            records.append(
                (key, whole, digest, "made_up", str(key), granularity, label, begin, begin + len(text), hashes[0])
            )
        pages.append(page)
        start += len(page) + 1
    return "\n".join(pages), texts, records


def _section(language: Language, topic: Array) -> list[Array]:
    """The words of its clauses, by their ranks: most of one kind."""
    kind = language.kind()
    lengths = np.clip(language.draw.lognormal(3.8, 0.7, CLAUSES), 8, 400).astype(int)
    strays = language.draw.random(CLAUSES) < STRAYS
    return [
        language.ranks(int(length), topic, language.kind() if stray else kind)
        for length, stray in zip(lengths, strays, strict=True)
    ]


def fill(corpus: Corpus, language: Language, texts: int) -> None:
    """Documents with so many texts together, their vectors and indexes."""
    count = texts // (SECTIONS * (CLAUSES + 1))
    with connect(corpus.database.url) as connection:
        register_vector(connection)
        for first in range(0, count, 2_000):
            some = range(first, min(count, first + 2_000))
            _store(connection, corpus, [(number, *document(language, number)) for number in some])
            connection.commit()
    settlement.settle(corpus.database)
    pipeline.build_index(corpus)
    with connect(corpus.database.url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def _store(connection: Any, corpus: Corpus, documents: list[Any]) -> None:
    whole = [
        (
            UUID(int=number + 1),
            "made_up",
            str(number),
            str(number),
            text,
            "",
            "",
            "",
            sha256(text.encode()).digest(),
        )
        for number, text, _, _ in documents
    ]
    columns = "id source source_id title raw_text licence attribution url content_hash"
    _copy(connection, sql.Identifier("reference_documents"), columns, whole)
    texts = {row[0]: row for _, _, rows, _ in documents for row in rows}
    columns = "content_hash content tokens"
    _copy(connection, sql.Identifier("reference_texts"), columns, [row[:3] for row in texts.values()])
    columns = "id document_id content_hash source source_id granularity category char_start char_end section_hash"
    records = [row for _, _, _, rows in documents for row in rows]
    _copy(connection, sql.Identifier("reference_records"), columns, records)
    vectors = [(digest, vector, 1) for digest, _, _, vector in texts.values()]
    _copy(connection, corpus.space.vectors, "content_hash embedding tokens", vectors)


def _copy(connection: Any, table: sql.Composable, columns: str, rows: list[Row]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns.split()))
    with connection.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN").format(table, names)) as copy:
        for row in rows:
            copy.write_row(row)


def queries(connection: Any, language: Language) -> list[dict[str, Any]]:
    """Words, questions, pasted pages and questions with a filter, in turn, each with the vector of its words."""
    pick = "SELECT content FROM reference_texts t JOIN reference_vectors v USING (content_hash)"
    rows = connection.execute(f"{pick} ORDER BY t.content_hash LIMIT %s", (QUERIES,)).fetchall()
    made = []
    for number, (content,) in enumerate(rows):
        ranks = np.array([language.rank_of[word] for word in content.split()])
        kind = number % 4
        length = min(len(ranks), (2, 8, len(ranks), 8)[kind])
        common = language.draw.integers(0, 300, length // 3 if kind % 2 else 0)
        words = np.concatenate([language.draw.choice(ranks, length, replace=False), common])
        filters = [f"Kind {number % 40}"] if kind == 3 else None
        made.append({"text": language.text(words), "vector": language.vector(words), "categories": filters})
    return made


def client(url: str, search: str, asked: list[dict[str, Any]], turn: int) -> list[float]:
    """What each query takes one client, in milliseconds; those of a first round, which warms it, are left out."""
    took = []
    with psycopg.connect(url, autocommit=True) as connection:
        register_vector(connection)
        connection.execute("SELECT set_config('search_path', %s, false)", ("public",))
        for round_ in range(2):
            for query in asked[turn:] + asked[:turn]:
                started = time.perf_counter()
                connection.execute(search.encode(), query).fetchall()
                if round_:
                    took.append((time.perf_counter() - started) * 1000)
    return took


def measure(url: str, asked: list[dict[str, Any]]) -> Iterator[tuple[str, int, float, float]]:
    """Search, clients, median and 95th percentile in milliseconds."""
    for clients in CLIENTS:
        for name, search in SEARCHES.items():
            with ThreadPoolExecutor(clients) as pool:
                turns = [number * len(asked) // clients for number in range(clients)]
                took = [ms for part in pool.map(partial(client, url, search, asked), turns) for ms in part]
            yield name, clients, float(np.percentile(took, 50)), float(np.percentile(took, 95))


@contextmanager
def corpus_of(texts: int, seed: int = 7) -> Iterator[tuple[Corpus, Language]]:
    """A corpus of so many texts on a server of its own, and nothing of it is left.

    The server syncs to no disk, and has a quarter of the memory for its buffers, as PostgreSQL's manual advises.
    """
    home = Path(tempfile.mkdtemp(prefix="bootstrap-bench-"))
    buffers = psutil.virtual_memory().total // 2**22
    try:
        with psycopg.connect(server.start(home), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute(f"ALTER SYSTEM SET shared_buffers = '{buffers}MB'".encode())
        server.stop(home)
        server.start(home)
        with open_corpus(Settings(home=home, embedder="local")) as corpus:
            language = Language.of(seed)
            fill(corpus, language, texts)
            yield corpus, language
    finally:
        server.stop(home)
        shutil.rmtree(home)


def figures(texts: int, seed: int = 7) -> Iterator[Figure]:
    """Makes a corpus of so many texts, and measures."""
    started = time.perf_counter()
    with corpus_of(texts, seed) as (corpus, language):
        yield Figure(f"{texts:,} texts, made and indexed", time.perf_counter() - started, "s")
        yield from searches(corpus, language)


def searches(corpus: Corpus, language: Language) -> Iterator[Figure]:
    """Of each kind of search, alone and eight at once, what it takes and how much of a bare kNN that is."""
    with connect(corpus.database.url) as connection:
        register_vector(connection)
        asked = queries(connection, language)
    yield from _figures(corpus.database.url, asked)


def _figures(url: str, asked: list[dict[str, Any]]) -> Iterator[Figure]:
    bare = (0.0, 0.0)
    for name, clients, median, slow in measure(url, asked):
        title = f"{name}, {clients} client{'s' if clients > 1 else ''}"
        yield Figure(f"{title}, p50", median, "ms")
        yield Figure(f"{title}, p95", slow, "ms")
        if name == "kNN":
            bare = median, slow
        else:
            yield times("  p50", median, bare[0], 10, "bare kNN")
            yield times("  p95", slow, bare[1], 20, "bare kNN")
