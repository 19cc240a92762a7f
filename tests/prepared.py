"""Corpora that many tests begin with: each is filled once by a worker, and cloned for a test.

A test or a fixture that asks for the fixture of a name in FILLS (see conftest.py) has that in its database when it
begins. The provider of the test has not seen how it came there.
"""

from collections.abc import Callable

from bootstrap_assets import pipeline
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.sources.fetch import locate
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.sources.spec import Source
from tests.integration import labelled_contracts
from tests.made_up_source import MADE_UP, contracts, write

TWO_CONTRACTS = {
    "Lighthouse supply": {
        "Cap On Liability": "Neither party pays more than the fees of one year, whatever the claim.",
        "Governing Law": "The laws of Norway govern this agreement.",
        "Insurance": "The supplier keeps liability insurance of one million crowns for its vans.",
    },
    "Beekeeping data": {
        "Non-Compete": "For two years the keeper sells no honey within forty miles of the licensor's hives.",
        "Parties": "Hivemark and Tollan, who signed below.",
        "Governing Law": "Danish law applies.",
    },
}


def searched(corpus: Corpus, *sources: Source, data: str = "sample") -> None:
    """Take sources all the way, in the corpus's space."""
    settings = corpus.settings.model_copy(update={"data": data})
    for source in sources:
        pipeline.load(corpus, source, locate.fetch(settings, source), allow_deletes=True)
        pipeline.embed(corpus, source)
    pipeline.build_index(corpus)


def two_contracts(corpus: Corpus) -> None:
    local = local_space(corpus)
    searched(local, MADE_UP, data=str(write(local.settings.root / "data", TWO_CONTRACTS)))


def ten_contracts(corpus: Corpus) -> None:
    searched(corpus, MADE_UP, data=str(write(corpus.settings.root / "data", contracts(10))))


def ten_contracts_locally(corpus: Corpus) -> None:
    ten_contracts(local_space(corpus))


LABELLED_CONTRACTS = 10


def labelled_locally(corpus: Corpus) -> None:
    labelled(local_space(corpus), "contract_nli", "cuad")


def labelled(corpus: Corpus, *sources: str) -> None:
    """Made-up contracts with the labels of these sources, taken all the way."""
    folder = labelled_contracts.write(corpus.settings.root / "data", LABELLED_CONTRACTS)
    searched(corpus, *(SOURCES[name] for name in sources), data=str(folder))


def bonterms(corpus: Corpus) -> None:
    searched(local_space(corpus), SOURCES["bonterms"])


FILLS: dict[str, Callable[[Corpus], None]] = {
    fill.__name__: fill
    for fill in (two_contracts, ten_contracts, ten_contracts_locally, labelled_locally, bonterms)
}
"""What fills an empty corpus, by the name of the fixture that says so."""


def local_space(corpus: Corpus) -> Corpus:
    """The same corpus in the space of the local model."""
    from tests.conftest import open_for_test

    local = open_for_test(corpus.settings.model_copy(update={"embedder": "local"}), corpus.database)
    assert local.embedder.model.provider == "local"
    return local
