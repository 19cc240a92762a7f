"""The archives of a source: bundled, downloaded, or lying in a folder, here or in a bucket."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bootstrap_assets import sample
from bootstrap_assets.errors import ArchiveError, ConfigurationError
from bootstrap_assets.sample import provenance
from bootstrap_assets.settings import Settings, is_address, local_folder
from bootstrap_assets.sources.fetch import bucket, download
from bootstrap_assets.sources.fetch.http_answers import public_url
from bootstrap_assets.sources.spec import Source, describe_folder, find_archives


@dataclass(frozen=True, slots=True)
class Archive:
    """A file of a source, as published: where it lies, its size in bytes and its SHA-256.

    `invented`: it is not, but written by our own sample or generator. `address`: where any host finds it.
    """

    path: Path
    size: int
    sha256: str
    invented: bool = False
    address: str | None = None


def fetch(settings: Settings, source: Source, *, force: bool = False) -> list[Archive]:
    """The archives of a source: bundled, downloaded, or lying in a folder. ArchiveError where there are none.

    `force` downloads again what has changed on the server. What a bucket raises: see `bucket.fetch`.
    """
    return _described(settings, source, _locate(settings, source, force=force))


def at_hand(settings: Settings, source: Source) -> list[Archive] | None:
    """The archives as `fetch` gives them where nothing has to come from another machine for that; else None."""
    if settings.data == "official":
        folder = settings.archive_folder / source.name
        lock = download.ChecksumLock(folder)
        there = [one.path for remote in source.remotes if (one := download.at_hand(remote, folder, lock=lock))]
        paths = there if len(there) == len(source.remotes) else None
    elif is_address(settings.data):
        paths = bucket.at_hand(_address(settings, source), source, settings.archive_folder / "objects")
    else:
        paths = _locate(settings, source, force=False)
    return None if paths is None else _described(settings, source, paths)


def is_shared(settings: Settings) -> bool:
    """Whether archives come from a place that other hosts take them from too."""
    return settings.data == "official" or is_address(settings.data)


def _described(settings: Settings, source: Source, paths: Sequence[Path]) -> list[Archive]:
    addresses = _addresses(settings, source)
    return [replace(_describe(path), address=addresses(path.name)) for path in paths]


def _addresses(settings: Settings, source: Source) -> Callable[[str], str | None]:
    """What gives the address of an archive by its name, without secrets; None where no other host has it."""
    if settings.data == "official":
        return {remote.filename: public_url(remote.url) for remote in source.remotes}.get
    folder = public_url(_address(settings, source)) if is_shared(settings) else None
    return lambda name: f"{folder}/{name}" if folder else None


def _locate(settings: Settings, source: Source, *, force: bool) -> list[Path]:
    if settings.data == "official":
        return _download(settings, source, force=force)
    if settings.data == "sample":
        paths = sample.write_sample(settings.root / "sample")
        return [path for path in paths if path.parent.name == source.name]
    if is_address(settings.data):
        return bucket.fetch(_address(settings, source), source, settings.archive_folder / "objects", force=force)
    folder = local_folder(settings.data)
    if not folder.is_dir():
        raise ConfigurationError(f"BOOTSTRAP_DATA: there is no folder {folder}")
    archives = find_archives(folder / source.name) if (folder / source.name).is_dir() else []
    if not archives:
        raise ArchiveError(
            f"{source.name}: no archive in {folder / source.name}; "
            f"put {', '.join(remote.filename for remote in source.remotes)} there "
            f"({describe_folder(folder / source.name)})"
        )
    return archives


def file_names(settings: Settings, source: Source) -> list[str]:
    """The names of a source's archives in a folder or a bucket, of which nothing is read."""
    if is_address(settings.data):
        return bucket.names(_address(settings, source), source)
    return [path.name for path in _locate(settings, source, force=False)]


def _address(settings: Settings, source: Source) -> str:
    return f"{settings.data.rstrip('/')}/{source.name}"


def _download(settings: Settings, source: Source, *, force: bool) -> list[Path]:
    folder = settings.archive_folder / source.name
    lock = download.ChecksumLock(folder)
    return [download.fetch(remote, folder, lock=lock, force=force).path for remote in source.remotes]


def _describe(path: Path) -> Archive:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Archive(path, path.stat().st_size, digest, provenance.is_invented(path))
