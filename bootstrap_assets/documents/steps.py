"""The steps that bring a document on, in their order."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """A stage of the work: documents in `waiting` become `doing`, then `end`."""

    waiting: str
    doing: str
    end: str

    @property
    def takes(self) -> list[str]:
        """Stages that it takes documents from: where somebody died in the midst of it, it begins anew."""
        return [self.waiting, self.doing]


EXTRACT = Step("pending", "extracting", "extracted")
CHUNK = Step("extracted", "chunking", "chunked")
EMBED = Step("chunked", "embedding", "embedded")
CONNECT = Step("embedded", "connecting", "complete")
STEPS = (EXTRACT, CHUNK, EMBED, CONNECT)
