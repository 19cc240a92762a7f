"""A real PostgreSQL for all tests of a worker, and a fresh database, cloned from a template, for each."""

import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from xdist.scheduler import LoadScopeScheduling

from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Database
from bootstrap_assets.database.embedded import server
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.choose import choose_embedder
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.settings import Settings, load_settings
from tests.fakes.voyage_server import VoyageServer
from tests.prepared import FILLS

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
TEMPLATE = "corpus_template"

_numbers = itertools.count()

# Images for containers forbid Python to keep what it has compiled. Hundreds of processes of these tests would
# compile all of Dagster, each for itself: 7 seconds of a processor to load the definitions, 3 where it is kept.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_report_header() -> str:
    from importlib.metadata import version

    return f"dagster {version('dagster')}, psycopg {version('psycopg')}, voyageai {version('voyageai')}"


class Scheduling(LoadScopeScheduling):
    """Any worker takes any test, but tests that share what takes long to make stay on one worker, and begin first.

    These are the deployment, and the server of somebody else that a `bootstrap run` has filled. With pytest 9.2
    xdist's own `--dist loadgroup` groups nothing: it sets an attribute that is no longer read.
    """

    def _split_scope(self, nodeid: str) -> str:
        path, _, _ = nodeid.partition("::")
        if "/external/" in path:
            return "external"
        return path if path.endswith("test_deployment.py") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings, the key or the Dagster home of the person who runs it."""
    for name in list(os.environ):
        if name.startswith(("BOOTSTRAP_", "VOYAGE_", "DAGSTER_", "OTEL_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A server of this worker's own; gives the connection string of its maintenance database.

    Not below pytest's own folder: as root the server runs as another user, and each pytest that starts on the
    machine takes the rights to that folder away from others.
    """
    home = Path(tempfile.mkdtemp(prefix="bootstrap-tests-", dir=_memory()))
    url = server.start(home)
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in SETTINGS:
            connection.execute(f"ALTER SYSTEM SET {setting}")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    schema.upgrade(_database_in(url, TEMPLATE))
    yield url
    server.stop(home)
    shutil.rmtree(home)


SETTINGS = ("fsync = off", "synchronous_commit = off", "full_page_writes = off", "max_wal_size = '256MB'")
"""Of the server, which no test has to find again after a crash of the machine; its log of changes stays small."""


def _memory() -> Path | None:
    """A file system in memory, where there is one with room: a database is 900 files, cloned for every test."""
    memory = Path("/dev/shm")
    has_room = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    return memory if has_room else None


ROOM = 6 * 2**30
"""Bytes. Three workers use a part of it; a machine with less memory keeps its databases on the disk."""


@pytest.fixture(scope="session")
def templates(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Gives the name of the database to clone, by what it holds; it is filled when the first test asks for it."""

    @cache
    def template(holding: str) -> str:
        name = f"template_{holding}"
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        with VoyageServer() as provider, Database(_database_in(postgres, name)) as database:
            settings = _settings(tmp_path_factory.mktemp(holding), database.url, provider)
            FILLS[holding](open_for_test(settings, database))
        return name

    return template


@pytest.fixture
def database_url(postgres: str, templates: Callable[[str], str], request: pytest.FixtureRequest) -> Iterator[str]:
    """A corpus, migrated, for one test: empty, but for what a fixture of tests/prepared.py says it holds."""
    [template] = [templates(name) for name in request.fixturenames if name in FILLS] or [TEMPLATE]
    name = f"corpus_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield _database_in(postgres, name)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def two_contracts() -> None:
    """The database holds TWO_CONTRACTS of tests/prepared.py, searched by the local model."""


@pytest.fixture
def ten_contracts() -> None:
    """The database holds ten contracts of the made-up source, searched by the model of `settings`."""


@pytest.fixture
def ten_contracts_locally() -> None:
    """The database holds ten contracts of the made-up source, searched by the local model."""


@pytest.fixture
def labelled_locally() -> None:
    """The database holds the labelled contracts of both sources that have labels, searched by the local model."""


@pytest.fixture
def bonterms() -> None:
    """The database holds the sample of bonterms, searched by the local model."""


@pytest.fixture
def blank_database_url(postgres: str) -> Iterator[str]:
    """A database with nothing in it at all."""
    name = f"blank_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield _database_in(postgres, name)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with Database(database_url) as pool:
        yield pool


@pytest.fixture
def voyage() -> Iterator[VoyageServer]:
    """The fake provider, over HTTP."""
    with VoyageServer() as fake:
        yield fake


@pytest.fixture
def settings(tmp_path: Path, database_url: str, voyage: VoyageServer) -> Settings:
    """Settings of a test: its own home and database, and the fake provider."""
    return _settings(tmp_path / "home", database_url, voyage)


def _settings(home: Path, database_url: str, voyage: VoyageServer) -> Settings:
    return load_settings(
        home=home,
        database_url=database_url,
        embedder="voyage",
        voyage_api_key="test-key",
        voyage_base_url=voyage.url,
        batches=16,
        embed_workers=4,
        retry_seconds=0.01,
    )


@pytest.fixture
def corpus(settings: Settings, database: Database) -> Corpus:
    """Everything a stage of the pipeline works with, on an empty corpus."""
    return open_for_test(settings, database)


def open_for_test(settings: Settings, database: Database) -> Corpus:
    """A corpus on an open database, with the embedder that the settings ask for."""
    embedder = choose_embedder(settings)
    model = embedder.model
    with database.connection() as connection:
        space = spaces.ensure(
            connection,
            model.provider,
            model.name,
            model.dimensions,
            feedback=model.feedback,
            element_type=settings.element_type,
        )
    return Corpus(settings, database, embedder, space)


def _database_in(url: str, name: str) -> str:
    return url.replace(f"/{server.DATABASE}?", f"/{name}?")
