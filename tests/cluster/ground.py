"""What hosts share: a PostgreSQL that listens in the centre and can be restarted, and the texts that it holds."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from bootstrap_assets.database.embedded import programs
from tests.cluster.network import NETS, Network

_CONFIGURATION = f"""
listen_addresses = '{NETS["database"]}.1'
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 100
max_wal_size = '4GB'
"""
_TRUST = f"host all all {NETS['database']}.0/24 trust\n"
_IMPATIENT = (
    "?connect_timeout=2&tcp_user_timeout=2000&keepalives_idle=1&keepalives_interval=1&keepalives_count=1"
    "&options=-c%20tcp_keepalives_idle%3D1%20-c%20tcp_keepalives_interval%3D1%20-c%20tcp_keepalives_count%3D1"
    "%20-c%20tcp_user_timeout%3D2000"
)

_TEXTS = """
CREATE TEMP TABLE made AS
SELECT n, sha256(convert_to(content, 'UTF8')) AS hash, content FROM (
    SELECT n, format('%%s: clause %%s of contract %%s. ', %(source)s::text, n, n / 100) || repeat(
        'The receiving party keeps the confidential information secret for ' || n || ' days. ', 2) AS content
    FROM generate_series(%(first)s::int, %(last)s::int) n) c;
INSERT INTO reference_documents
    (id, source, source_id, title, raw_text, licence, attribution, url, content_hash)
SELECT md5(%(source)s || n)::uuid, %(source)s, n, n, '', 'CC0', 'nobody', '', sha256(''::bytea)
FROM generate_series(%(first)s::int / 100, %(last)s::int / 100) n ON CONFLICT DO NOTHING;
INSERT INTO reference_texts (content_hash, content, tokens)
SELECT hash, content, length(content) / 4 FROM made ORDER BY hash;
INSERT INTO reference_records (id, document_id, content_hash, source, source_id, granularity)
SELECT md5(%(source)s || '#' || n)::uuid, md5(%(source)s || n / 100)::uuid, hash, %(source)s, n, 'clause'
FROM made;
INSERT INTO bootstrap_progress (source, total_records) VALUES (%(source)s, %(last)s)
ON CONFLICT (source) DO UPDATE SET total_records = EXCLUDED.total_records, status = 'pending';
DROP TABLE made;
"""


class Server:
    """A PostgreSQL in the centre; `local` is its connection string by a Unix socket, for this side of it."""

    def __init__(self, network: Network, folder: Path) -> None:
        self._network = network
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.local = f"postgresql://postgres@/corpus?host={folder}"
        self.impatient = False

    @property
    def remote(self) -> str:
        """Its connection string for hosts; `impatient`: either side misses the other after two seconds."""
        return f"postgresql://postgres@{NETS['database']}.1/corpus{_IMPATIENT if self.impatient else ''}"

    def make(self) -> None:
        """Make its data folder, start it, and make a database."""
        self._account = programs.account_of(Path("/"))
        assert self._account, "as root"
        os.chown(self._folder, *self._account)
        programs.let_in(self._folder, self._account)
        arguments = ["-U", "postgres", "--auth=trust", "--no-sync", "--encoding=utf8", "-D", str(self._data)]
        subprocess.run([*self._as_user(), programs.program("initdb"), *arguments], check=True, capture_output=True)
        with (self._data / "postgresql.auto.conf").open("a") as file:
            file.write(_CONFIGURATION)
        with (self._data / "pg_hba.conf").open("a") as file:
            file.write(_TRUST)
        self.start()
        with psycopg.connect(self.local.replace("/corpus", "/postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE corpus")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [*("ip", "netns", "exec", self._network.centre), *self._as_user(), programs.program("postgres")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "-D", self._data, "-k", self._folder], stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < until, (self._folder / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it: whoever is connected is cut off, and what they had not committed is gone."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _as_user(self) -> list[Any]:
        assert self._account
        uid, gid = self._account
        return ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.local.replace("/corpus", "/postgres")).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def server(network: Network) -> Iterator[Server]:
    """A server for the length of the block; its folder is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="bootstrap-cluster-"))
    made = Server(network, folder)
    try:
        made.make()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def add_texts(connection: "psycopg.Connection[Any]", source: str, first: int, count: int) -> None:
    """Put distinct texts of a source where a load would, numbered from `first` on; no statistics of words."""
    for statement in _TEXTS.split(";\n"):
        if statement.strip():
            parameters = {"source": source, "first": first, "last": first + count - 1}
            connection.execute(statement.encode(), parameters, prepare=False)
