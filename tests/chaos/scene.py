"""One corpus: its database, its provider, its folder, the children that fill it, and what is in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from psycopg import sql

from tests.chaos.corpus import NAMES
from tests.chaos.processes import Child, Crew
from tests.fakes.voyage_server import VoyageServer

VECTORS = "reference_vectors_voyage_voyage_4_large_1024"
TABLES = ("reference_documents", "reference_texts", "reference_text_parts", "reference_records", VECTORS)
BATCHES = 16
WORKERS = 4

Digest = dict[str, tuple[int, str]]
"""Rows and a digest of them, by table."""


class Provider(VoyageServer):
    """The fake provider with a latency that differs from request to request: answers come out of order."""

    @property
    def latency(self) -> float:
        """Seconds that the next answer takes: up to twice the mean."""
        return self._draw_latency.uniform(0, 2 * self._mean)

    @latency.setter
    def latency(self, mean: float) -> None:
        self._mean, self._draw_latency = mean, Random(7)


@dataclass
class Scene:
    """One corpus: a database of its own, a provider, a folder, and the children that fill it."""

    url: str
    provider: Provider
    folder: Path
    crew: Crew
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self, **more: str) -> dict[str, str]:
        """What a child is told by its environment."""
        return {
            "BOOTSTRAP_HOME": str(self.folder / "home"),
            "BOOTSTRAP_DATABASE_URL": self.url,
            "BOOTSTRAP_DATA": str(self.folder / "data"),
            "BOOTSTRAP_EMBEDDER": "voyage",
            "BOOTSTRAP_BATCHES": str(BATCHES),
            "BOOTSTRAP_EMBED_WORKERS": str(WORKERS),
            "BOOTSTRAP_RETRY_SECONDS": "0.2",
            "BOOTSTRAP_VOYAGE_BASE_URL": self.provider.url,
            "VOYAGE_API_KEY": "chaos-key",
            **self.settings,
            **more,
        }

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self, sources: Sequence[str] = NAMES, **options: Any) -> Child:
        """Start a child on some sources."""
        return self.crew.start(list(sources), self.environment(), **options)

    def run(self, sources: Sequence[str] = NAMES, **options: Any) -> Child:
        """A child from its start to its end."""
        child = self.start(sources, **options)
        child.wait()
        return child

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query.replace("VECTORS", VECTORS), parameters or None).fetchall()  # type: ignore[arg-type]

    def one(self, query: str, *parameters: object) -> Any:
        return self.rows(query, *parameters)[0][0]

    def execute(self, *commands: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for command in commands:
                connection.execute(command.replace("VECTORS", VECTORS))  # type: ignore[arg-type]

    def stored(self) -> set[bytes]:
        """Hashes of the texts that have a vector from the provider."""
        return {row[0] for row in self.rows("SELECT content_hash FROM VECTORS WHERE NOT pooled")}

    def digest(self) -> Digest:
        """Rows and a digest of them, for each table of the corpus, without the times."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return {table: digest_of(connection, table) for table in TABLES}


def digest_of(connection: psycopg.Connection, table: str) -> tuple[int, str]:
    """Rows of a table and a digest of them, without the times."""
    columns = [
        row[0]
        for row in connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s "
            "AND column_name NOT IN ('created_at', 'updated_at') ORDER BY ordinal_position",
            (table,),
        )
    ]
    query = sql.SQL(
        "SELECT count(*), coalesce(md5(string_agg(line, '' ORDER BY line)), '') "
        "FROM (SELECT md5(row({})::text) AS line FROM {}) AS lines"
    ).format(sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(table))
    rows, digest = connection.execute(query).fetchone() or (0, "")
    return rows, digest
