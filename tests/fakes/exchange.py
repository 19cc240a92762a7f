"""A request and its answer: while it is under way, and as the log keeps it."""

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.fakes.embedding_request import EmbeddingRequest
from tests.fakes.faults import Fault


class LogEntry(NamedTuple):
    """A request: `time.monotonic()` of its arrival, the texts, their tokens, the status that was decided on
    (0: a reset), the fault, and whether the rate limits let it in. Texts that were not read are ().
    """

    arrived: float
    texts: tuple[str, ...]
    tokens: int
    status: int
    fault: Fault | None
    admitted: bool


@dataclass(slots=True)
class Exchange:
    """A request from its arrival to its answer. `sound`: digests of the texts that get a good vector."""

    arrived: float
    client: str = ""
    request: EmbeddingRequest | None = None
    admitted: bool = False
    sound: list[bytes] = field(default_factory=list)
    finished: bool = False

    def entry(self, status: int, fault: Fault | None) -> LogEntry:
        texts, tokens = (self.request.texts, self.request.tokens) if self.request else ((), 0)
        return LogEntry(self.arrived, texts, tokens, status, fault, self.admitted)
