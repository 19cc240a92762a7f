"""Writing archives as GitHub makes them: a repository of numbered agreements, a library of prose objects."""

from collections.abc import Iterable
from pathlib import Path

from bootstrap_assets.sample.archive import member, new_archive, write_archive


def write_repository(folder: Path, name: str, files: Iterable[tuple[str, bytes]]) -> Path:
    """Write `<name>.zip` with the files below `<name>-main/`, as GitHub archives a repository's main branch."""
    return write_archive(folder / f"{name}.zip", ((f"{name}-main/{file}", content) for file, content in files))


def write_prose_objects(path: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    """Write `Cmacc-Org.zip`; `files` are (path below the library's root, content), already in order."""
    with new_archive(path) as archive:
        for name, content in files:
            archive.writestr(member(f"Cmacc-Org-master/Doc/{name}"), content)
    return path
