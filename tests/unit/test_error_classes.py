"""Every exception that the client, psycopg and the operating system raise has a class, decided in one place."""

import errno
import socket
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formatdate

import psycopg
import pytest
from psycopg import errors as states
from voyageai import error as client_errors

from bootstrap_assets import errors
from bootstrap_assets.embedding.providers.protocol import InputType
from bootstrap_assets.embedding.providers.voyage import VoyageEmbedder
from bootstrap_assets.embedding.providers.voyage_errors import MAX_DETAIL, classify, retry_after
from bootstrap_assets.embedding.providers.voyage_models import voyage_model
from bootstrap_assets.errors import (
    AccessError,
    AnswerError,
    BootstrapError,
    ConfigurationError,
    NoAnswerError,
    PermanentError,
    ProviderError,
    RateLimitedError,
    RefusedError,
    TooLargeError,
    TransientError,
    is_of_a_row,
    is_transient,
)
from tests.fakes.voyage_server import Always, Fault, VoyageServer

FAULTS: dict[Fault, type[BootstrapError] | None] = {
    Fault.server_error: ProviderError,
    Fault.bad_gateway: ProviderError,
    Fault.unavailable: ProviderError,
    Fault.gateway_timeout: ProviderError,
    Fault.unknown_error: AnswerError,
    Fault.rate_limited: RateLimitedError,
    Fault.rate_limited_without_retry_after: RateLimitedError,
    Fault.quota: AccessError,
    Fault.unauthorized: AccessError,
    Fault.forbidden: AccessError,
    Fault.bad_request: RefusedError,
    Fault.reset: NoAnswerError,
    Fault.reset_midway: NoAnswerError,
    Fault.truncated: NoAnswerError,
    Fault.cut_json: AnswerError,
    Fault.stalled: NoAnswerError,
    Fault.slow: NoAnswerError,
    Fault.wrong_count: AnswerError,
    Fault.extra: AnswerError,
    Fault.wrong_dimension: None,  # one vector for each text: the shape is for the space to judge
    Fault.nan: None,  # the sound ones among the vectors are kept
    Fault.all_nan: None,
    Fault.zero: None,
    Fault.shuffled: None,
    Fault.not_json: AnswerError,
    Fault.bad_utf8: AnswerError,
    Fault.empty_body: AnswerError,
    Fault.no_usage: AnswerError,
}


def ask(server: VoyageServer, texts: list[str], key: str = "key") -> BootstrapError | None:
    embedder = VoyageEmbedder(voyage_model("voyage-law-2"), key, server.url, timeout=0.5)
    try:
        embedder.embed(texts, InputType.DOCUMENT)
    except BootstrapError as error:
        return error
    return None


def test_every_fault_has_a_row() -> None:
    assert set(FAULTS) == set(Fault)


@pytest.mark.parametrize("fault", list(Fault))
def test_what_a_provider_can_do_has_a_class(voyage: VoyageServer, fault: Fault) -> None:
    voyage.faults = Always(fault)
    voyage.slow_seconds = 1.0
    error = ask(voyage, ["one", "two", "three"])
    assert type(error) is (FAULTS[fault] or type(None)), error


def test_nobody_there_is_told_apart_from_no_answer() -> None:
    embedder = VoyageEmbedder(voyage_model("voyage-law-2"), "key", "http://127.0.0.1:1/v1")
    with pytest.raises(ProviderError, match="cannot be reached"):  # nothing was sent, so nothing is charged
        embedder.embed(["one"], InputType.DOCUMENT)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["one"] * 1001, TooLargeError),
        (["word " * 17_000], TooLargeError),
        (["word " * 9_000] * 14, TooLargeError),
        (["one", ""], RefusedError),
    ],
)
def test_a_request_that_is_too_large_is_told_apart_from_a_bad_one(
    voyage: VoyageServer, texts: list[str], expected: type[BootstrapError]
) -> None:
    assert type(ask(voyage, texts)) is expected


def test_a_wrong_address_is_a_matter_of_configuration(voyage: VoyageServer) -> None:
    embedder = VoyageEmbedder(voyage_model("voyage-law-2"), "key", voyage.url + "/nowhere")
    with pytest.raises(ConfigurationError, match="BOOTSTRAP_VOYAGE_BASE_URL"):
        embedder.embed(["one"], InputType.DOCUMENT)


def test_every_exception_of_the_client_has_a_class() -> None:
    kinds = [kind for kind in vars(client_errors).values() if isinstance(kind, type)]
    assert len(kinds) >= 11
    for kind in kinds:
        for status in (None, 200, 400, 401, 403, 408, 429, 500, 503):
            error = classify(kind("a message", http_status=status))
            assert isinstance(error, (TransientError, PermanentError))
            assert isinstance(error, TransientError) == (status not in (400, 401, 403)), (kind, status)


def test_a_429_that_speaks_of_billing_is_still_a_rate_limit() -> None:
    words = "You have not yet added your payment method in the billing page and will have reduced rate limits"
    assert type(classify(client_errors.RateLimitError(words, http_status=429))) is RateLimitedError


def test_the_key_of_a_provider_is_in_no_message(voyage: VoyageServer) -> None:
    for fault in (Fault.unauthorized, Fault.not_json, Fault.bad_request, Fault.reset):
        voyage.faults = Always(fault)
        assert "pa-secret" not in str(ask(voyage, ["one"], key="pa-secret"))


@pytest.mark.parametrize("ending", ["\n", "\r\nX: y", "\u00e9", " "])
def test_a_key_that_no_header_can_hold_is_in_no_message_and_no_cause(ending: str) -> None:
    key = "pa-" + "top" + "secret" + ending
    embedder = VoyageEmbedder(voyage_model("voyage-law-2"), key, "http://127.0.0.1:1/v1")
    with pytest.raises(BootstrapError) as raised:
        embedder.embed(["one"], InputType.DOCUMENT)
    assert "topsecret" not in "".join(traceback.format_exception(raised.value))


def test_an_address_that_is_none_is_a_matter_of_configuration() -> None:
    with pytest.raises(ConfigurationError, match="BOOTSTRAP_VOYAGE_BASE_URL"):
        VoyageEmbedder(voyage_model("voyage-law-2"), "key", "localhost:9/v1").embed(["one"], InputType.DOCUMENT)


def test_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    assert retry_after({"Retry-After": "7"}) == 7
    assert retry_after({"retry-after": "0.5"}) == 0.5
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < (retry_after({"Retry-After": soon}) or 0) <= 30
    assert retry_after({"Retry-After": formatdate(time.time() - 60)}) == 0
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({}) is None
    assert retry_after({"Retry-After": "1e9"}) == 3600


PASSING = {"08", "40", "53", "55", "57", "58", "XX"}
"""Connection, rollback, resources, prerequisite state, intervention, system, internal: PostgreSQL's appendix A."""

LASTING = {"53400", "57014", "57P04"}
"""A limit like temp_file_limit, a statement cancelled by a time-out or an administrator, a dropped database."""


def test_every_sqlstate_that_psycopg_knows_has_a_class() -> None:
    named = [kind for kind in vars(states).values() if isinstance(kind, type)]
    kinds = [kind for kind in named if isinstance(getattr(kind, "sqlstate", None), str)]
    assert len(kinds) > 200
    for kind in kinds:
        expected = kind.sqlstate[:2] in PASSING or kind.sqlstate == "25P03"
        expected = expected and kind.sqlstate not in LASTING
        assert is_transient(kind("a message")) == expected, kind
        assert is_of_a_row(kind("a message")) == (kind.sqlstate[:2] in {"22", "23", "44", "54", "P0"}), kind


def test_a_connection_that_broke_may_come_back() -> None:
    assert is_transient(psycopg.OperationalError("server closed the connection unexpectedly"))
    assert not is_transient(psycopg.ProgrammingError("a mistake of ours"))
    assert not is_transient(psycopg.InterfaceError("a mistake of ours"))


@pytest.mark.parametrize(
    "number",
    [errno.ECONNRESET, errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EPIPE, errno.ENOSPC, errno.EMFILE, errno.EIO],
)
def test_what_the_operating_system_says_may_pass(number: int) -> None:
    assert is_transient(OSError(number, "a message"))


@pytest.mark.parametrize(
    "number",
    [
        errno.ENOENT,
        errno.EACCES,
        errno.EPERM,
        errno.EISDIR,
        errno.ENOTDIR,
        errno.EEXIST,
        errno.ENAMETOOLONG,
        errno.EROFS,
        errno.ELOOP,
        errno.EINVAL,
        errno.ENOEXEC,
        errno.EXDEV,
    ],
)
def test_what_is_missing_or_forbidden_stays_so(number: int) -> None:
    assert not is_transient(OSError(number, "a message"))


@pytest.mark.parametrize(
    "error", [ConnectionError("x"), TimeoutError("x"), BrokenPipeError("x"), socket.gaierror(-3, "try again")]
)
def test_a_connection_that_failed_without_a_number_may_pass(error: OSError) -> None:
    assert is_transient(error)


def test_an_error_of_the_operating_system_that_says_nothing_is_not_believed_to_pass() -> None:
    assert not is_transient(OSError("Could not find a suitable TLS CA certificate bundle"))


def test_every_error_of_ours_is_one_or_the_other() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BootstrapError)]
    for kind in kinds:
        if kind not in (BootstrapError, TransientError, PermanentError):
            assert issubclass(kind, TransientError) != issubclass(kind, PermanentError), kind
            assert is_transient(kind("a message")) == issubclass(kind, TransientError), kind


@pytest.mark.parametrize(
    "mistake", [KeyError("x"), TypeError("x"), ValueError("x"), AssertionError("x"), MemoryError()]
)
def test_a_mistake_of_ours_is_permanent(mistake: BaseException) -> None:
    assert not is_transient(mistake)


def test_a_key_that_is_quoted_where_the_words_are_cut_is_in_no_message() -> None:
    key = "pa-" + "hush" * 10
    for before in range(MAX_DETAIL - len(key), MAX_DETAIL):
        error = client_errors.VoyageError(
            "refused", http_status=401, json_body={"detail": f"{'x' * before} {key} {'y' * 99}"}
        )
        assert "hush" not in str(classify(error, secret=key))
