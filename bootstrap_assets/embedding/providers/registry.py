"""Who makes vectors: every provider that we know. Another one is a module beside this, and a line here."""

from bootstrap_assets.embedding.providers.local import LocalProvider
from bootstrap_assets.embedding.providers.openai_compatible import OpenAICompatibleProvider
from bootstrap_assets.embedding.providers.protocol import Provider
from bootstrap_assets.embedding.providers.voyage import VoyageProvider

FALLBACK: Provider = LocalProvider()
"""The one that lacks nothing: what an empty database gets where nothing is set."""

PROVIDERS: dict[str, Provider] = {
    provider.name: provider for provider in (VoyageProvider(), OpenAICompatibleProvider(), FALLBACK)
}
"""By name, in the order in which `auto` tries them for an empty database."""
