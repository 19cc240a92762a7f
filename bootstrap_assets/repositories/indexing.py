"""From a commit to everything that is known of it, stage by stage."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from bootstrap_assets.repositories.clone import Clone
from bootstrap_assets.repositories.dependencies import Dependencies, dependencies_of
from bootstrap_assets.repositories.discover import File, discover
from bootstrap_assets.repositories.errors import CloneStoppedError
from bootstrap_assets.repositories.git import LIMITS, Limits
from bootstrap_assets.repositories.manifests import is_manifest
from bootstrap_assets.repositories.naming import PARSED
from bootstrap_assets.repositories.parsing import Parser
from bootstrap_assets.repositories.references import Reference, references_of
from bootstrap_assets.repositories.symbols import Finding, Parsed
from bootstrap_assets.stopping import Stop

Memory = Callable[[str, str], Parsed | None]
"""What was kept of a blob (its id, its language) from before; None where it has to be parsed."""

Stage = Callable[[str], None]
"""Told the name of each stage as it begins."""


@dataclass(slots=True)
class Index:
    """All that is known of a commit. `fresh` are the (blob, language) pairs that were parsed for it."""

    commit: str
    files: list[File] = field(default_factory=list)
    parsed: dict[str, Parsed] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)
    dependencies: Dependencies = field(default_factory=Dependencies)
    fresh: dict[tuple[str, str], Parsed] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def findings(self) -> list[tuple[str, Finding]]:
        """What somebody should know, with the file."""
        return [(path, one) for path, parsed in self.parsed.items() for one in parsed.findings]


def index_commit(
    clone: Clone,
    parser: Parser,
    limits: Limits = LIMITS,
    memory: Memory = lambda oid, language: None,
    stop: Stop | None = None,
    stage: Stage = lambda name: None,
    symbols: Callable[[Index], None] = lambda index: None,
) -> Index:
    """Read, parse and join a commit; `symbols` is called once all is parsed, and before it is joined.

    Raises CloneStoppedError where it is asked to stop.
    """
    index, halt = Index(clone.commit), stop or Stop()
    with _timed(index, "discover", stage):
        index.files = list(discover(clone.entries(), _reading(clone, halt), limits))
    with _timed(index, "parse", stage):
        index.parsed = dict(_parse(index, clone, parser, memory, halt))
    with _timed(index, "symbols", stage):
        symbols(index)
    others = {
        one.path: clone.read(one.oid) or b"" for one in index.files if _is_read(one) and is_manifest(_name(one))
    }
    with _timed(index, "references", stage):
        for number, one in enumerate(references_of(index.parsed, others)):
            if number % 4096 == 0 and halt.is_set():
                raise CloneStoppedError
            index.references.append(one)
    with _timed(index, "dependencies", stage):
        index.dependencies = dependencies_of(index.references, others)
    return index


def _parse(index: Index, clone: Clone, parser: Parser, memory: Memory, stop: Stop) -> Iterator[tuple[str, Parsed]]:
    """Each file that has a parser; a blob that several files share, or that was kept, is not parsed again."""
    by_blob: dict[tuple[str, str], Parsed] = {}
    read = _reading(clone, stop)
    for file in index.files:
        if not _is_read(file) or file.language not in PARSED:
            continue
        key = (file.oid, file.language)
        if key not in by_blob:
            old = memory(*key)
            by_blob[key] = old if old is not None else parser.parse(file.language, read(file.oid) or b"")
            if stop.is_set():
                raise CloneStoppedError
            if old is None:
                index.fresh[key] = by_blob[key]
        yield file.path, by_blob[key]


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
    """What a job reports."""
    return {
        "files": sum(_is_read(one) for one in index.files),
        "symbols": sum(len(one.symbols) for one in index.parsed.values()),
        "references": len(index.references),
        "dependencies": len(index.dependencies.files) + len(index.dependencies.packages),
    }
