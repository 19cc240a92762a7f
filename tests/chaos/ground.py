"""What a scenario stands on: a PostgreSQL for many scenes, and the corpora that nothing disturbs."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from bootstrap_assets.database.embedded import server
from bootstrap_assets.embedding.context import open_corpus
from bootstrap_assets.settings import load_settings
from tests.chaos.corpus import Plan
from tests.chaos.inspection import faults
from tests.chaos.processes import Crew
from tests.chaos.scene import BATCHES, VECTORS, Digest, Provider, Scene

TEMPLATE = "chaos_template"

Tell = Callable[[str], None]
"""Prints a line of progress."""

_SPEED = ("fsync = off", "full_page_writes = off")
_numbers = itertools.count()


@dataclass(frozen=True)
class Standard:
    """The corpus that nothing disturbs: its rows, and the distinct texts that were sent for it."""

    digest: Digest
    distinct: int


@dataclass
class Ground:
    """A server for many scenes. `maintenance` is the connection string of a database that always exists."""

    maintenance: str
    folder: Path
    seed: int = 0
    standards: dict[Plan, Standard] = field(default_factory=dict)

    @contextmanager
    def scene(self, *, blank: bool = False, **options: Any) -> Iterator[Scene]:
        """A corpus that nothing was put in yet; `blank`: not even migrated. Options are those of the provider."""
        name = f"chaos_{next(_numbers)}"
        template = "template1" if blank else TEMPLATE
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        folder = self.folder / name
        crew = Crew(folder / "children")
        try:
            with Provider(**options) as provider:
                yield Scene(self.in_database(name), provider, folder, crew)
        finally:
            crew.close()
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")
            shutil.rmtree(folder, ignore_errors=True)

    def plan(self, documents: int) -> Plan:
        """A corpus with that many documents; the same for all scenarios, so that it is filled in peace once."""
        return Plan(self.seed, documents)

    def undisturbed(self, plan: Plan) -> Standard:
        """The corpus of a plan, filled once in peace."""
        if plan not in self.standards:
            with self.scene() as scene:
                plan.write(scene.data)
                ended = scene.run()
                assert ended.exit_code == 0, f"an undisturbed run failed: {ended.log}"
                assert not (wrong := faults(scene)), wrong
                assert scene.provider.charged.total() == len(scene.provider.charged)
                self.standards[plan] = Standard(scene.digest(), len(scene.provider.charged))
        return self.standards[plan]

    def in_database(self, name: str) -> str:
        return self.maintenance.replace(f"/{server.DATABASE}?", f"/{name}?")

    def _execute(self, command: str) -> None:
        with psycopg.connect(self.maintenance, autocommit=True) as connection:
            connection.execute(command)  # type: ignore[arg-type]

    def prepare(self) -> None:
        """Make the template: a migrated database with the space of the fake provider."""
        self._execute(f"CREATE DATABASE {TEMPLATE}")
        with open_corpus(
            load_settings(
                home=self.folder / "home",
                database_url=self.in_database(TEMPLATE),
                embedder="voyage",
                voyage_api_key="chaos-key",
                voyage_base_url="http://127.0.0.1:9/v1",
                batches=BATCHES,
            )
        ) as corpus:
            assert corpus.space.table == VECTORS


@contextmanager
def own_server(*, committed: bool = False) -> Iterator[tuple[Path, str]]:
    """A PostgreSQL of our own: its home and connection string. `committed`: a commit outlives a crash."""
    home = Path(tempfile.mkdtemp(prefix="bootstrap-chaos-"))
    try:
        url = server.start(home)
        with psycopg.connect(url, autocommit=True) as connection:
            for setting in (*_SPEED, f"synchronous_commit = {'on' if committed else 'off'}"):
                connection.execute(f"ALTER SYSTEM SET {setting}")  # type: ignore[arg-type]
            connection.execute("SELECT pg_reload_conf()")
        yield home, url
    finally:
        server.stop(home)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def own_ground(seed: int, *, committed: bool = False) -> Iterator[Ground]:
    """A ground on a server of its own."""
    with own_server(committed=committed) as (home, url):
        ground = Ground(url, home / "scenes", seed)
        ground.prepare()
        yield ground
