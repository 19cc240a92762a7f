"""The models of Voyage AI: dimensions, limits and prices, in one table.

The figures are from its documentation (embeddings, rate limits, pricing, lifecycle), read in November 2026.
"""

from dataclasses import dataclass, replace

from bootstrap_assets.embedding.providers.protocol import Model
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import MAX_INDEXED, ElementType

DEFAULT_MODEL = "voyage-4-large"
"""The model of Voyage AI for a database that has no vectors yet."""

DEFAULT_DIMENSIONS = 1024
"""What every Voyage model gives when no dimension is asked for."""


@dataclass(frozen=True, slots=True)
class _Voyage:
    """`dimensions`: all that the provider offers. `successor`: for a legacy model, the one that replaces it."""

    model: Model
    dimensions: tuple[int, ...]
    successor: str | None = None


REQUESTS_MINUTE = 2_000
"""Requests per minute of an account of tier 1."""

TIER_FACTORS = {1: 1, 2: 2, 3: 3}
"""What the limits of tier 1 are multiplied by: tier 2 from $100 paid, tier 3 from $1,000."""

NO_CARD = (3, 10_000)
"""Requests and tokens per minute of an account without a payment method (tier 0)."""

FULL_REQUESTS = 25
"""The fewest requests that a minute's tokens are divided into, so that a limit can be used to the full."""


def _voyage(
    name: str,
    context: int,
    request_tokens: int,
    dollars: float,
    dimensions: tuple[int, ...],
    tokens_minute: int,
    successor: str | None = None,
) -> _Voyage:
    model = Model(
        provider="voyage",
        name=name,
        dimensions=DEFAULT_DIMENSIONS,
        context=context,
        request_texts=1_000,
        request_tokens=request_tokens,
        dollars=dollars,
        requests_minute=REQUESTS_MINUTE,
        tokens_minute=tokens_minute,
    )
    return _Voyage(model, dimensions, successor)


_MATRYOSHKA = (256, 512, 1024, 2048)
_VOYAGE = {
    entry.model.name: entry
    for entry in (
        _voyage("voyage-4-large", 32_000, 120_000, 0.12, _MATRYOSHKA, 3_000_000),
        _voyage("voyage-4", 32_000, 320_000, 0.06, _MATRYOSHKA, 8_000_000),
        _voyage("voyage-4-lite", 32_000, 1_000_000, 0.02, _MATRYOSHKA, 16_000_000),
        _voyage("voyage-law-2", 16_000, 120_000, 0.12, (1024,), 3_000_000, successor="voyage-4"),
    )
}


def with_limits(model: Model, *, tier: int = 1, rpm: int | None = None, tpm: int | None = None) -> Model:
    """A model with the rate limits of an account: those of its tier, or `rpm` and `tpm` where they are given.

    Requests get smaller where a minute's tokens make only a few of them.
    """
    if tier == 0:
        requests, tokens = NO_CARD
    else:
        requests = (model.requests_minute or REQUESTS_MINUTE) * TIER_FACTORS[tier]
        tokens = (model.tokens_minute or model.request_tokens) * TIER_FACTORS[tier]
    requests, tokens = rpm or requests, tpm or tokens
    largest = max(tokens // FULL_REQUESTS, tokens // requests)
    return replace(
        model,
        requests_minute=requests,
        tokens_minute=tokens,
        request_tokens=min(model.request_tokens, largest),
        context=min(model.context, tokens),
    )


def replacement(name: str) -> str:
    """The model that Voyage AI names in place of a legacy one; for others the default."""
    entry = _VOYAGE.get(name)
    return (entry and entry.successor) or DEFAULT_MODEL


def is_legacy(name: str) -> bool:
    """Whether Voyage AI has named a model's successor, and will retire it one day."""
    return name in _VOYAGE and _VOYAGE[name].successor is not None


def voyage_model(name: str, dimensions: int | None = None, element_type: ElementType = "halfvec") -> Model:
    """A Voyage model by name, with dimensions that it offers and an index takes of that element type.

    ConfigurationError for others.
    """
    entry = _VOYAGE.get(name)
    if entry is None:
        names = ", ".join(_VOYAGE)
        raise ConfigurationError(f"BOOTSTRAP_VOYAGE_MODEL: unknown model {name!r}; known: {names}")
    if dimensions is None:
        return entry.model
    most = MAX_INDEXED[element_type]
    usable = ", ".join(str(number) for number in entry.dimensions if number <= most)
    if dimensions not in entry.dimensions:
        raise ConfigurationError(f"BOOTSTRAP_VOYAGE_DIMENSIONS: {name} offers {usable}, not {dimensions}")
    if dimensions > most:
        raise ConfigurationError(
            f"BOOTSTRAP_VOYAGE_DIMENSIONS: vectors of {dimensions} dimensions could be paid for and never be "
            f"searched, since an index takes at most {most} of the type {element_type}; possible with {name}: "
            f"{usable}, or BOOTSTRAP_ELEMENT_TYPE=halfvec"
        )
    return replace(entry.model, dimensions=dimensions)
