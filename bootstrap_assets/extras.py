"""What only some need is an extra of the package. Where one is missing, a line says how it is installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from bootstrap_assets.errors import MissingExtraError

EXTRAS = {
    "parquet": frozenset({"pyarrow"}),
    "report": frozenset({"matplotlib", "sklearn", "threadpoolctl"}),
    "labels": frozenset({"sklearn", "threadpoolctl"}),
    "s3": frozenset({"s3fs"}),
    "gs": frozenset({"gcsfs"}),
    "az": frozenset({"adlfs"}),
    "k8s": frozenset({"dagster_k8s"}),
    "celery": frozenset({"dagster_celery", "redis"}),
    "telemetry": frozenset({"opentelemetry"}),
}
"""The modules of each extra of pyproject.toml, by the name that they are imported by."""


@contextmanager
def needs_extra(name: str, purpose: str) -> Iterator[None]:
    """Around imports: MissingExtraError that names the extra where one of its modules is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS[name]:
            raise
        raise MissingExtraError(
            f"{purpose} needs the extra `{name}`, for {module} is not installed: "
            f'pip install "bootstrap-assets[{name}]"'
        ) from None
