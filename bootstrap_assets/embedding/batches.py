"""Batches: a text's batch is a range of its content hash, so it never depends on a position.

One changed record touches one batch, and identical texts share theirs. Pure functions.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

HASH_SPACE = 1 << 16
"""Batches divide the first two bytes of the content hash into ranges of (nearly) equal size."""


LEASE_BUCKETS = 256
"""What is leased: ranges of hashes that do not depend on the batches, so that processes set to different numbers
of batches still exclude one another."""


@dataclass(frozen=True, slots=True)
class Text:
    """A distinct text that has no vector yet: hash (32 bytes), content, estimated tokens."""

    content_hash: bytes
    content: str
    tokens: int


def batch_of(content_hash: bytes, count: int) -> int:
    """The batch, 0 ≤ batch < count, that a text belongs to. `reference_batch` in SQL is the same function."""
    return int.from_bytes(content_hash[:2], "big") * count // HASH_SPACE


def bounds(batch: int, count: int) -> tuple[bytes, bytes | None]:
    """The first hash that a batch may hold, and the first that is beyond it; None after the last batch."""
    first, end = (-(-number * HASH_SPACE // count) for number in (batch, batch + 1))
    return first.to_bytes(2, "big"), end.to_bytes(2, "big") if end < HASH_SPACE else None


def batch_key(batch: int, count: int) -> str:
    """The partition key of a batch: zero-padded, so that keys sort as numbers do."""
    return f"{batch:0{len(str(count - 1))}d}"


def batch_keys(count: int) -> list[str]:
    """The partition keys of all batches, in order."""
    return [batch_key(batch, count) for batch in range(count)]


def pack(texts: Iterable[Text], *, max_texts: int, max_tokens: int) -> Iterator[list[Text]]:
    """Pack texts, in order, into requests of at most `max_texts` texts and `max_tokens` estimated tokens.

    A single text above `max_tokens` makes a request of its own. Requests cross batch borders.
    """
    request: list[Text] = []
    tokens = 0
    for text in texts:
        if request and (len(request) >= max_texts or tokens + text.tokens > max_tokens):
            yield request
            request, tokens = [], 0
        request.append(text)
        tokens += text.tokens
    if request:
        yield request


def ranges(batches: Sequence[int]) -> str:
    """Batches as people write them: `0-4, 7, 9-12`."""
    parts: list[str] = []
    numbers = sorted(set(batches))
    start = 0
    for position, batch in enumerate(numbers):
        if position + 1 == len(numbers) or numbers[position + 1] != batch + 1:
            first = numbers[start]
            parts.append(str(first) if first == batch else f"{first}-{batch}")
            start = position + 1
    return ", ".join(parts)


def groups(counts: Mapping[int, int], most: int) -> Iterator[list[int]]:
    """Lease buckets that are read together: no more than `most` texts, unless it is a single bucket.

    `counts`: the texts in each bucket.
    """
    group: list[int] = []
    texts = 0
    for bucket, count in counts.items():
        if group and texts + count > most:
            yield group
            group, texts = [], 0
        group.append(bucket)
        texts += count
    if group:
        yield group
