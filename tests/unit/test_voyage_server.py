"""The fake provider, driven with the real client: what each fault looks like to it, and what is counted."""

import base64
import hashlib
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
import voyageai
from voyageai import error
from voyageai.api_resources import Embedding

from tests.fakes.command_line import parse
from tests.fakes.faults import plan_of
from tests.fakes.rate_window import RateWindow, Usage, usage_of
from tests.fakes.voyage_server import (
    PASSING,
    Always,
    Fault,
    RandomFaults,
    Refusal,
    VoyageServer,
    count_tokens,
    vector_of,
    vectors_of,
)

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ["a cap on liability", "governing law", "termination", "notices"]

RAISED: dict[Fault, tuple[type[Exception], int | None]] = {
    Fault.server_error: (error.ServerError, 500),
    Fault.bad_gateway: (error.ServiceUnavailableError, 502),
    Fault.unavailable: (error.ServiceUnavailableError, 503),
    Fault.gateway_timeout: (error.ServiceUnavailableError, 504),
    Fault.rate_limited: (error.RateLimitError, 429),
    Fault.rate_limited_without_retry_after: (error.RateLimitError, 429),
    Fault.quota: (error.RateLimitError, 429),
    Fault.unauthorized: (error.AuthenticationError, 401),
    Fault.forbidden: (error.APIError, 403),
    Fault.bad_request: (error.InvalidRequestError, 400),
    Fault.reset: (error.APIConnectionError, None),
    Fault.reset_midway: (error.APIConnectionError, None),
    Fault.truncated: (error.APIConnectionError, None),
    Fault.cut_json: (error.APIError, 200),
    Fault.stalled: (error.APIConnectionError, None),
    Fault.slow: (error.Timeout, None),
    Fault.not_json: (error.APIError, 200),
    Fault.bad_utf8: (UnicodeDecodeError, None),
    Fault.empty_body: (error.APIError, 200),
}
"""What the real client raises, and the `http_status` that it has. It takes the other faults for answers."""

SPOILT = {Fault.wrong_count, Fault.extra, Fault.wrong_dimension, Fault.nan, Fault.all_nan, Fault.zero}
EMPTY = {Fault.unknown_error, Fault.no_usage}
FREE = {
    Fault.server_error,
    Fault.bad_gateway,
    Fault.unavailable,
    Fault.gateway_timeout,
    Fault.unknown_error,
    Fault.rate_limited,
    Fault.rate_limited_without_retry_after,
    Fault.quota,
    Fault.unauthorized,
    Fault.forbidden,
    Fault.bad_request,
    Fault.reset,
}


def ask(server: VoyageServer, texts: list[str] | None = None, *, timeout: float = 30.0, **more: Any) -> Any:
    """As `bootstrap_assets.embedding.providers.voyage` asks."""
    told = {
        "api_key": "key",
        "base_url": server.url,
        "request_timeout": timeout,
        "input": texts or TEXTS,
        "model": "voyage-law-2",
        "input_type": "document",
        "truncation": False,
        "output_dimension": None,
        "encoding_format": "base64",
    }
    return Embedding.create(**told | more)


def vectors(answer: Any) -> np.ndarray:
    """The vectors of an answer, by their index."""
    items = sorted(answer["data"], key=lambda item: item["index"])
    return np.stack([np.frombuffer(base64.b64decode(item["embedding"]), dtype="<f4") for item in items])


def post(server: VoyageServer, body: Any, key: str = "key", path: str = "/v1/embeddings") -> requests.Response:
    url = server.url.removesuffix("/v1") + path
    return requests.post(url, data=json.dumps(body), headers={"Authorization": f"Bearer {key}"}, timeout=30)


def connected(server: VoyageServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(server.url).port))


def raw_request(texts: list[str]) -> bytes:
    body = json.dumps({"model": "voyage-4-lite", "input": texts, "encoding_format": "base64"}).encode()
    head = f"POST /v1/embeddings HTTP/1.1\r\nAuthorization: Bearer x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_every_fault_is_in_one_of_the_tables() -> None:
    assert set(Fault) == {*RAISED, *SPOILT, *EMPTY, Fault.shuffled}


@pytest.mark.parametrize("fault", RAISED)
def test_the_real_client_raises(voyage: VoyageServer, fault: Fault) -> None:
    voyage.faults, voyage.slow_seconds = [fault], 30.0
    kind, status = RAISED[fault]
    with pytest.raises(kind) as raised:
        ask(voyage, timeout=0.2 if fault in (Fault.slow, Fault.stalled) else 30.0)
    assert type(raised.value) is kind
    assert getattr(raised.value, "http_status", None) == status
    headers = getattr(raised.value, "headers", {})
    assert headers.get("Retry-After") == ("1" if fault is Fault.rate_limited else None)
    assert voyage.served == {fault: 1}
    np.testing.assert_array_equal(vectors(ask(voyage)), vectors_of(TEXTS, 1024))


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (Fault.reset, "ConnectionResetError"),
        (Fault.reset_midway, "ConnectionResetError"),
        (Fault.truncated, "IncompleteRead"),
        (Fault.stalled, "Read timed out"),
    ],
)
def test_a_lost_connection_is_lost_in_the_way_that_was_asked_for(
    voyage: VoyageServer, fault: Fault, cause: str
) -> None:
    voyage.faults, voyage.slow_seconds = [fault], 30.0
    with pytest.raises(error.APIConnectionError, match=cause):
        ask(voyage, timeout=0.2)


def test_quota_and_limits_differ_in_their_words_only(voyage: VoyageServer) -> None:
    voyage.faults = Always(Fault.quota)
    for _ in range(2):
        with pytest.raises(error.RateLimitError, match="insufficient credits"):
            ask(voyage)
    voyage.faults = [Fault.rate_limited_without_retry_after]
    with pytest.raises(error.RateLimitError, match="payment method"):
        ask(voyage)


@pytest.mark.parametrize(("fault", "rows"), [(Fault.wrong_count, 3), (Fault.extra, 5)])
def test_a_wrong_count_comes_without_an_error(voyage: VoyageServer, fault: Fault, rows: int) -> None:
    voyage.faults = [fault]
    assert len(ask(voyage)["data"]) == rows


def test_a_wrong_dimension_comes_without_an_error(voyage: VoyageServer) -> None:
    voyage.faults = [Fault.wrong_dimension]
    assert vectors(ask(voyage)).shape == (4, 512)


@pytest.mark.parametrize("encoding", ["base64", None])
@pytest.mark.parametrize(
    ("fault", "bad"), [(Fault.nan, [0, 3]), (Fault.zero, [0, 3]), (Fault.all_nan, [0, 1, 2, 3])]
)
def test_bad_vectors_come_without_an_error(
    voyage: VoyageServer, fault: Fault, bad: list[int], encoding: str | None
) -> None:
    voyage.faults = [fault]
    body = {"model": "voyage-law-2", "input": TEXTS, "encoding_format": encoding}
    answer = post(voyage, body).json()
    got = vectors(answer) if encoding else np.array([item["embedding"] for item in answer["data"]])
    norms = np.linalg.norm(got, axis=1)
    assert [row for row, norm in enumerate(norms) if not norm > 0.5] == bad
    assert np.isnan(norms).any() == (fault is not Fault.zero)


def test_shuffled_vectors_carry_the_right_index(voyage: VoyageServer) -> None:
    voyage.faults = [Fault.shuffled]
    answer = ask(voyage)
    assert [item["index"] for item in answer["data"]] == [3, 2, 1, 0]
    np.testing.assert_array_equal(vectors(answer), vectors_of(TEXTS, 1024))


@pytest.mark.parametrize("fault", EMPTY)
def test_an_answer_without_data_comes_without_an_error(voyage: VoyageServer, fault: Fault) -> None:
    voyage.faults = [fault]
    answer = ask(voyage)
    assert "data" not in answer
    assert "usage" not in answer


@pytest.mark.parametrize("fault", Fault)
def test_what_a_fault_costs(voyage: VoyageServer, fault: Fault) -> None:
    voyage.faults, voyage.slow_seconds = [fault], 0.05
    try:
        ask(voyage)
    except (error.VoyageError, UnicodeDecodeError):
        assert fault in RAISED
    good = {Fault.slow: 4, Fault.shuffled: 4, Fault.nan: 2, Fault.zero: 2}.get(fault, 0)
    assert voyage.texts_paid == good
    assert voyage.requests == (good > 0)
    assert voyage.charged.total() == (0 if fault in FREE else 4)
    eventually(lambda: voyage.in_flight == 0)


def test_only_the_sound_rows_are_paid_for(voyage: VoyageServer) -> None:
    voyage.faults = [Fault.nan, None]
    ask(voyage)
    ask(voyage, [TEXTS[0], TEXTS[3]])
    assert voyage.texts_paid == 4
    assert voyage.texts_paid_twice == 0
    assert voyage.charged.total() == 6


def test_a_client_that_gives_up_has_not_paid(voyage: VoyageServer, capfd: pytest.CaptureFixture[str]) -> None:
    voyage.faults, voyage.slow_seconds = [Fault.slow], 30.0
    with pytest.raises(error.Timeout):
        ask(voyage, timeout=0.1)
    eventually(lambda: voyage.in_flight == 0)
    assert (voyage.charged.total(), voyage.texts_paid) == (4, 0)
    assert capfd.readouterr() == ("", "")


def test_a_client_that_is_killed_while_it_waits_has_not_paid(
    voyage: VoyageServer, capfd: pytest.CaptureFixture[str]
) -> None:
    voyage.latency = 0.1
    with connected(voyage) as connection:
        connection.sendall(raw_request(["a text"]))
        eventually(lambda: voyage.charged.total() == 1)
        # As a killed client looks before the first answer to what is written to it: FIN, not yet RST.
        connection.shutdown(socket.SHUT_WR)
        eventually(lambda: voyage.in_flight == 0)
    assert voyage.texts_paid == 0
    assert capfd.readouterr() == ("", "")


def test_a_client_that_is_killed_while_it_reads_has_not_paid(
    voyage: VoyageServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with connected(voyage) as connection:
        connection.sendall(raw_request([f"text {number}" for number in range(1000)]))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    eventually(lambda: voyage.in_flight == 0)
    assert (voyage.charged.total(), voyage.texts_paid) == (1000, 0)
    assert capfd.readouterr() == ("", "")


def test_a_client_that_is_killed_while_it_asks_is_nothing_at_all(voyage: VoyageServer) -> None:
    with connected(voyage) as connection:
        connection.sendall(raw_request(["a text"])[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert (voyage.arrived, voyage.log) == (0, [])


def test_a_client_that_is_killed_between_two_requests_is_nothing_to_report(
    voyage: VoyageServer, capfd: pytest.CaptureFixture[str]
) -> None:
    before = set(threading.enumerate())
    with connected(voyage) as connection, connection.makefile("rb") as answer:
        connection.sendall(raw_request(["a text"]))
        length = next(int(line.split()[1]) for line in answer if line.startswith(b"Content-Length"))
        assert answer.read(len(b"\r\n") + length).endswith(b"}}")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(lambda: set(threading.enumerate()) <= before)
    assert capfd.readouterr() == ("", "")


def test_a_good_answer_is_counted_before_the_client_has_it(voyage: VoyageServer) -> None:
    for number in range(1, 51):
        ask(voyage, [f"text {number}"])
        assert (voyage.requests, voyage.texts_paid, voyage.in_flight) == (number, number, 0)


def test_what_the_client_got_well_is_what_was_paid(capfd: pytest.CaptureFixture[str]) -> None:
    def ask_once(number: int) -> list[bytes]:
        texts = [f"text {number} {row}" for row in range(4)]
        try:
            got = vectors(ask(server, texts))
        except (error.VoyageError, UnicodeDecodeError, KeyError):
            return []
        if got.shape != (4, 1024):
            return []
        sound = np.abs(np.linalg.norm(got, axis=1) - 1) < 1e-3
        return [hashlib.sha256(text.encode()).digest() for text, good in zip(texts, sound, strict=True) if good]

    with VoyageServer() as server, ThreadPoolExecutor(4) as pool:
        server.faults = RandomFaults(0.7, seed=5)
        got_well = Counter(digest for digests in pool.map(ask_once, range(120)) for digest in digests)
        assert len(server.served) > 15
        assert server.paid == got_well
        assert server.charged.total() == 4 * sum(entry.status == 200 for entry in server.log)
    assert capfd.readouterr() == ("", "")


def test_a_script_is_played_in_order_and_then_all_is_well(voyage: VoyageServer) -> None:
    voyage.faults = [Fault.server_error, None, Fault.rate_limited]
    seen = [post(voyage, {"model": "voyage-law-2", "input": "a text"}).status_code for _ in range(5)]
    assert seen == [500, 200, 429, 200, 200]


def test_a_fault_for_good_lasts_until_it_is_lifted(voyage: VoyageServer) -> None:
    voyage.faults = Always(Fault.unauthorized)
    for _ in range(3):
        with pytest.raises(error.AuthenticationError):
            ask(voyage)
    voyage.faults = None
    assert len(ask(voyage)["data"]) == 4


def test_random_faults_repeat_with_their_seed_and_hit_their_share() -> None:
    first, second = (RandomFaults(0.3, [Fault.nan, Fault.reset], seed=7) for _ in range(2))
    drawn = [first.draw() for _ in range(2000)]
    assert drawn == [second.draw() for _ in range(2000)]
    assert 500 < sum(fault is not None for fault in drawn) < 700
    assert set(drawn) == {None, Fault.nan, Fault.reset}


def test_nothing_that_stays_or_takes_long_comes_by_chance() -> None:
    plan = RandomFaults(1.0, seed=1)
    drawn = {plan.draw() for _ in range(2000)}
    assert drawn == set(PASSING)
    lasting = {Fault.unauthorized, Fault.forbidden, Fault.quota, Fault.bad_request, Fault.slow, Fault.stalled}
    assert drawn == set(Fault) - lasting


def test_any_request_with_poison_in_it_is_refused_until_it_is_removed(voyage: VoyageServer) -> None:
    voyage.poison = {TEXTS[2]}
    with pytest.raises(error.InvalidRequestError) as raised:
        ask(voyage)
    assert TEXTS[2] not in str(raised.value)
    assert len(ask(voyage, TEXTS[:2])["data"]) == 2
    voyage.poison.clear()
    assert len(ask(voyage)["data"]) == 4
    assert voyage.charged.total() == 6


def test_the_hook_sees_the_texts_and_may_refuse(voyage: VoyageServer) -> None:
    seen: list[list[str]] = []

    def refuse(texts: list[str]) -> None:
        seen.append(texts)
        raise Refusal(503, "busy")

    voyage.refuse = refuse
    with pytest.raises(error.ServiceUnavailableError) as raised:
        ask(voyage)
    assert json.loads(raised.value.http_body) == {"detail": "busy"}
    assert seen == [TEXTS]


def test_the_log_tells_what_became_of_each_request(voyage: VoyageServer) -> None:
    voyage.faults = [Fault.reset, Fault.nan]
    before = time.monotonic()
    with pytest.raises(error.APIConnectionError):
        ask(voyage)
    ask(voyage)
    post(voyage, {"model": "nothing"})
    reset, nan, refused = voyage.log
    assert before < reset.arrived < nan.arrived < refused.arrived < time.monotonic()
    tokens = sum(map(count_tokens, TEXTS))
    assert reset[1:] == (tuple(TEXTS), tokens, 0, Fault.reset, True)
    assert nan[1:] == (tuple(TEXTS), tokens, 200, Fault.nan, True)
    assert refused[1:] == ((), 0, 400, None, False)


def test_requests_in_flight_are_counted(voyage: VoyageServer) -> None:
    voyage.latency = 0.3
    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(ask, voyage) for _ in range(3)]
        eventually(lambda: voyage.in_flight == 3)
        assert [len(future.result()["data"]) for future in running] == [4, 4, 4]
    assert (voyage.in_flight, voyage.most_in_flight) == (0, 3)


def test_requests_over_the_limit_are_told_when_to_come_back() -> None:
    with VoyageServer(rpm=2, window=1.5) as server:
        ask(server)
        ask(server)
        with pytest.raises(error.RateLimitError) as raised:
            ask(server)
        assert raised.value.headers["Retry-After"] == "2"
        assert (server.limited, server.requests) == (1, 2)
        time.sleep(1.5 - (time.monotonic() - server.log[0].arrived))
        ask(server)
        assert server.usage_by_window().most_requests == 2
        assert server.charged.total() == 12


def test_tokens_over_the_limit_are_turned_away() -> None:
    tokens = sum(map(count_tokens, TEXTS))
    with VoyageServer(tpm=2 * tokens + 1) as server:
        ask(server)
        ask(server)
        with pytest.raises(error.RateLimitError, match="tokens per minute"):
            ask(server)
        assert server.usage_by_window().most_tokens == 2 * tokens


def test_many_at_once_do_not_get_past_the_limit() -> None:
    with VoyageServer(rpm=10) as server, ThreadPoolExecutor(8) as pool:
        body = {"model": "voyage-law-2", "input": "a text"}
        statuses = [answer.status_code for answer in pool.map(lambda _: post(server, body), range(40))]
        assert (statuses.count(200), statuses.count(429)) == (10, 30)
        assert (server.limited, server.usage_by_window().most_requests) == (30, 10)


def test_a_window_slides() -> None:
    window = RateWindow(rpm=2, tpm=None, seconds=60)
    assert window.admit(0, 1) is None
    assert window.admit(50, 1) is None
    assert window.admit(59, 1) == 1
    assert window.admit(60, 1) is None
    assert window.admit(61, 1) == 49


def test_tokens_wait_for_as_many_as_they_need_to_expire() -> None:
    window = RateWindow(rpm=None, tpm=100, seconds=60)
    assert [window.admit(second, 40) for second in (0, 10)] == [None, None]
    assert window.admit(20, 50) == 40
    assert window.admit(20, 90) == 50
    assert window.admit(20, 101) == 60
    assert window.admit(20, 20) is None


def test_usage_is_the_most_in_any_window_and_the_average_of_whole_ones() -> None:
    bursts = [(start, 100) for start in (0.0, 60.0, 120.0) for _ in range(50)]
    assert usage_of(bursts, 60) == Usage(50, 5000, 50, 5000)
    steady = [(float(second), 10) for second in range(200)]
    assert usage_of(steady, 60) == Usage(60, 600, 60, 600)
    assert usage_of([(0.0, 5), (10.0, 5), (20.0, 5)], 60) == Usage(3, 15, 6, 30)
    assert usage_of([(0.0, 5)], 60) == Usage(1, 5, 0, 0)
    assert usage_of([], 60) == Usage(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"model": "voyage-9"}, "argument 'model'"),
        ({"input": []}, "empty"),
        ({"input": ["fine", ""]}, "empty strings"),
        ({"input": [1]}, "list of strings"),
        ({"input": {"text": "x"}}, "list of strings"),
        ({"input": ["\ud800"]}, "not valid Unicode"),
        ({"input": ["x"] * 1001}, "batch size limit is 1000. Your batch size is 1001"),
        ({"input": ["word " * 2_000] * 60}, "max allowed tokens per submitted batch is 120000"),
        ({"input_type": "passage"}, "argument 'input_type'"),
        ({"encoding_format": "float"}, "argument 'encoding_format'"),
        ({"output_dtype": "int8"}, "argument 'output_dtype'"),
        ({"output_dimension": 512}, "'output_dimension' is not valid. Accepted: null, 1024"),
        ({"output_dimension": "1024"}, "output_dimension"),
        ({"model": "voyage-4", "output_dimension": 300}, "256, 512, 1024, 2048"),
        ({"truncation": "no"}, "argument 'truncation'"),
        ({"truncation": 1}, "argument 'truncation'"),
    ],
)
def test_a_request_that_is_not_in_order_is_refused(
    voyage: VoyageServer, change: dict[str, Any], detail: str
) -> None:
    answer = post(voyage, {"model": "voyage-law-2", "input": TEXTS} | change)
    assert answer.status_code == 400
    assert detail in answer.json()["detail"]
    assert voyage.charged.total() == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(voyage: VoyageServer, body: bytes) -> None:
    answer = requests.post(f"{voyage.url}/embeddings", body, headers={"Authorization": "Bearer x"}, timeout=30)
    assert (answer.status_code, list(answer.json())) == (400, ["detail"])


def test_a_wrong_key_no_key_and_a_key_of_another_host() -> None:
    with VoyageServer(key="right", forbidden=["al-elsewhere"]) as server:
        assert len(ask(server, api_key="right")["data"]) == 4
        with pytest.raises(error.AuthenticationError, match="API key is invalid"):
            ask(server, api_key="wrong")
        with pytest.raises(error.APIError, match="another host") as raised:
            ask(server, api_key="al-elsewhere")
        assert raised.value.http_status == 403
        assert requests.post(f"{server.url}/embeddings", json={}, timeout=30).status_code == 401


def test_another_path_is_not_found(voyage: VoyageServer) -> None:
    with pytest.raises(error.APIError) as raised:
        ask(voyage, base_url=voyage.url.removesuffix("/v1"))
    assert raised.value.http_status == 404


def test_truncation_cuts_where_it_is_allowed_and_refuses_where_not(voyage: VoyageServer) -> None:
    text = "word " * 16_500
    with pytest.raises(error.InvalidRequestError, match=r"example at index 1 .* window of 16000 tokens"):
        ask(voyage, ["short", text])
    answer = ask(voyage, ["short", text], truncation=True)
    assert answer["usage"]["total_tokens"] == 16_002
    kept = ("word " * 15_999).strip()
    np.testing.assert_array_equal(vectors(answer)[1], vector_of(kept, 1024))


def test_both_encodings_give_the_same_vectors(voyage: VoyageServer) -> None:
    listed = post(voyage, {"model": "voyage-4", "input": TEXTS, "output_dimension": 256}).json()
    coded = ask(voyage, model="voyage-4", output_dimension=256)
    assert (listed["object"], listed["model"]) == ("list", "voyage-4")
    assert listed["usage"] == coded["usage"] == {"total_tokens": sum(map(count_tokens, TEXTS))}
    numbers = np.array([item["embedding"] for item in listed["data"]], dtype=np.float32)
    np.testing.assert_allclose(vectors(coded), numbers)


def test_the_client_s_own_embed_works_too(voyage: VoyageServer) -> None:
    client = voyageai.Client(api_key="key", base_url=voyage.url)
    answer = client.embed(TEXTS, model="voyage-law-2", input_type="query")
    np.testing.assert_allclose(answer.embeddings, vectors_of(TEXTS, 1024))
    assert answer.total_tokens == sum(map(count_tokens, TEXTS))
    assert voyage.input_types == {"query": 1}


def test_another_process_can_plan_faults_and_poison(voyage: VoyageServer) -> None:
    assert post(voyage, {"script": ["server_error", None], "slow_seconds": 2}, path="/faults").ok
    assert post(voyage, [TEXTS[0]], path="/poison").ok
    assert voyage.slow_seconds == 2
    answers = [post(voyage, {"model": "voyage-law-2", "input": text}) for text in (*TEXTS[:2], *TEXTS[1:])]
    assert [answer.status_code for answer in answers] == [400, 500, 200, 200, 200]
    assert post(voyage, {"always": "quota"}, path="/faults").ok
    assert post(voyage, {"share": 2}, path="/faults").status_code == 400
    assert post(voyage, "x", path="/poison").status_code == 400
    assert post(voyage, {"model": "voyage-law-2", "input": "x"}).status_code == 429
    assert post(voyage, {}, path="/faults").ok
    assert post(voyage, {"model": "voyage-law-2", "input": "x"}).ok


@pytest.mark.parametrize(
    "told",
    [[], 3, {"what": 1}, {"share": 2}, {"share": 0.5, "kinds": ["odd"]}, {"script": ["odd"]}, {"always": "odd"}],
)
def test_a_plan_that_makes_no_sense_is_refused(told: Any) -> None:
    with pytest.raises(ValueError, match=r"faults are|share|odd"):
        plan_of(told)


def test_the_counters_are_to_be_had_over_http(voyage: VoyageServer) -> None:
    voyage.faults = [Fault.nan]
    ask(voyage)
    told = requests.get(voyage.url.removesuffix("/v1") + "/stats", timeout=30).json()
    usage = told.pop("usage_by_window")
    tokens = sum(map(count_tokens, TEXTS))
    assert told == {
        "requests": 1,
        "texts": 2,
        "distinct_texts": 2,
        "texts_paid_twice": 0,
        "texts_charged": 4,
        "distinct_texts_charged": 4,
        "most_texts_in_a_request": 4,
        "most_tokens_in_a_request": tokens,
        "arrived": 1,
        "in_flight": 0,
        "most_in_flight": 1,
        "limited": 0,
        "statuses": {"200": 1},
        "faults": {"nan": 1},
    }
    assert usage == {"most_requests": 1, "most_tokens": tokens, "average_requests": 0, "average_tokens": 0}


def by_hand(*options: str) -> list[str]:
    return [sys.executable, "tests/fakes/voyage_server.py", *options]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_starts_by_hand_and_says_at_the_end_what_it_was_paid(tmp_path: Path, number: int) -> None:
    poison = tmp_path / "poison.json"
    poison.write_text(json.dumps(["a text"]))
    options = ["--port", "0", "--key", "k", "--rpm", "3", "--fail", "1", "--faults", "nan,slow", "--slow", "0"]
    process = subprocess.Popen(
        by_hand(*options, "--poison", str(poison)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    url = process.stdout.readline().strip()
    headers = {"Authorization": "Bearer k"}
    statuses = [
        requests.post(
            f"{url}/embeddings", json={"model": "voyage-4", "input": text}, headers=headers, timeout=30
        ).status_code
        for text in ("a text", "another", "a third", "a fourth")
    ]
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (statuses, process.returncode, err) == ([400, 200, 200, 429], 0, "")
    told = json.loads(out)
    assert (told["texts_charged"], told["limited"], sum(told["faults"].values())) == (2, 1, 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fail", "2"], "between 0 and 1"),
        (["--faults", "nan"], "--fail"),
        (["--fail", "1", "--faults", "odd"], "odd"),
        (["--poison", "nowhere.json"], "nowhere.json"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(options)
    assert words in capsys.readouterr().err


def test_its_help_names_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parse(["--help"])
    told = capsys.readouterr().out
    assert all(fault in told for fault in Fault)
    assert "BOOTSTRAP_VOYAGE_BASE_URL" in told
