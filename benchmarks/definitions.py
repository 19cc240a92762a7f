"""The project's own definitions, over the generated source alone."""

from benchmarks import generated  # noqa: F401  first: it replaces the registry
from bootstrap_assets.defs import executors

executors.WARM[:] = ["benchmarks.definitions"]

from bootstrap_assets.definitions import defs  # noqa: E402

__all__ = ["defs"]
