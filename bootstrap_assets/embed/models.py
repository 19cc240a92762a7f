"""The models we know: limits and prices, in one table.

Voyage's figures are from its documentation (embeddings, rate limits, pricing), read in autumn 2026.
"""

from dataclasses import dataclass, replace

from bootstrap_assets.embed.protocol import Model
from bootstrap_assets.errors import ConfigurationError

DEFAULT_DIMENSIONS = 1024
"""What every Voyage model gives when no dimension is asked for."""

LOCAL = Model(
    provider="local",
    name="wordllama-l2-supercat",
    dimensions=256,
    context=16_000,
    request_texts=512,
    request_tokens=64_000,
    dollars=0.0,
    parallel=False,
)
"""A static model has no context limit of its own; this bound keeps the memory for one text small."""


@dataclass(frozen=True, slots=True)
class _Voyage:
    model: Model
    dimensions: tuple[int, ...]


def _voyage(name: str, context: int, request_tokens: int, dollars: float, dimensions: tuple[int, ...]) -> _Voyage:
    model = Model(
        provider="voyage",
        name=name,
        dimensions=DEFAULT_DIMENSIONS,
        context=context,
        request_texts=1_000,
        request_tokens=request_tokens,
        dollars=dollars,
    )
    return _Voyage(model, dimensions)


_MATRYOSHKA = (256, 512, 1024, 2048)
_VOYAGE = {
    entry.model.name: entry
    for entry in (
        _voyage("voyage-law-2", 16_000, 120_000, 0.12, (1024,)),
        _voyage("voyage-4-large", 32_000, 120_000, 0.12, _MATRYOSHKA),
        _voyage("voyage-4", 32_000, 320_000, 0.06, _MATRYOSHKA),
        _voyage("voyage-4-lite", 32_000, 1_000_000, 0.02, _MATRYOSHKA),
    )
}


def voyage_model(name: str, dimensions: int | None = None) -> Model:
    """A Voyage model by name, with one of the dimensions it offers; ConfigurationError for others."""
    entry = _VOYAGE.get(name)
    if entry is None:
        known = ", ".join(_VOYAGE)
        raise ConfigurationError(f"BOOTSTRAP_VOYAGE_MODEL: unknown model {name!r}; known: {known}")
    if dimensions is None:
        return entry.model
    if dimensions not in entry.dimensions:
        offered = ", ".join(map(str, entry.dimensions))
        raise ConfigurationError(f"BOOTSTRAP_VOYAGE_DIMENSIONS: {name} offers {offered}, not {dimensions}")
    return replace(entry.model, dimensions=dimensions)
