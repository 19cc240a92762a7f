"""From a commit to everything that is known of it, stage by stage."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from time import monotonic
from types import MappingProxyType

from bootstrap_assets.repositories.change import Change, change_of, kept_edges
from bootstrap_assets.repositories.clone import Clone
from bootstrap_assets.repositories.dependencies import Dependencies, dependencies_of
from bootstrap_assets.repositories.discover import File, discover
from bootstrap_assets.repositories.errors import CloneStoppedError
from bootstrap_assets.repositories.git import LIMITS, Limits
from bootstrap_assets.repositories.manifests import is_manifest
from bootstrap_assets.repositories.naming import PARSED
from bootstrap_assets.repositories.parsing import Parser
from bootstrap_assets.repositories.references import Joined, Reference
from bootstrap_assets.repositories.results import Blob, Memory, Part, Results
from bootstrap_assets.repositories.snapshot import NOTHING, Snapshot
from bootstrap_assets.repositories.symbols import Finding, Parsed
from bootstrap_assets.stopping import Stop

Stage = Callable[[str], None]
"""Told the name of each stage as it begins."""


@dataclass(slots=True)
class Index:
    """All that is known of a commit. `fresh` are the (blob, language) pairs that were parsed for it.

    What is in the `snapshot` and stays so is not here again: `references` are by file, of the files that have to
    be resolved anew, `reach` what each of these was resolved with, `moved` the files that are new or other.
    """

    commit: str
    files: list[File] = field(default_factory=list)
    parsed: Mapping[str, Parsed] = field(default_factory=dict)
    moved: frozenset[str] = frozenset()
    references: dict[str, list[Reference]] = field(default_factory=dict)
    reach: dict[str, list[str]] = field(default_factory=dict)
    dependencies: Dependencies = field(default_factory=Dependencies)
    fresh: dict[Blob, Parsed] = field(default_factory=dict)
    snapshot: Snapshot = NOTHING
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def findings(self) -> list[tuple[str, Finding]]:
        """What somebody should know, with the file."""
        return [(path, one) for path, parsed in self.parsed.items() for one in parsed.findings]


def index_commit(
    clone: Clone,
    parser: Parser,
    limits: Limits = LIMITS,
    memory: Memory = MappingProxyType({}),
    stop: Stop | None = None,
    stage: Stage = lambda name: None,
    symbols: Callable[[Index], None] = lambda index: None,
    snapshot: Snapshot = NOTHING,
) -> Index:
    """Read, parse and join a commit; `symbols` is called once all is parsed, and before it is joined.

    `memory` is what was kept of blobs, `snapshot` the index that this one follows. Raises CloneStoppedError
    where it is asked to stop.
    """
    index, halt = Index(clone.commit, snapshot=snapshot), stop or Stop()
    with _timed(index, "discover", stage):
        index.files = list(discover(clone.entries(), _reading(clone, halt), limits))
    with _timed(index, "parse", stage):
        results = _parse(index, clone, parser, memory, halt)
        change = change_of(index.files, results, snapshot)
        index.parsed, index.moved = results, change.moved
    with _timed(index, "symbols", stage):
        symbols(index)
    others = {
        one.path: clone.read(one.oid) or b"" for one in index.files if _is_read(one) and is_manifest(_name(one))
    }
    with _timed(index, "references", stage):
        _join(index, change, others, halt)
    with _timed(index, "dependencies", stage):
        references = chain.from_iterable(index.references.values())
        index.dependencies = dependencies_of(references, others, kept_edges(change, index.references))
    return index


def _parse(index: Index, clone: Clone, parser: Parser, memory: Memory, stop: Stop) -> Results:
    """Each file that has a parser; a blob that several files share, or that was kept, is not parsed again."""
    results, read = Results(index.fresh, memory), _reading(clone, stop)
    for file in index.files:
        if not _is_read(file) or file.language not in PARSED:
            continue
        blob = (file.oid, file.language)
        if blob not in index.fresh and blob not in memory:
            parsed = parser.parse(file.language, read(file.oid) or b"")
            if stop.is_set():
                raise CloneStoppedError
            index.fresh[blob] = parsed
        results.add(file.path, blob)
    return results


def _join(index: Index, change: Change, others: Mapping[str, bytes], stop: Stop) -> None:
    """The references of all files whose own may be others than in the index before."""
    for family, paths, stale, homes in change.families():
        if not stale:
            continue
        joined = Joined(family, Part(change.results, paths), others, homes)
        for path in stale:
            if stop.is_set():
                raise CloneStoppedError
            index.references[path] = joined.references(path)
            index.reach[path] = joined.reach(path)


def _reading(clone: Clone, stop: Stop) -> Callable[[str], bytes | None]:
    def read(oid: str) -> bytes | None:
        if stop.is_set():
            raise CloneStoppedError
        return clone.read(oid)

    return read


def _is_read(file: File) -> bool:
    return not file.reason


def _name(file: File) -> str:
    return file.path.rpartition("/")[2]


@contextmanager
def _timed(index: Index, name: str, stage: Stage) -> Iterator[None]:
    stage(name)
    began = monotonic()
    yield
    index.seconds[name] = monotonic() - began


def counts(index: Index) -> Mapping[str, int]:
    """What an index has that follows no other."""
    return {
        "files": sum(_is_read(one) for one in index.files),
        "symbols": sum(len(one.symbols) for one in index.parsed.values()),
        "references": sum(map(len, index.references.values())),
        "dependencies": len(index.dependencies.files) + len(index.dependencies.packages),
    }
