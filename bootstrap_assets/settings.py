"""The only place that reads the environment. Every setting is listed in the README's table."""

import os
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bootstrap_assets import setting_names
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.setting_names import KEY, PREFIX

FILE = "BOOTSTRAP_ENV_FILE"
"""Names a file of lines NAME=value. None is looked for: a folder must not decide where a key is sent."""

AUTO = "auto"
"""Leaves the choice of the embedder to what the database has: see embedding/choose.py."""

ElementType = Literal["vector", "halfvec"]
"""What the values of a vector are stored as: 4 bytes each, or 2."""

MAX_INDEXED: dict[str, int] = {"vector": 2000, "halfvec": 4000}
"""Dimensions that pgvector's HNSW takes at most, by element type (its README)."""


class Settings(BaseSettings):
    """What the user can set. Read from the environment, and from a file that it names; see `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, allow_inf_nan=False
    )

    home: Path = Field(default=Path(".bootstrap"), description="Embedded server, downloads, logs, Dagster home.")
    database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL with pgvector; without it the embedded server is used."
    )
    data: str = Field(
        default="sample",
        description="`sample`, `official`, or a folder or its address (s3://…) holding <source>/<archives>.",
    )
    archives: Path | None = Field(
        default=None, description="Folder of what was downloaded, which hosts may share; unset: in the home."
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="What the lines of workers are: for people, or JSON, a document each."
    )
    correlation: str | None = Field(
        default=None, description="Stands in each line of JSON, by whoever started it; unset: the run's id."
    )
    migrate: Literal["auto", "never"] = Field(
        default="auto", description="`never`: only `bootstrap db` changes the schema; all else refuses another."
    )
    executor: Literal["multiprocess", "in-process", "celery", "k8s"] = Field(
        default="multiprocess", description="What runs the steps of Dagster's runs (not of `bootstrap run`)."
    )
    priority: Literal["bulk", "interactive"] | None = Field(
        default=None, description="Who goes first where a key's limit is shared; unset: tenants' documents."
    )
    weight: float = Field(
        default=1.0, gt=0, description="Share of a key's limit while others wait, beside theirs."
    )
    run_batches: int | None = Field(default=None, ge=1, description="Batches of a backfill's run; unset: all.")
    shards: int = Field(default=8, ge=1, le=256, description="Steps of `bootstrap_sharded` that embed.")
    celery_broker: SecretStr | None = Field(
        default=None, description="Address of Celery's broker, such as redis://host/0."
    )
    celery_backend: SecretStr | None = Field(
        default=None, description="Address of Celery's results; unset: the broker."
    )
    embedder: str = Field(
        default=AUTO,
        description="A provider, or `auto`: what made the vectors; without any, what is set.",
    )
    voyage_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices(KEY, "voyage_api_key"),
        description="Key of Voyage AI.",
    )
    voyage_model: str | None = Field(
        default=None,
        description="Model asked of Voyage AI; unset: the database's own, for a new one voyage-4-large.",
    )
    voyage_base_url: str | None = Field(
        default=None, description="Another address of the Voyage API, for a proxy or a test server."
    )
    voyage_dimensions: int | None = Field(
        default=None, ge=1, description="Dimensions asked of a model that offers several."
    )

    element_type: ElementType | None = Field(
        default=None,
        description="`halfvec` stores vectors in half the room; unset: as the database has them, else `vector`.",
    )

    @field_validator("voyage_api_key", "openai_compatible_api_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value().strip() if value else ""  # files of secrets end with a line feed
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError("it holds characters that no key has")
        return SecretStr(key) if key else None

    @field_validator("voyage_base_url", "openai_compatible_base_url", "failure_webhook")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value and not value.lower().startswith(("http://", "https://")):
            raise ValueError("an address begins with https:// or http://")
        if value and not _has_a_host(value):
            raise ValueError("the address has no host, or its port is invalid")
        return value

    @field_validator("voyage_base_url", "openai_compatible_base_url")
    @classmethod
    def _has_no_credentials(cls, value: str | None) -> str | None:
        if value and "@" in urlsplit(value).netloc:
            raise ValueError("the address holds a user or a password, and only the key is sent there")
        return value

    voyage_timeout: float = Field(default=60.0, gt=0, description="Seconds to wait for an answer of Voyage AI.")
    voyage_tier: Literal[0, 1, 2, 3] = Field(
        default=1, description="Usage tier of the Voyage account, for its rate limits; 0: no payment method."
    )
    voyage_rpm: int | None = Field(
        default=None, ge=1, description="Requests per minute, where they differ from the tier's."
    )
    voyage_tpm: int | None = Field(
        default=None, ge=5_000, description="Tokens per minute, where they differ from the tier's."
    )
    openai_compatible_base_url: str | None = Field(
        default=None,
        description="Address of a server with OpenAI's API for embeddings, such as http://host:8080/v1.",
    )
    openai_compatible_model: str | None = Field(default=None, description="The model that it is asked for.")
    openai_compatible_dimensions: int | None = Field(default=None, ge=1, description="Dimensions of its vectors.")
    openai_compatible_api_key: SecretStr | None = Field(default=None, description="Its key, where it wants one.")
    openai_compatible_context: int = Field(default=512, ge=64, description="Tokens that one text may have.")
    openai_compatible_request_texts: int = Field(default=32, ge=1, description="Texts that one request may hold.")
    openai_compatible_request_tokens: int = Field(default=16_000, ge=64, description="Tokens of one request.")
    openai_compatible_timeout: float = Field(default=60.0, gt=0, description="Seconds to wait for its answer.")
    openai_compatible_dollars: float = Field(default=0.0, ge=0, description="Its price per million tokens.")
    openai_compatible_rpm: int | None = Field(default=None, ge=1, description="Requests per minute, if limited.")
    openai_compatible_tpm: int | None = Field(default=None, ge=5_000, description="Tokens per minute, if limited.")
    retries: int = Field(
        default=3, ge=0, le=10, description="Further attempts at a request that failed for a reason that may pass."
    )
    retry_seconds: float = Field(
        default=1.0, gt=0, description="Seconds before the first further attempt; each next waits twice as long."
    )
    breaker_seconds: float = Field(
        default=300.0, gt=0, description="Seconds after which an open circuit breaker lets one request try."
    )
    heartbeat_seconds: float = Field(
        default=30.0, gt=0, description="Seconds between two signs of life of work in progress."
    )
    failure_webhook: str | None = Field(
        default=None, description="Address that a JSON document is posted to when a run of Dagster fails."
    )
    batches: int = Field(
        default=128, ge=1, le=4096, description="Number of hash buckets: the partitions of every source."
    )
    embed_workers: int = Field(
        default=8, ge=1, le=64, description="Requests in flight at once (where the model gains from it)."
    )
    inbox: str | None = Field(
        default=None, description="Folder or its address (s3://…) that documents come from: <inbox>/<tenant>/."
    )
    documents_at_work: int = Field(
        default=1000, ge=1, description="Tenants' documents that are worked on at once, over all processes."
    )
    document_seconds: float = Field(
        default=600.0, gt=0, description="Seconds that the extraction of one document may take."
    )
    repositories_at_work: int = Field(
        default=3, ge=1, le=100, description="Repositories that are indexed at once, over all processes."
    )
    repository_retries: int = Field(
        default=3, ge=0, le=10, description="Further attempts at indexing, after an error that may pass."
    )
    repository_retry_seconds: float = Field(
        default=60.0, gt=0, description="Seconds before the first of them; each next waits twice as long."
    )
    repository_drain_seconds: float = Field(
        default=30.0, ge=0, description="Seconds that an index at work may take to end when all is to stop."
    )
    repository_private: bool = Field(
        default=False, description="Whether repositories are also asked at private addresses and by plain HTTP."
    )
    repository_host: str = Field(default="", description="The only host that gets the password below.")
    repository_user: str = Field(default="", description="Who asks that host; unset: `git`.")
    repository_password: SecretStr | None = Field(default=None, description="Password or token for that host.")
    repository_helper: str = Field(
        default="", description="Credential helper of git's that is asked about hosts, such as `store`."
    )
    commonaccord_patterns: str = Field(
        default="G/Agt-NDA/**,G/NW-NDA/**",
        description="Which prose objects to take, as comma-separated patterns below Doc/; `**` takes all.",
    )

    @cached_property
    def root(self) -> Path:
        """`home` as an absolute path."""
        return self.home.expanduser().resolve()

    @property
    def archive_folder(self) -> Path:
        """Where downloads are kept."""
        return self.archives.expanduser().resolve() if self.archives else self.root / "downloads"

    @property
    def source_options(self) -> dict[str, dict[str, object]]:
        """Settings of single sources, by source."""
        patterns = [part.strip() for part in self.commonaccord_patterns.split(",") if part.strip()]
        return {"commonaccord": {"patterns": patterns}}


def is_address(data: str) -> bool:
    """Whether BOOTSTRAP_DATA names a folder of another machine. One by file:// (or local://) is here."""
    return "://" in data and not data.lower().startswith(("file://", "local://"))


def local_folder(data: str) -> Path:
    """The folder of this machine that a path or an address file:// names."""
    return Path(data.partition("://")[2] or data).expanduser()


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment and from the file that it names, with some replaced.

    The environment goes before the file. A wrong one raises ConfigurationError naming it.
    """
    file = settings_file()
    names = {*os.environ, *(dotenv_values(file) if file else ())}
    setting_names.check_names(
        frozenset(name for name in names if name.upper().startswith(_BEGINNINGS)),
        tuple(variable_of(name) for name in Settings.model_fields),
    )
    try:
        return Settings(_env_file=file, **overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise ConfigurationError(_explain(error)) from None


def settings_file() -> Path | None:
    """The file that BOOTSTRAP_ENV_FILE names, if any; ConfigurationError where it cannot be read."""
    if not (path := os.environ.get(FILE)):
        return None
    file = Path(path).expanduser().absolute()
    try:
        file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{FILE}: {file} cannot be read: {error}") from None
    return file


def origin_of(settings: Settings, name: str) -> str:
    """Where a setting's value comes from: `default`, `environment`, or `file …`."""
    if name not in settings.model_fields_set:
        return "default"
    is_in_environment = any(value and key.upper() == variable_of(name) for key, value in os.environ.items())
    return "environment" if is_in_environment else f"file {settings_file()}"


def _has_a_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0  # reading the port may raise
    except ValueError:
        return False


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        name = str(problem["loc"][0]) if problem["loc"] else "?"
        variable = name if name.isupper() else variable_of(name)
        lines.append(f"{variable}: {problem['msg']}")
    return "wrong setting: " + "; ".join(lines)


def dagster_url() -> str | None:
    """Where Dagster keeps its runs, as `bootstrap env` says; None without it."""
    return os.environ.get("BOOTSTRAP_DAGSTER_URL") or None


def has_dagster_home() -> bool:
    """Whether somebody named a home for Dagster; without one its commands make up a temporary one."""
    home = Path(os.environ.get("DAGSTER_HOME", ""))
    return home.name != "" and not home.name.startswith(".tmp_dagster_home")


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return KEY if name == "voyage_api_key" else f"{PREFIX}{name.upper()}"


_BEGINNINGS = (PREFIX[:2], "VOYAGE")  # also a slip in the prefix, as in BOOSTRAP_DATA
