"""Fill a PostgreSQL + pgvector with a reference corpus of contracts. The front door, for Python:

    import bootstrap_assets as ba
    with ba.open() as corpus:
        corpus.search("cap on liability", k=5, sources=["cuad"])

The package, in the order of the flow:

texts, corpus       what the corpus is made of, how its texts are divided, and how it is stored
sources             from an archive to records: download, safe reading, one parser per data set
documents           a tenant's own documents: from a file to text and passages
embedding           from texts to vectors: providers, requests, limits, ledger, spaces
search              from a question to records
labels              what the corpus' own labels teach, and what that says of a contract
evaluation          how good the search is
operations          progress, events, requests of other programs
database            PostgreSQL: the embedded server, connections, the schema
pipeline            the whole way in one module
plan, status        what a run would cost; what is there
report              one page about it
api                 the Python API
defs, definitions   the same way as Dagster assets
cli                 the `bootstrap` command
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bootstrap_assets.api import (
        BootstrapError,
        BudgetError,
        ConfigurationError,
        DatabaseUnavailable,
        Filled,
        Hit,
        Indexed,
        Intake,
        Mode,
        NoCorpusError,
        Ranking,
        ReferenceCorpus,
        Run,
        SchemaError,
        Settings,
        open,
    )

__all__ = (
    "BootstrapError",
    "BudgetError",
    "ConfigurationError",
    "DatabaseUnavailable",
    "Filled",
    "Hit",
    "Indexed",
    "Intake",
    "Mode",
    "NoCorpusError",
    "Ranking",
    "ReferenceCorpus",
    "Run",
    "SchemaError",
    "Settings",
    "open",
)


def __getattr__(name: str) -> Any:
    """What api.py exports, imported at its first use: the package alone is there at once."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("bootstrap_assets.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
