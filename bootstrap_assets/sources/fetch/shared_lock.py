"""The lock of archives that all hosts of a database share: the checksum an address had when it was first used."""

from collections.abc import Sequence
from functools import partial

from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import ChecksumError
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.fetch import locate
from bootstrap_assets.sources.fetch.locate import Archive
from bootstrap_assets.sources.spec import Source

statement = statements_of(__name__)


def fetch(database: Database, settings: Settings, source: Source, *, force: bool = False) -> list[Archive]:
    """The archives of a source, held to what the other hosts of this database have used.

    `force` downloads again what has changed, and lets it be the one. Raises ChecksumError where an archive is
    another, and what `locate.fetch` does.
    """
    archives = locate.fetch(settings, source, force=force)
    agree = partial(hold, source=source.name, accept=force)
    try:
        database.transact(partial(agree, archives=archives))
    except ChecksumError:  # this host's copy may be older than what the others use
        archives = locate.fetch(settings, source, force=True)
        database.transact(partial(agree, archives=archives))
    return archives


def agrees(connection: Connection, archives: Sequence[Archive]) -> bool:
    """Whether archives are those that the other hosts of this database use; nothing is recorded."""
    checksums = {archive.address: archive.sha256 for archive in archives if archive.address}
    rows = connection.execute(statement("locked_archives"), {"addresses": list(checksums)})
    return all(checksums[address] == sha256 for address, sha256, _size, _since in rows)


def hold(connection: Connection, archives: Sequence[Archive], source: str, *, accept: bool = False) -> None:
    """Record the checksums of archives that are used for the first time, and hold the others to theirs.

    `accept` takes these in their place. Archives without an address, which no other host can have, are let pass.
    Raises ChecksumError where one differs.
    """
    by_address = {archive.address: archive for archive in archives if archive.address}
    parameters = {
        "addresses": list(by_address),
        "checksums": [archive.sha256 for archive in by_address.values()],
        "sizes": [archive.size for archive in by_address.values()],
        "accept": accept,
    }
    connection.execute(statement("lock_archives"), parameters)
    for address, sha256, size, since in connection.execute(statement("locked_archives"), parameters):
        archive = by_address[address]
        if archive.sha256 != sha256:
            raise ChecksumError(
                f"{source}: {address} has the SHA-256 {archive.sha256} ({archive.size:,} bytes) here, but "
                f"{sha256} ({size:,} bytes) is what the hosts of this database have used since "
                f"{since:%Y-%m-%d %H:%M}: it changed. Put the former one back, or take this one: "
                f"`bootstrap run {source} --force-refresh`"
            )
