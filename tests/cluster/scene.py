"""A cluster: a network, its database and provider, and any number of hosts on one corpus."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from bootstrap_assets.embedding.context import open_corpus
from bootstrap_assets.settings import load_settings
from tests.cluster.ground import Server, add_texts, server
from tests.cluster.hosts import Host
from tests.cluster.network import NETS, Network, network
from tests.cluster.provider import Provider

DIMENSIONS = 256
"""Of the vectors: enough to be real, few enough for two cores to play a whole cluster."""

VECTORS = f"reference_vectors_voyage_voyage_4_large_{DIMENSIONS}"

_LEASES = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity a USING (pid)
WHERE locktype = 'advisory' AND objsubid = 2 AND classid::bigint >> 16 = 25185 AND a.client_addr = '{address}'"""

_SECONDS = 3.0
"""That a vector may be in the database, or on its way, when another host asks."""

_HAD_THEM = """
SELECT count(*) FROM unnest(%(hashes)s::bytea[], %(moments)s::float8[]) AS asked (hash, moment)
JOIN VECTORS v ON v.content_hash = asked.hash AND v.created_at < to_timestamp(asked.moment)"""


@dataclass
class Scene:
    """A cluster at work. `settings` are environment variables of every host that is added after they were set."""

    network: Network
    server: Server
    provider: Provider
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    hosts: list[Host] = field(default_factory=list)

    def host(self) -> Host:
        """Another host."""
        added = Host(self.network, self.folder, self.environment(self.server.remote) | self.settings)
        self.hosts.append(added)
        return added

    def environment(self, url: str) -> dict[str, str]:
        """What a process is told by its environment, home and clock apart."""
        return {
            "BOOTSTRAP_DATABASE_URL": url,
            "BOOTSTRAP_EMBEDDER": "voyage",
            "BOOTSTRAP_VOYAGE_DIMENSIONS": str(DIMENSIONS),
            "BOOTSTRAP_VOYAGE_BASE_URL": self.provider.url,
            "BOOTSTRAP_MIGRATE": "never",
            "BOOTSTRAP_EMBED_WORKERS": "2",
            "BOOTSTRAP_RETRY_SECONDS": "0.5",
            "VOYAGE_API_KEY": "cluster-key",
        }

    def make_schema(self) -> None:
        """Make the schema and the space, from outside of all hosts."""
        with open_corpus(
            load_settings(
                home=self.folder / "schema",
                database_url=self.server.local,
                embedder="voyage",
                voyage_api_key="cluster-key",
                voyage_base_url=self.provider.url,
                voyage_dimensions=DIMENSIONS,
            )
        ) as corpus:
            assert corpus.space.table == VECTORS

    def add_texts(self, source: str, count: int, first: int = 0) -> None:
        with psycopg.connect(self.server.local) as connection:
            add_texts(connection, source, first, count)

    def one(self, query: str) -> Any:
        """The first value that a query gives, asked from outside of all hosts."""
        with psycopg.connect(self.server.local, autocommit=True) as connection:
            row = connection.execute(query.replace("VECTORS", VECTORS).encode()).fetchone()
        assert row
        return row[0]

    def leases(self, host: Host) -> int:
        """Lease buckets that the server keeps for a host."""
        return int(self.one(_LEASES.format(address=host.database_address)))

    def bought_again(self, host: Host, since: float) -> int:
        """Texts that a host asked for after a moment although they had had a vector for some seconds."""
        started = time.time() - time.monotonic()
        asked = [
            (digest, started + sale.arrived - _SECONDS)
            for sale in self.provider.sales
            if sale.client == host.address and sale.arrived > since
            for digest in sale.digests
        ]
        with psycopg.connect(self.server.local) as connection:
            parameters = {"hashes": [digest for digest, _ in asked], "moments": [moment for _, moment in asked]}
            row = connection.execute(_HAD_THEM.replace("VECTORS", VECTORS).encode(), parameters).fetchone()
        assert row
        return int(row[0])

    def missing(self) -> int:
        """Records without a vector."""
        return int(
            self.one(
                "SELECT count(*) FROM reference_records r WHERE NOT EXISTS "
                "(SELECT FROM VECTORS v WHERE v.content_hash = r.content_hash)"
            )
        )


@contextmanager
def scene(folder: Path, **options: Any) -> Iterator[Scene]:
    """A cluster with an empty corpus; options are those of the provider."""
    with network() as net, server(net) as database:
        provider = net.in_centre(lambda: Provider(host=f"{NETS['provider']}.1", **options))
        with provider:
            made = Scene(net, database, provider, folder)
            try:
                made.make_schema()
                yield made
            finally:
                for host in made.hosts:
                    host.close()
