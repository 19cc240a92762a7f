"""Which embedder works on a database: what the settings ask for, what its space was made with, or what both give.

The rule, in `choose_model`: a database that has a space keeps it until somebody says otherwise. `auto` never
leaves a space, and a model that was not set is the space's own.
"""

from collections.abc import Sequence
from typing import Protocol

from bootstrap_assets import web
from bootstrap_assets.embedding.providers.local import LocalEmbedder
from bootstrap_assets.embedding.providers.models import (
    DEFAULT_MODEL,
    LOCAL,
    is_legacy,
    replacement,
    voyage_model,
    with_limits,
)
from bootstrap_assets.embedding.providers.protocol import Embedder, Model
from bootstrap_assets.embedding.providers.voyage import VoyageEmbedder
from bootstrap_assets.embedding.providers.voyage_errors import host_of
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import ElementType, Settings


class SpaceModel(Protocol):
    """Of a space of vectors, the model that made it."""

    @property
    def provider(self) -> str:
        """`local` or `voyage`."""

    @property
    def model(self) -> str:
        """The model's name."""

    @property
    def dimensions(self) -> int:
        """Dimensions of its vectors."""


def choose_embedder(settings: Settings, spaces: Sequence[SpaceModel] = ()) -> Embedder:
    """The embedder for a database that has these spaces (see `choose_model`)."""
    model = choose_model(settings, spaces)
    return LocalEmbedder() if model.provider == "local" else _voyage(settings, model)


def choose_model(settings: Settings, spaces: Sequence[SpaceModel] = ()) -> Model:
    """The model for a database, with its limits; ConfigurationError where there is none.

    `spaces` are those that hold vectors, the one that is searched first. Needs no key, unless `auto` is to go on
    with a space of Voyage AI.
    """
    if _provider(settings, spaces) == "local":
        return LOCAL
    own = next((space for space in spaces if space.provider == "voyage"), None)
    name = settings.voyage_model or (own.model if own else DEFAULT_MODEL)
    dimensions = settings.voyage_dimensions
    if own and own.model == name and dimensions in (None, own.dimensions):
        return _model(settings, name, own.dimensions, settings.element_type or "halfvec")
    return _model(settings, name, dimensions, settings.element_type or "vector")


def embedder_of(
    settings: Settings, provider: str, model: str, dimensions: int, fitted: bytes | None = None
) -> Embedder:
    """The embedder of a space, with what it learnt of the corpus; ConfigurationError where we lack it."""
    if provider == "voyage":
        return _voyage(settings, _model(settings, model, dimensions))
    if (provider, model, dimensions) == (LOCAL.provider, LOCAL.name, LOCAL.dimensions):
        return LocalEmbedder(fitted)
    raise ConfigurationError(f"the vectors are of {provider}'s {model}, which this version does not know")


def remarks(settings: Settings, model: Model) -> list[str]:
    """What a person should know of a model before texts are sent to it, or of one that is kept."""
    if model.provider == "local":
        key = settings.voyage_api_key and settings.embedder == "auto"
        kept = "VOYAGE_API_KEY is set, but this database's vectors are the local model's, and stay until "
        return (
            [f"{kept}BOOTSTRAP_EMBEDDER=voyage is set: the next run then embeds anew beside them"] if key else []
        )
    told = [
        "what is sent may be used to train the provider's models unless your organisation has opted out in its "
        "settings at Voyage AI (MongoDB): do that before texts of customers are sent"
    ]
    if is_legacy(model.name):
        other = replacement(model.name)
        told.append(
            f"{model.name} is a legacy model, which Voyage AI will retire: its replacement is {other} "
            f"(BOOTSTRAP_VOYAGE_MODEL={other}; the next run then embeds anew beside it)"
        )
    return told


def _provider(settings: Settings, spaces: Sequence[SpaceModel]) -> str:
    if settings.embedder != "auto" or not spaces:
        return settings.provider
    space = spaces[0]
    if space.provider == "voyage" and settings.voyage_api_key is None:
        raise ConfigurationError(
            f"this database's vectors are of Voyage AI's {space.model}, and there is no key: set VOYAGE_API_KEY, "
            "or BOOTSTRAP_EMBEDDER=local to embed the corpus anew with the local model"
        )
    if space.provider not in ("local", "voyage"):
        raise ConfigurationError(f"the vectors are of {space.provider}'s {space.model}, which this version lacks")
    return space.provider


def _model(settings: Settings, model: str, dimensions: int | None, element_type: ElementType = "halfvec") -> Model:
    chosen = voyage_model(model, dimensions, element_type)
    return with_limits(chosen, tier=settings.voyage_tier, rpm=settings.voyage_rpm, tpm=settings.voyage_tpm)


def _voyage(settings: Settings, model: Model) -> Embedder:
    if settings.voyage_api_key is None:
        raise ConfigurationError(
            f"{model.name} is a model of Voyage AI: set VOYAGE_API_KEY (a search with `--mode text` needs none)"
        )
    key = settings.voyage_api_key.get_secret_value()
    obstacle = web.obstacle(settings.voyage_base_url or f"https://{host_of(key)}/v1")
    if obstacle:
        raise ConfigurationError(f"Voyage AI cannot be asked: {obstacle}")
    return VoyageEmbedder(
        model,
        key,
        settings.voyage_base_url,
        timeout=settings.voyage_timeout,
    )
