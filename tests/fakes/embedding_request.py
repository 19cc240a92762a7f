"""What Voyage AI checks before it embeds anything; its limits, and the words in which it refuses."""

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

MAX_TEXTS = 1_000
REQUEST_TOKENS = {
    "voyage-law-2": 120_000,
    "voyage-4-large": 120_000,
    "voyage-4": 320_000,
    "voyage-4-lite": 1_000_000,
}
CONTEXT = {"voyage-law-2": 16_000}
DIMENSIONS = {"voyage-law-2": (1024,)}
_USUAL_CONTEXT = 32_000
_USUAL_DIMENSIONS = (256, 512, 1024, 2048)
_TOKEN = re.compile(r"\w{1,6}|[^\w\s]")


class Refusal(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """A request that is in order: `texts` as they were sent, `digests` (sha256) of these, and what is `embedded`:
    the same texts, cut where truncation was allowed. `tokens`: of what is embedded.
    """

    model: str
    texts: tuple[str, ...]
    digests: tuple[bytes, ...]
    embedded: tuple[str, ...]
    tokens: int
    dimensions: int
    in_base64: bool
    input_type: str | None


def count_tokens(text: str) -> int:
    """Roughly what a subword tokenizer counts."""
    return len(_TOKEN.findall(text)) + 1


def check_key(authorization: str | None, key: str | None, forbidden: Collection[str]) -> None:
    """Refusal 401 without a key or with another than `key` (None: any will do), 403 for the `forbidden` ones."""
    scheme, _, given = (authorization or "").partition(" ")
    if given and given in forbidden:
        raise Refusal(403, "Your API key belongs to another host: it is not valid for this endpoint.")
    if scheme != "Bearer" or not given or (key is not None and given != key):
        raise Refusal(401, "Provided API key is invalid.")


def read_request(raw: bytes) -> EmbeddingRequest:
    """The request in a body; Refusal 400 where anything in it is not in order."""
    try:
        body = json.loads(raw)
    except ValueError:
        raise Refusal(400, "The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise Refusal(400, "The request body is not a JSON object.")
    model = body.get("model")
    _expect("model", model, tuple(REQUEST_TOKENS))
    _expect("input_type", body.get("input_type"), (None, "query", "document"))
    _expect("encoding_format", body.get("encoding_format"), (None, "base64"))
    _expect("truncation", body.get("truncation"), (None, True, False))
    _expect("output_dtype", body.get("output_dtype"), (None, "float"))
    offered = DIMENSIONS.get(model, _USUAL_DIMENSIONS)
    _expect("output_dimension", body.get("output_dimension"), (None, *offered))
    texts = _texts(body.get("input"))
    embedded, tokens = _fit(model, texts, truncation=body.get("truncation") is not False)
    return EmbeddingRequest(
        model=model,
        texts=texts,
        digests=_digests(texts),
        embedded=embedded,
        tokens=tokens,
        dimensions=body.get("output_dimension") or 1024,
        in_base64=body.get("encoding_format") == "base64",
        input_type=body.get("input_type"),
    )


def _digests(texts: tuple[str, ...]) -> tuple[bytes, ...]:
    try:
        return tuple(hashlib.sha256(text.encode()).digest() for text in texts)
    except UnicodeEncodeError:
        raise Refusal(400, "The input is not valid Unicode.") from None


def _expect(argument: str, value: Any, accepted: tuple[object, ...]) -> None:
    # By type too: to Python, 1 is True.
    if not any(value == one and type(value) is type(one) for one in accepted):
        known = ", ".join("null" if one is None else str(one) for one in accepted)
        raise Refusal(400, f"Value '{value}' supplied for argument '{argument}' is not valid. Accepted: {known}.")


def _texts(given: Any) -> tuple[str, ...]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Refusal(400, "The input must be a string or a list of strings.")
    if not texts or not all(texts):
        raise Refusal(400, "Input cannot contain empty strings or empty lists.")
    if len(texts) > MAX_TEXTS:
        raise Refusal(400, f"The batch size limit is {MAX_TEXTS}. Your batch size is {len(texts)}.")
    return tuple(texts)


def _fit(model: str, texts: tuple[str, ...], *, truncation: bool) -> tuple[tuple[str, ...], int]:
    """The texts cut to the model's context, and their tokens."""
    context = CONTEXT.get(model, _USUAL_CONTEXT)
    counts = [count_tokens(text) for text in texts]
    longest = max(counts)
    if longest > context:
        if not truncation:
            raise _too_long(model, counts.index(longest), context)
        texts = tuple(_cut(text, context) for text in texts)
        counts = [min(count, context) for count in counts]
    limit, tokens = REQUEST_TOKENS[model], sum(counts)
    if tokens > limit:
        raise Refusal(
            400,
            f"Request to model '{model}' failed. The max allowed tokens per submitted batch is {limit}. "
            f"Your batch has {tokens} tokens after truncation. Please lower the number of tokens in the batch.",
        )
    return texts, tokens


def _too_long(model: str, index: int, context: int) -> Refusal:
    return Refusal(
        400,
        f"Request to model '{model}' failed. The example at index {index} in your batch has too many tokens and "
        f"does not fit into the model's context window of {context} tokens. Please lower the number of tokens in "
        "the listed example(s) or use truncation. The documentation lists the context length of each model.",
    )


def _cut(text: str, context: int) -> str:
    for count, token in enumerate(_TOKEN.finditer(text), start=2):
        if count == context:
            return text[: token.end()]
    return text
