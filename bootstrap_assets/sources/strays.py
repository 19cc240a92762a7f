"""Files that lie beside a source's archives and are not its own: other zips, other JSON, pages, empty files."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bootstrap_assets.corpus.records import Finding, Severity
from bootstrap_assets.errors import ForeignFileError, FormatError, NotAnArchiveError


class Strays:
    """Sets files aside that are not the source's, by what is in them, and reports them.

    A file with one of the source's `official` names is meant to be its own, so it is never set aside. Neither is a
    damaged archive, which may be its own: leaving that out would take its records out of the corpus.
    """

    def __init__(self, source: str, official: Iterable[str]) -> None:
        self._source = source
        self._official = {name.casefold() for name in official}
        self._files: list[tuple[Path, Exception]] = []

    def __len__(self) -> int:
        return len(self._files)

    @contextmanager
    def aside(self, path: Path) -> Iterator[None]:
        """Set the file aside if what is done with it finds that it is not the source's."""
        try:
            yield
        except (ForeignFileError, NotAnArchiveError) as error:
            if path.name.casefold() in self._official:
                raise
            self._files.append((path, error))

    def refuse(self) -> None:
        """To be called where no file was the source's: say of each that was looked at what it is."""
        if len(self._files) == 1:
            raise self._files[0][1]
        if self._files:
            reasons = "; ".join(str(error) for _, error in self._files)
            count = len(self._files)
            raise FormatError(f"{self._source}: none of these {count} files is one of its archives: {reasons}")

    def findings(self) -> list[Finding]:
        """A warning for each file that was set aside."""
        return [
            Finding(self._source, Severity.WARNING, "stray_file", f"this file is left out: {error}", path.name)
            for path, error in self._files
        ]
