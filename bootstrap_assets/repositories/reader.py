"""Repositories from Python: `corpus.repositories`, the same answers as the command's `--json`."""

from collections.abc import Callable
from typing import Any

from bootstrap_assets.database.connection import Database
from bootstrap_assets.embedding.context import open_corpus
from bootstrap_assets.repositories import jobs, reading, registry, removal
from bootstrap_assets.repositories.reading import Rows
from bootstrap_assets.settings import Settings


class Repositories:
    """The repositories of a corpus. ConfigurationError for a name that there is not."""

    def __init__(self, settings: Settings, database: Callable[[], Database]) -> None:
        self._settings = settings
        self._database = database

    def _ask(self, question: Callable[..., Any], *values: Any, **names: Any) -> Any:
        with self._database().connection() as connection:
            return question(connection, *values, **names)

    def add(self, name: str, address: str, *, ref: str = "", tenant: str | None = None) -> bool:
        """Keep a repository indexed; whether it is new."""
        return bool(
            self._ask(registry.add, name, address, ref=ref, tenant=tenant, access=jobs.access(self._settings))
        )

    def index(self, name: str, commit: str = "", *, max_cost: float | None = None) -> dict[str, Any]:
        """Index a commit (empty: that of the ref) now; how that ended: `status`, counts, `reason`."""
        self._ask(registry.enqueue, name, commit)
        with open_corpus(self._settings, max_cost=max_cost) as corpus:
            jobs.process(corpus, [name])
        return self.show(name)

    def cancel(self, name: str) -> int:
        """Stop the work on it at its next safe point; how many jobs that were."""
        return int(self._ask(registry.cancel, name))

    def remove(self, name: str) -> None:
        """Remove a repository with all that only it had."""
        removal.remove(self._database(), name)

    def listing(self) -> Rows:
        """All of them, with counts and how their last jobs went."""
        return list(self._ask(reading.listing))

    def show(self, name: str) -> dict[str, Any]:
        """One, with stages, languages and findings."""
        return dict(self._ask(reading.show, name))

    def symbols(
        self, name: str, *, kind: str | None = None, path: str | None = None, symbol: str | None = None
    ) -> Rows:
        """What it defines: of a kind, below a path, of a qualified name."""
        return list(self._ask(reading.symbols, name, kind=kind, path=path, symbol=symbol))

    def references(self, name: str, *, to: str | None = None, path: str | None = None) -> Rows:
        """What it refers to: what leads to a qualified name, what stands in a file."""
        return list(self._ask(reading.references, name, to=to, path=path))

    def callers(self, name: str, symbol: str) -> Rows:
        """From where a function is called."""
        return list(self._ask(reading.callers, name, symbol))

    def dependencies(self, name: str) -> dict[str, list[list[str]]]:
        """File on file, file on package, and cycles."""
        return dict(self._ask(reading.dependencies, name))

    def cycles(self, name: str) -> list[list[str]]:
        """Files that depend on each other."""
        return list(self._ask(reading.cycles, name))
