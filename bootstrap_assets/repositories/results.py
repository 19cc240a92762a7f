"""What blobs say, file by file, read when it is first asked for."""

from collections.abc import Iterable, Iterator, Mapping

from bootstrap_assets.repositories.symbols import Parsed

Blob = tuple[str, str]
"""A blob's id, and the language that it is read in."""

Memory = Mapping[Blob, Parsed]
"""What was kept of blobs from before; it may fetch each from elsewhere when it is asked for it."""


class Results(Mapping[str, Parsed]):
    """What the files of a commit say, by path. Files that share a blob share what it says."""

    def __init__(self, fresh: Mapping[Blob, Parsed], memory: Memory) -> None:
        self._blobs: dict[str, Blob] = {}
        self._fresh = fresh
        self._memory = memory
        self._here: dict[Blob, Parsed] = {}

    def add(self, path: str, blob: Blob) -> None:
        """A file, with the blob that it is."""
        self._blobs[path] = blob

    def languages(self) -> dict[str, str]:
        """The language of each file, without reading any."""
        return {path: language for path, (_, language) in self._blobs.items()}

    def __getitem__(self, path: str) -> Parsed:
        blob = self._blobs[path]
        if blob in self._fresh:
            return self._fresh[blob]
        if blob not in self._here:
            self._here[blob] = self._memory[blob]
        return self._here[blob]

    def __contains__(self, path: object) -> bool:
        return path in self._blobs

    def __iter__(self) -> Iterator[str]:
        return iter(self._blobs)

    def __len__(self) -> int:
        return len(self._blobs)


class Part(Mapping[str, Parsed]):
    """Some files of a mapping, none of which is read before it is asked for."""

    def __init__(self, files: Mapping[str, Parsed], paths: Iterable[str]) -> None:
        self._files = files
        self._paths = dict.fromkeys(paths)

    def __getitem__(self, path: str) -> Parsed:
        if path not in self._paths:
            raise KeyError(path)
        return self._files[path]

    def __contains__(self, path: object) -> bool:
        return path in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)
