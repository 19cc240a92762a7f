"""What of a commit has to be done anew, given the index of the commit before."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bootstrap_assets.repositories.discover import File
from bootstrap_assets.repositories.joining.imports import FAMILIES
from bootstrap_assets.repositories.manifests import is_manifest
from bootstrap_assets.repositories.naming import PARSED
from bootstrap_assets.repositories.references import Homes, can_be_called, family_of
from bootstrap_assets.repositories.results import Results
from bootstrap_assets.repositories.snapshot import Snapshot


@dataclass(frozen=True)
class Change:
    """Files that are new or other than in the index (`moved`), of all that say something (`results`).

    The references of a file hang on the file itself, on its reach, on which files there are, on manifests, and,
    for a call that nothing else explains, on how many functions of its name there are. Where none of it changed
    they stay as they are.
    """

    results: Results
    moved: frozenset[str]
    snapshot: Snapshot
    manifests_moved: bool

    def families(self) -> Iterator[tuple[str, Sequence[str], Sequence[str], Homes | None]]:
        """Each family of languages: its files, those of them that are resolved anew, where names are at home.

        None: where names are at home is read from the files.
        """
        members: dict[str, list[str]] = defaultdict(list)
        for path, language in self.results.languages().items():
            members[family_of(language)].append(path)
        before = _paths_by_family(self.snapshot)
        for family, paths in members.items():
            if self.manifests_moved or set(paths) != before.get(family, set()):
                yield family, paths, paths, None
            elif self.moved.isdisjoint(paths):
                yield family, paths, (), {}
            elif FAMILIES[family].reads_all:
                yield family, paths, paths, None
            else:
                yield family, paths, self._stale(paths), self._homes(paths)

    def _stale(self, paths: Iterable[str]) -> list[str]:
        """The files of a family whose references may be others now."""
        waiting = self._waiting(self.moved.intersection(paths))
        return [
            path
            for path in paths
            if path in self.moved or path in waiting or not self.moved.isdisjoint(self.snapshot.files[path].reach)
        ]

    def _waiting(self, moved: Iterable[str]) -> set[str]:
        """Files with calls of a name that there are now more or fewer of, and that nothing else explains."""
        before, now = self.snapshot.callables_of(moved), self._callables(moved)
        names = {name for _, name in ((before - now) + (now - before))}
        return self.snapshot.waiting(names) if names else set()

    def _callables(self, paths: Iterable[str]) -> Counter[tuple[str, str]]:
        return Counter(
            (path, one.name) for path in paths for one in self.results[path].symbols if can_be_called(one)
        )

    def _homes(self, paths: Iterable[str]) -> Homes:
        """The files of each function and class: of what stayed as the index has it, of the rest as it is now."""
        result: dict[str, list[str]] = defaultdict(list)
        family = set(paths)
        for name, path in self.snapshot.callables():
            if path in family and path not in self.moved:
                result[name].append(path)
        for path, name in self._callables(self.moved & family).elements():
            result[name].append(path)
        return result


def change_of(files: Iterable[File], results: Results, snapshot: Snapshot) -> Change:
    """What is other than in the index of a snapshot."""
    rows = {one.path: one for one in files}
    moved = frozenset(path for path, one in rows.items() if not snapshot.has(one))
    names = {path for path, one in rows.items() if not one.reason and _is_manifest(path)}
    before = {path for path, row in snapshot.files.items() if not row.reason and _is_manifest(path)}
    return Change(results, moved, snapshot, names != before or not moved.isdisjoint(names))


def kept_edges(change: Change, fresh: Mapping[str, object]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """File on file and file on package, of the files whose references stayed."""
    edges = [one for one in change.snapshot.dependencies if one[0] in change.results and one[0] not in fresh]
    return [(start, to) for start, to, package in edges if not package], [
        (start, package) for start, _, package in edges if package
    ]


def _paths_by_family(snapshot: Snapshot) -> dict[str, set[str]]:
    result: dict[str, set[str]] = defaultdict(set)
    for path, row in snapshot.files.items():
        if not row.reason and row.language in PARSED:
            result[family_of(row.language)].add(path)
    return result


def _is_manifest(path: str) -> bool:
    return is_manifest(path.rpartition("/")[2])
