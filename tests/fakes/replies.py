"""What the fake provider sends back: good answers, and every kind of bad one."""

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np
import numpy.typing as npt

from tests.fakes.embedding_request import EmbeddingRequest, Refusal
from tests.fakes.faults import Fault

Vectors = npt.NDArray[np.float32]

_NOISE = np.random.default_rng(7).standard_normal(1 << 20, dtype=np.float32)


class Ending(Enum):
    """How the sending of a reply ends; all but WHOLE stop after half of the body."""

    WHOLE = auto()
    CLOSED = auto()
    RESET = auto()
    STALLED = auto()


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it goes over the line. `status` 0: the connection is reset before a first byte of it.
    `late`: the server's `slow_seconds` pass before.
    """

    status: int
    payload: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    ending: Ending = Ending.WHOLE
    late: bool = False


NOTHING = Reply(0, b"", ending=Ending.RESET)

_BODIES: dict[Fault, tuple[str, bytes]] = {
    Fault.not_json: ("text/html", b"<!DOCTYPE html><html><body><h1>Just a moment...</h1></body></html>"),
    Fault.bad_utf8: ("application/json", b'{"object":"list","data":[],"model":"\xff\xfe\xc3\x28"}'),
    Fault.empty_body: ("application/json", b""),
    Fault.no_usage: ("application/json", b'{"object":"list","model":"voyage"}'),
}
_ENDINGS = {
    Fault.reset_midway: Ending.RESET,
    Fault.truncated: Ending.CLOSED,
    Fault.stalled: Ending.STALLED,
}


def refusal_reply(refusal: Refusal) -> Reply:
    """A refusal as Voyage AI words it; what stands before it, a gateway, answers in HTML."""
    if refusal.status in (502, 504):
        page = f"<html><head><title>{refusal.status} {refusal.detail}</title></head></html>"
        return Reply(refusal.status, page.encode(), "text/html", refusal.headers)
    return Reply(refusal.status, json.dumps({"detail": refusal.detail}).encode(), headers=refusal.headers)


def answer(request: EmbeddingRequest, fault: Fault | None) -> Reply:
    """The answer with status 200 to a request, spoilt by the fault."""
    if fault in _BODIES:
        return Reply(200, _BODIES[fault][1], _BODIES[fault][0])
    dimensions = request.dimensions // 2 if fault is Fault.wrong_dimension else request.dimensions
    vectors = vectors_of(request.embedded, dimensions)
    if fault in (Fault.nan, Fault.all_nan):
        vectors[hit_rows(fault), dimensions // 2] = np.nan
    elif fault is Fault.zero:
        vectors[hit_rows(fault)] = 0.0
    payload = _body(request, _items(request, vectors, fault))
    if fault is Fault.cut_json:
        payload = payload[: len(payload) // 2]
    ending = _ENDINGS.get(fault, Ending.WHOLE) if fault else Ending.WHOLE
    return Reply(200, payload, ending=ending, late=fault is Fault.slow)


def hit_rows(fault: Fault) -> slice:
    """The rows that `nan`, `all_nan` and `zero` spoil."""
    return slice(None) if fault is Fault.all_nan else slice(None, None, 3)


def sound_digests(request: EmbeddingRequest, fault: Fault | None) -> list[bytes]:
    """Digests of the texts to which the reply, once delivered whole, holds a good vector."""
    if fault in (None, Fault.shuffled, Fault.slow):
        return list(request.digests)
    if fault in (Fault.nan, Fault.zero):
        return [digest for row, digest in enumerate(request.digests) if row % 3]
    return []


def vector_of(text: str, dimensions: int) -> Vectors:
    """The unit vector of a text."""
    vector: Vectors = vectors_of([text], dimensions)[0]
    return vector


def vectors_of(texts: Sequence[str], dimensions: int) -> Vectors:
    """Unit vectors of texts: stretches of one long row of random numbers, where the text's hash says.

    So a full request costs the server little, and what a benchmark measures is the client.
    """
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    starts = [int.from_bytes(digest[:8], "big") % (len(_NOISE) - dimensions) for digest in digests]
    vectors = np.lib.stride_tricks.sliding_window_view(_NOISE, dimensions)[starts]
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _items(request: EmbeddingRequest, vectors: Vectors, fault: Fault | None) -> Iterable[str]:
    encode = _base64 if request.in_base64 else _list
    items = [
        f'{{"object":"embedding","embedding":{encode(vector)},"index":{index}}}'
        for index, vector in enumerate(vectors)
    ]
    if fault is Fault.wrong_count:
        items.pop()
    elif fault is Fault.extra:
        items.append(f'{{"object":"embedding","embedding":{encode(vectors[-1])},"index":{len(vectors)}}}')
    elif fault is Fault.shuffled:
        items.reverse()
    return items


def _body(request: EmbeddingRequest, items: Iterable[str]) -> bytes:
    usage = json.dumps({"total_tokens": request.tokens})
    return f'{{"object":"list","data":[{",".join(items)}],"model":"{request.model}","usage":{usage}}}'.encode()


def _base64(vector: Vectors) -> str:
    return f'"{base64.b64encode(vector.tobytes()).decode()}"'


def _list(vector: Vectors) -> str:
    return json.dumps(vector.tolist())
