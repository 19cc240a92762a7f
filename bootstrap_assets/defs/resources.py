"""The one resource: the corpus, opened for the length of a step."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import NamedTuple

import dagster as dg
import psycopg
import sqlalchemy.exc
from pydantic import Field, PrivateAttr

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.defs.private import (
    DagsterExecutionInterruptedError,
    DagsterUserCodeProcessError,
    SerializableErrorInfo,
)
from bootstrap_assets.embedding import context
from bootstrap_assets.errors import BootstrapError, StoppedError, explain, is_transient
from bootstrap_assets.operations import requests
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.stopping import Stop

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext
"""What a step knows of its run."""


class CorpusResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where the corpus lies and what a run may do to it. Everything else comes from the environment."""

    data: str | None = Field(
        default=None,
        description="`sample`, `official`, or a folder's path or address; unset: BOOTSTRAP_DATA.",
    )
    force_refresh: bool = Field(default=False, description="Download again what has changed on the server.")
    allow_deletes: bool = Field(
        default=False, description="Let a parse delete more than a fifth of a source's records."
    )

    max_cost: float | None = Field(
        default=None, gt=0, description="Dollars that the run may cost; it stops before it would cost more."
    )

    def settings(self) -> Settings:
        """The settings of this run."""
        return load_settings(**({"data": self.data} if self.data else {}))

    _request: "Attempt | None" = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Look whether the run is for a request that may be cancelled."""
        self._request = attempt_of(context.run.tags) if context.run else None

    @contextmanager
    def open(self, run_id: str) -> Iterator[context.Corpus]:
        """The corpus, for one step of a run; all its steps spend from one budget.

        Where the run is for a request that is cancelled, the work ends at its next safe point.
        """
        stop = STOP.child()
        with context.open_corpus(self.settings(), run_id=run_id, max_cost=self.max_cost, stop=stop) as corpus:
            if self._request is None:
                yield corpus
                return
            with heeding(corpus, self._request, run_id):
                yield corpus


REQUEST_TAG = "bootstrap/request"
"""Tag of a run: the number of the request that it is for."""

ATTEMPT_TAG = "bootstrap/attempt"
"""Tag of a run: which attempt at its request it is; one that is resumed has another run."""


class Attempt(NamedTuple):
    """What a run is for: a request, and which attempt at it (None: whichever it is)."""

    request: int
    attempt: int | None = None


def attempt_of(tags: Mapping[str, str]) -> Attempt | None:
    """What a run with these tags is for; None where it is for no request."""
    request, attempt = tags.get(REQUEST_TAG), tags.get(ATTEMPT_TAG)
    return Attempt(int(request), int(attempt) if attempt else None) if request else None


@contextmanager
def heeding(corpus: context.Corpus, attempt: Attempt, run_id: str, *, every: float = 1.0) -> Iterator[None]:
    """Record that a run works on a request, and stop the corpus's work when the request is cancelled."""
    database = corpus.database
    database.transact(partial(_start, attempt=attempt, run_id=run_id))
    end = threading.Event()

    def look() -> None:
        while not end.wait(every):
            with suppress(psycopg.Error, BootstrapError), database.connection() as connection:
                if requests.is_cancelled(connection, attempt.request, attempt.attempt):
                    corpus.stop.set()

    watcher = threading.Thread(target=look, name=f"request {attempt.request}", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        end.set()
        watcher.join(10)


def _start(connection: Connection, attempt: Attempt, run_id: str) -> None:
    """Record that the work has begun, unless its request was cancelled meanwhile."""
    if requests.is_cancelled(connection, attempt.request, attempt.attempt):
        raise StoppedError(
            f"this run of request {attempt.request} is no longer wanted; where the request is cancelled, "
            f"`bootstrap resume {attempt.request}` asks for it again"
        )
    requests.start(connection, attempt.request, run_id)


STOP = Stop()
"""Ends every step of this process: set by `execute`, whose process runs one run and no other."""


@contextmanager
def failing_for_good(context: Context | None = None) -> Iterator[None]:
    """Turn a permanent error into a failure that Dagster does not retry; others reach the retry policy.

    An interrupt too: a step with a retry policy would otherwise be run again after it. Where the work was stopped
    on purpose, the run of `context` ends as canceled, not as failed.
    """
    try:
        if STOP.is_set():
            raise StoppedError
        yield
    except (KeyboardInterrupt, DagsterExecutionInterruptedError):
        raise PlainFailure(StoppedError()) from None
    except Exception as error:
        if is_transient(error) or isinstance(error, sqlalchemy.exc.OperationalError):  # Dagster's own storage
            raise
        if isinstance(error, StoppedError) and context is not None:
            _cancel(context, str(error))
        if isinstance(error, BootstrapError):
            raise PlainFailure(error) from None
        raise _failure(error) from error


class PlainFailure(dg.Failure, DagsterUserCodeProcessError):
    """A failure whose whole story is its message, which was written for people: Dagster shows no stack beside it.

    Of an error that came from another process Dagster shows what it is given, here the message alone.
    """

    def __init__(self, error: BootstrapError) -> None:
        Exception.__init__(self, str(error))
        self.description = str(error)
        self.metadata = {"error": dg.MetadataValue.text(type(error).__name__)}
        self.allow_retries = False
        self.user_code_process_error_infos = [SerializableErrorInfo(str(error), stack=[], cls_name=None)]


def _cancel(context: Context, why: str) -> None:
    """Let the run end as canceled, once its steps have ended. It says so while they do."""
    run = context.instance.get_run_by_id(context.run.run_id)
    if run and run.status is dg.DagsterRunStatus.STARTED:
        context.instance.report_run_canceling(run, why)


def _failure(error: Exception) -> dg.Failure:
    return dg.Failure(explain(error), metadata={"error": type(error).__name__}, allow_retries=False)


@dg.definitions
def resources() -> dg.Definitions:
    """The resource under the name that the assets ask for."""
    return dg.Definitions(resources={"corpus": CorpusResource()})
