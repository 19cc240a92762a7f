"""Where the texts of our own archives come from: from us, whatever official form they have.

Each archive that this package writes carries a mark, so what was loaded from it is known for invented wherever the
archive lies, and whatever the settings say later.
"""

from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile, ZipFile, is_zipfile

from bootstrap_assets.corpus.records import INVENTED, ParsedDocument

MARK = b"Invented by the authors of bootstrap-assets. Licence: Apache-2.0"
"""Comment of every archive that is written here."""

LICENCE = "Apache-2.0"
ATTRIBUTION = "The authors of bootstrap-assets, who invented it: no real contract"


def is_invented(path: Path) -> bool:
    """Whether an archive was written by this package. What is no readable zip file was not."""
    try:
        if not is_zipfile(path):
            return False
        with ZipFile(path) as archive:
            return archive.comment == MARK
    except (BadZipFile, OSError):
        return False


def own(entry: ParsedDocument) -> ParsedDocument:
    """An invented document with its true origin: our licence, our name, no address, and a mark on each record."""
    return replace(
        entry,
        document=replace(
            entry.document,
            licence=LICENCE,
            attribution=ATTRIBUTION,
            url="",
            metadata={**entry.document.metadata, INVENTED: True},
        ),
        records=tuple(replace(record, metadata={**record.metadata, INVENTED: True}) for record in entry.records),
    )
