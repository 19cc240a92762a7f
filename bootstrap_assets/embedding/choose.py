"""Which embedder works on a database: what the settings ask for, what its space was made with, or what both give.

The rule, in `choose_model`: a database that has a space keeps it until somebody says otherwise. `auto` never
leaves a space, and a model that was not set is the space's own.
"""

from collections.abc import Sequence

from bootstrap_assets.embedding.providers.protocol import Embedder, Model, Provider, SpaceModel
from bootstrap_assets.embedding.providers.registry import FALLBACK, PROVIDERS
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.settings import AUTO, Settings


def choose_embedder(settings: Settings, spaces: Sequence[SpaceModel] = ()) -> Embedder:
    """The embedder for a database that has these spaces (see `choose_model`)."""
    model = choose_model(settings, spaces)
    return PROVIDERS[model.provider].embedder(settings, model, None)


def choose_model(settings: Settings, spaces: Sequence[SpaceModel] = ()) -> Model:
    """The model for a database, with its limits; ConfigurationError where there is none.

    `spaces` are those that hold vectors, the active one first. Needs no key, unless `auto` is to go on
    with a space whose provider needs one.
    """
    provider = choose_provider(settings, spaces)
    own = next((space for space in spaces if space.provider == provider.name), None)
    return provider.choose(settings, own)


def choose_provider(settings: Settings, spaces: Sequence[SpaceModel] = ()) -> Provider:
    """The provider that the settings name; for `auto` the one of the space that is searched.

    Where there is none yet, the first that lacks nothing.
    """
    if settings.embedder != AUTO:
        return provider_named(settings.embedder)
    if spaces:
        return _provider_of(settings, spaces[0])
    return next((provider for provider in PROVIDERS.values() if not provider.missing(settings)), FALLBACK)


def provider_named(name: str) -> Provider:
    """A provider by its name; ConfigurationError with all names for another."""
    if name not in PROVIDERS:
        names = ", ".join([AUTO, *PROVIDERS])
        raise ConfigurationError(f"BOOTSTRAP_EMBEDDER: there is no provider {name!r}; there are {names}")
    return PROVIDERS[name]


def embedder_of(
    settings: Settings, provider: str, model: str, dimensions: int, statistics: bytes | None = None
) -> Embedder:
    """The embedder of a space, with what it learnt from the corpus; ConfigurationError for unknown ones."""
    if provider not in PROVIDERS:
        raise ConfigurationError(f"the vectors are of {provider}'s {model}, which this version does not know")
    maker = PROVIDERS[provider]
    return maker.embedder(settings, maker.model(settings, model, dimensions), statistics)


def remarks(settings: Settings, model: Model) -> list[str]:
    """What a person should know about a model before texts are sent to it, or about one that stays."""
    own = PROVIDERS[model.provider]
    notes = [
        f"{other.key} is set, but this database's vectors are of {own.title}, and stay until "
        f"BOOTSTRAP_EMBEDDER={other.name} is set: the next run then embeds anew beside them"
        for other in PROVIDERS.values()
        if settings.embedder == AUTO and other.key and other is not own and not other.missing(settings)
    ]
    return [*own.remarks(model), *notes]


def _provider_of(settings: Settings, space: SpaceModel) -> Provider:
    provider = PROVIDERS.get(space.provider)
    if provider is None:
        raise ConfigurationError(f"the vectors are of {space.provider}'s {space.model}, which this version lacks")
    if variable := provider.missing(settings):
        raise ConfigurationError(
            f"this database's vectors are of {provider.title}'s {space.model}, and it lacks a setting: set "
            f"{variable}, or BOOTSTRAP_EMBEDDER={FALLBACK.name} to embed the corpus anew with {FALLBACK.title}"
        )
    return provider
