"""A file to classify: read as tenants' documents are, in the extractor's confined child; nothing is kept."""

import tempfile
from pathlib import Path
from typing import BinaryIO

from bootstrap_assets.documents.extraction.extractor import ExtractionFailure, Extractor
from bootstrap_assets.documents.extraction.model import Limits, Reason
from bootstrap_assets.labels.reading import Reading

_PIECE = 1 << 20


def read(path: Path, *, seconds: float) -> Reading:
    """The text of a file; an empty one has none. ExtractionFailure where it cannot be read in that time."""
    with Extractor(Limits(seconds=seconds)) as extractor:
        try:
            document = extractor.extract(path)
        except ExtractionFailure as failure:
            if failure.reason is Reason.EMPTY:
                return Reading("", path.name)
            raise
    return Reading(document.text, path.name, document)


def read_stream(stream: BinaryIO, name: str, *, seconds: float) -> Reading:
    """The text of what comes in, such as standard input. It is a file while it is read, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        with path.open("wb") as file:
            limit = Limits().file_bytes + 1
            while limit > 0 and (piece := stream.read(min(_PIECE, limit))):
                limit -= file.write(piece)
        return read(path, seconds=seconds)
