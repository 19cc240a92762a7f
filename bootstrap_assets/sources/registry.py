"""The only list of sources. A new one is a module beside this one and a line here."""

from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.sources.bonterms import source as bonterms
from bootstrap_assets.sources.commonaccord import source as commonaccord
from bootstrap_assets.sources.contract_nli import source as contract_nli
from bootstrap_assets.sources.cuad import source as cuad
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


BESIDE = ("documents", "repositories")
"""Sources of records that nothing here loads: tenants' documents, and files of repositories."""


def searched_name(name: str) -> str:
    """The name of a source that is searched, in lower case; ConfigurationError for an unknown one."""
    low = name.lower()
    if low not in SOURCES and low not in BESIDE:
        raise ConfigurationError(f"unknown source {name!r}; known: {', '.join((*SOURCES, *BESIDE))}")
    return low


def get_source(name: str) -> Source:
    """The source of that name; ConfigurationError for an unknown one."""
    if name not in SOURCES:
        raise ConfigurationError(f"unknown source {name!r}; known: {', '.join(SOURCES)}")
    return SOURCES[name]
