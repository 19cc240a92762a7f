"""Events: what other programs ask of the pipeline, and what it reports to them. One model for each name.

They live in the table bootstrap_events, written in the transaction of the change they report.
"""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bootstrap_assets.errors import ConfigurationError

MAX_PRIORITY = 100


class Event(BaseModel):
    """Base of all events. `name` is `domain/entity.action`; the fields are the payload."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]


class IngestRequested(Event):
    """Somebody asks for sources (none: all) to be brought up to date, with the index after them.

    `tenant`: no source is, but that tenant's documents are: those that wait get text, passages and vectors.
    """

    name: ClassVar[str] = "bootstrap/ingest.requested"
    sources: list[str] = []
    tenant: str | None = None
    force_refresh: bool = False
    priority: int = Field(default=0, ge=-MAX_PRIORITY, le=MAX_PRIORITY)
    requested_by: str = ""


class IngestCancelled(Event):
    """A request is no longer wanted; its run ends at its next safe point."""

    name: ClassVar[str] = "bootstrap/ingest.cancelled"
    request: int


class IngestResume(Event):
    """A request that failed or was cancelled is wanted again."""

    name: ClassVar[str] = "bootstrap/ingest.resume"
    request: int


class SourceProcess(Event):
    """The work on a source begins."""

    name: ClassVar[str] = "bootstrap/source.process"
    source: str


class SourceProgress(Event):
    """How far the work on a source is, reported at every tenth."""

    name: ClassVar[str] = "bootstrap/source.progress"
    source: str
    stage: str
    percent: int = Field(ge=0, le=100)
    message: str = ""


class SourceCompleted(Event):
    """The work on a source has ended; `status` is that of bootstrap_progress: completed,
    completed_with_failures or failed.

    `embedded_records` got their vector by this work. The others are what is there now: `processed_records` of the
    archive, `records_with_vectors`, `error_count` of open dead letters; `invented`: some of it is the sample.
    """

    name: ClassVar[str] = "bootstrap/source.completed"
    source: str
    status: str
    processed_records: int
    embedded_records: int
    records_with_vectors: int
    error_count: int
    invented: bool = False


class IngestCompleted(Event):
    """A request has ended, all its sources and the index with it, or it failed or was cancelled.

    `totals`: `embedded_records` of its sources got their vector since the request was begun. The others are what
    is there of these sources now: `records`, `records_with_vectors`, `errors`. Of a tenant's documents they count
    passages, and documents that failed.
    """

    name: ClassVar[str] = "bootstrap/ingest.completed"
    request: int
    status: str
    totals: dict[str, int]
    duration_ms: int


class RunFailed(Event):
    """A run of Dagster failed, whoever started it."""

    name: ClassVar[str] = "bootstrap/run.failed"
    run_id: str
    job: str
    message: str


EVENTS: dict[str, type[Event]] = {
    kind.name: kind
    for kind in (
        IngestRequested,
        IngestCancelled,
        IngestResume,
        SourceProcess,
        SourceProgress,
        SourceCompleted,
        IngestCompleted,
        RunFailed,
    )
}


def parse(name: str, payload: dict[str, object]) -> Event:
    """The event of a row; ConfigurationError, naming the field, for what is none."""
    kind = EVENTS.get(name)
    if kind is None:
        raise ConfigurationError(f"unknown event {name!r}; known: {', '.join(EVENTS)}")
    try:
        return kind.model_validate(payload)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        reasons = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
        raise ConfigurationError(f"{name}: {reasons}") from None
