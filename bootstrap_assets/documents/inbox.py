"""What comes in: files, folders and archives that somebody adds, and the inbox, a folder for each tenant."""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from bootstrap_assets.database.connection import Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.documents import states, tenants
from bootstrap_assets.documents.folders import (
    LARGEST,
    Folder,
    LocalFolder,
    Refusal,
    clean_name,
    one_line,
    read_file,
)
from bootstrap_assets.documents.remote_folder import RemoteInbox
from bootstrap_assets.documents.removal import remove
from bootstrap_assets.documents.states import Arrival
from bootstrap_assets.errors import ArchiveError, DownloadInterrupted
from bootstrap_assets.settings import is_address, local_folder
from bootstrap_assets.sources.fetch.archive import Archive, open_archive

statement = statements_of(__name__)

GUARD = 0.20
"""The largest share of a tenant's inbox that may vanish between two looks without being asked for."""

FEW = 5
"""Documents that may vanish at once, however few there are."""

AT_ONCE, BYTES_AT_ONCE = 500, 8 << 20
"""Files that are taken in by one transaction: so many, and none more once they have so many bytes together."""


@dataclass(slots=True)
class Intake:
    """What became of what came in, by name. `is_whole`: no part of the folder was barred from being listed."""

    added: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    held_back: int = 0
    is_whole: bool = True

    def why_held_back(self, tenant: str) -> str:
        """Why documents stay whose files were not seen, and what forgets them."""
        if not self.is_whole:
            return "not seen, for a part of the folder cannot be listed: their documents stay"
        command = f"`bootstrap documents scan --tenant {tenant} --allow-deletes`"
        return f"vanished at once, more than a fifth: their documents stay, {command} forgets them"


def add(database: Database, tenant: str, paths: Sequence[Path]) -> Intake:
    """Take in files, folders with all that is in them, and zip archives of files. One file's fault is its own."""
    with database.connection() as connection:
        tenants.require(connection, tenant)
    intake, names = Intake(), dict[str, bytes]()
    for path in paths:
        if not path.exists():
            intake.refused.append(Refusal(one_line(str(path)), "there is no such file"))
        _take(database, tenant, (_unambiguous(entry, names) for entry in _arrivals(path)), "added", intake)
    return intake


def _unambiguous(entry: Arrival | Refusal, names: dict[str, bytes]) -> Arrival | Refusal:
    """What came in, refused where another file of its name came with it: one would take the other's place."""
    if isinstance(entry, Refusal):
        return entry
    digest = hashlib.sha256(entry.content).digest()
    if names.setdefault(entry.name, digest) != digest:
        return Refusal(entry.name, "another file of this name is added by the same command")
    return entry


def opening(address: str) -> Callable[[str], Folder]:
    """What gives a tenant's folder, of the folder of all inboxes at a path or an address of fsspec's.

    The address is opened when the first is asked for, which raises what `stores.open_store` does.
    """
    if is_address(address):
        store = cache(partial(RemoteInbox, address))
        return lambda tenant: store().of(tenant)
    root = local_folder(address).resolve()
    return lambda tenant: LocalFolder(root / tenant)


def scan(
    database: Database, folder: Folder, tenant: str, *, seconds: float = math.inf, allow_deletes: bool = False
) -> Intake:
    """Take in what is new or changed in a tenant's folder, and forget what vanished from it.

    Where more than a fifth vanished at once, or the folder could not be seen as a whole, nothing is forgotten
    (`held_back` says how many): one that is not mounted looks like an empty one. After some `seconds` no more is
    taken in or forgotten: the next look goes on. What a bucket raises (no key, no bucket, no answer): see
    `stores.explained`.
    """
    with database.connection() as connection:
        tenants.require(connection, tenant)
        before = dict(connection.execute(statement("inbox_signatures"), {"tenant": tenant}).fetchall())
    intake, present, until = Intake(), set[str](), time.monotonic() + seconds

    def arrivals() -> Iterator[Arrival | Refusal]:
        for file in folder.files():
            present.add(file.name)
            is_new = file.signature is None or before.get(file.name) != file.signature
            if is_new and time.monotonic() < until:
                yield folder.read(file)

    _take(database, tenant, arrivals(), "inbox", intake)
    intake.refused += folder.refusals
    intake.is_whole = not folder.refusals
    vanished = sorted(before.keys() - present)
    too_many = not folder.is_whole or len(vanished) > max(FEW, GUARD * len(before))
    if folder.refusals or (too_many and not allow_deletes):
        intake.held_back = len(vanished)
        return intake
    for name in vanished:
        if time.monotonic() >= until:
            break
        remove(database, states.id_of(tenant, name))
        intake.removed.append(name)
    return intake


def _take(
    database: Database, tenant: str, entries: Iterable[Arrival | Refusal], origin: str, intake: Intake
) -> None:
    """Take in what is no refusal, many in a transaction: each has its price, however small a file is."""
    batch: dict[str, Arrival] = {}
    try:
        for entry in entries:
            if isinstance(entry, Refusal):
                intake.refused.append(entry)
                continue
            if entry.name in batch or _is_full(batch):
                _put(database, tenant, batch, origin, intake)
            batch[entry.name] = entry
    except DownloadInterrupted:
        _put(database, tenant, batch, origin, intake)  # what was read is kept
        raise
    _put(database, tenant, batch, origin, intake)


def _is_full(batch: dict[str, Arrival]) -> bool:
    return len(batch) >= AT_ONCE or sum(len(entry.content) for entry in batch.values()) >= BYTES_AT_ONCE


def _put(database: Database, tenant: str, batch: dict[str, Arrival], origin: str, intake: Intake) -> None:
    """Store what is in the batch, and empty it."""
    put = partial(states.put, tenant=tenant, arrivals=list(batch.values()), origin=origin)
    new = database.transact(put) if batch else set()
    for name in batch:
        (intake.added if name in new else intake.unchanged).append(name)
    batch.clear()


def _arrivals(path: Path) -> Iterator[Arrival | Refusal]:
    if path.is_dir():
        folder = LocalFolder(path)
        yield from map(folder.read, folder.files())
        yield from folder.refusals
    elif path.suffix.lower() == ".zip":
        yield from _members(path)
    elif path.exists():
        yield read_file(path, clean_name(path.name))


def _members(path: Path) -> Iterator[Arrival | Refusal]:
    """The files of a zip archive: an unsafe or damaged one is refused whole, an unreadable member alone."""
    try:
        with open_archive(path) as archive:
            for name in archive.names():
                yield _member(archive, name)
    except ArchiveError as error:
        yield Refusal(one_line(path.name), str(error))


def _member(archive: Archive, name: str) -> Arrival | Refusal:
    try:
        content = archive.read(name)
    except ArchiveError as error:
        return Refusal(one_line(name), str(error))
    if len(content) > LARGEST:
        return Refusal(one_line(name), f"it has more than {LARGEST >> 20} MB")
    return Arrival(clean_name(name), content)
