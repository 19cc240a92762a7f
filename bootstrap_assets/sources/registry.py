"""The only list of sources. A new one is a module beside this one and a line here."""

from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.sources import bonterms, commonaccord, contract_nli, cuad
from bootstrap_assets.sources.spec import Source

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        cuad.SOURCE,
        contract_nli.SOURCE,
        bonterms.SOURCE,
        commonaccord.SOURCE,
    )
}


def get_source(name: str) -> Source:
    """The source of that name; ConfigurationError for an unknown one."""
    if name not in SOURCES:
        raise ConfigurationError(f"unknown source {name!r}; known: {', '.join(SOURCES)}")
    return SOURCES[name]
