"""The embedder that the settings ask for, or that a space was made with."""

from bootstrap_assets.embed.local import LocalEmbedder
from bootstrap_assets.embed.models import LOCAL, voyage_model, with_limits
from bootstrap_assets.embed.protocol import Embedder, Model
from bootstrap_assets.embed.voyage import VoyageEmbedder
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import Settings


def choose_embedder(settings: Settings) -> Embedder:
    """Voyage AI where there is a key or it was asked for, else the local model."""
    if settings.provider == "local":
        return LocalEmbedder()
    return _voyage(settings, settings.voyage_model, settings.voyage_dimensions)


def embedder_of(
    settings: Settings, provider: str, model: str, dimensions: int, fitted: bytes | None = None
) -> Embedder:
    """The embedder of a space, with what it learnt of the corpus; ConfigurationError where we lack it."""
    if provider == "voyage":
        return _voyage(settings, model, dimensions)
    if (provider, model, dimensions) == (LOCAL.provider, LOCAL.name, LOCAL.dimensions):
        return LocalEmbedder(fitted)
    raise ConfigurationError(f"the vectors are of {provider}'s {model}, which this version does not know")


def choose_model(settings: Settings) -> Model:
    """The model that the settings ask for, with its limits; needs no key."""
    if settings.provider == "local":
        return LOCAL
    return _model(settings, settings.voyage_model, settings.voyage_dimensions)


def _model(settings: Settings, model: str, dimensions: int | None) -> Model:
    chosen = voyage_model(model, dimensions)
    return with_limits(chosen, tier=settings.voyage_tier, rpm=settings.voyage_rpm, tpm=settings.voyage_tpm)


def _voyage(settings: Settings, model: str, dimensions: int | None) -> Embedder:
    if settings.voyage_api_key is None:
        raise ConfigurationError(
            f"{model} is a model of Voyage AI: set VOYAGE_API_KEY (a search with `--mode text` needs none)"
        )
    return VoyageEmbedder(
        _model(settings, model, dimensions),
        settings.voyage_api_key.get_secret_value(),
        settings.voyage_base_url,
        timeout=settings.voyage_timeout,
    )
