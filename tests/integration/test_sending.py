"""A request is sent when it may be, and again when it may help; all processes keep to that together."""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import SecretStr

from bootstrap_assets import pipeline
from bootstrap_assets.database.connection import Database, connect
from bootstrap_assets.embedding import breakers, ledger
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.send import Patience, Sender
from bootstrap_assets.errors import (
    AccessError,
    BootstrapError,
    BreakerOpenError,
    BudgetError,
    ProviderError,
    RateLimitedError,
)
from bootstrap_assets.settings import Settings
from bootstrap_assets.stopping import Stop
from tests.conftest import open_for_test
from tests.fakes.voyage_server import Always, Fault, Refusal, VoyageServer
from tests.integration.test_fill import OTHER, column, in_parallel, load
from tests.made_up_source import MADE_UP, contracts


def corpus_with(settings: Settings, database: Database, **changes: object) -> Corpus:
    return open_for_test(settings.model_copy(update=changes), database)


def small_requests(corpus: Corpus, texts: int) -> Corpus:
    corpus.embedder._model = replace(corpus.embedder.model, request_texts=texts)  # type: ignore[attr-defined]
    return corpus


def test_what_may_pass_is_tried_again_after_growing_waits(
    settings: Settings, database: Database, voyage: VoyageServer
) -> None:
    corpus = corpus_with(settings, database, retry_seconds=0.1)
    load(corpus, contracts(2))
    voyage.faults = [Fault.server_error, Fault.reset, Fault.not_json]
    pipeline.embed(corpus, MADE_UP)
    arrived = [entry.arrived for entry in voyage.log]
    waits = [later - earlier for earlier, later in itertools.pairwise(arrived)]
    assert len(waits) == 3
    for wait, told in zip(waits, (0.1, 0.2, 0.4), strict=True):
        assert 0.75 * told <= wait < 1.25 * told + 5
    assert voyage.texts_paid_twice == 0
    outcomes = column(corpus, "SELECT outcome FROM embedding_usage ORDER BY id")
    assert outcomes == ["failed", "no_answer", "bad_answer", "ok"]


class ToldStop(Stop):
    """Notes how long it is asked to wait, and does not."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.told.append(seconds)
        return False


def test_the_waits_are_about_one_two_and_four_seconds(corpus: Corpus, voyage: VoyageServer) -> None:
    stop = ToldStop()
    voyage.faults = [Fault.server_error] * 3
    sender = Sender(
        corpus.database,
        corpus.embedder,
        corpus.space,
        "made_up",
        payer=corpus.payer,
        patience=Patience(),
        stop=stop,
    )
    assert len(sender.send(["one"], 2).vectors) == 1
    for told, expected in zip(stop.told, (1, 2, 4), strict=True):
        assert 0.75 * expected <= told <= 1.25 * expected


def test_a_fourth_failure_is_the_last(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(2))
    voyage.faults = Always(Fault.unavailable)
    with pytest.raises(ProviderError, match="503"):
        pipeline.embed(corpus, MADE_UP)
    assert len(voyage.log) == 4
    assert column(corpus, "SELECT status FROM bootstrap_progress") == ["failed"]
    assert set(column(corpus, "SELECT stage FROM bootstrap_batches")) == {"failed"}


def test_the_number_of_attempts_is_a_setting(settings: Settings, database: Database, voyage: VoyageServer) -> None:
    corpus = corpus_with(settings, database, retries=0)
    load(corpus, contracts(2))
    voyage.faults = Always(Fault.unavailable)
    with pytest.raises(ProviderError):
        pipeline.embed(corpus, MADE_UP)
    assert len(voyage.log) == 1


def test_one_request_that_keeps_failing_does_not_end_the_others(corpus: Corpus, voyage: VoyageServer) -> None:
    small_requests(corpus, 10)
    load(corpus, contracts(20))
    unlucky = contracts(20)["Contract 3"]["Category 1"]
    failures = 0

    def fail_often(texts: list[str]) -> None:
        nonlocal failures
        if unlucky in texts and failures < 6:
            failures += 1
            raise_status(500)

    voyage.refuse = fail_often
    filled = pipeline.embed(corpus, MADE_UP)
    assert failures == 6  # four attempts, and two more in a later round
    assert (filled.embedded_records, filled.status) == (80, "completed")
    assert voyage.texts_paid_twice == 0


def raise_status(status: int, **headers: str) -> None:
    raise Refusal(status, "as told", headers)


def test_a_5xx_that_says_when_to_come_back_is_believed(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(2))
    voyage.refuse = lambda _texts: len(voyage.log) or raise_status(503, **{"Retry-After": "1"})
    pipeline.embed(corpus, MADE_UP)
    first, second = (entry.arrived for entry in voyage.log)
    assert second - first >= 1


def test_a_429_is_waited_out_and_is_no_attempt(
    settings: Settings, database: Database, voyage: VoyageServer
) -> None:
    corpus = corpus_with(settings, database, retries=0)
    load(corpus, contracts(2))
    voyage.faults = [Fault.rate_limited_without_retry_after] * 5
    filled = pipeline.embed(corpus, MADE_UP)
    assert filled.status == "completed"
    assert column(corpus, "SELECT count(*) FROM embedding_usage WHERE outcome = 'rate_limited'") == [5]
    with database.connection() as connection:
        assert breakers.listing(connection) == []


def test_a_retry_after_is_kept_by_every_process(
    settings: Settings, database: Database, voyage: VoyageServer
) -> None:
    corpus, other = (small_requests(open_for_test(settings, database), 2) for _ in range(2))
    load(corpus, contracts(20))
    voyage.retry_after = 1
    voyage.latency = 0.05
    voyage.faults = [None, Fault.rate_limited]
    errors = in_parallel(lambda: pipeline.embed(corpus, MADE_UP), lambda: pipeline.embed(other, MADE_UP))
    assert errors == []
    asked = next(entry.arrived for entry in voyage.log if entry.status == 429)
    later = [entry.arrived - asked for entry in voyage.log if entry.arrived > asked]
    assert not [seconds for seconds in later if 0.3 < seconds < 0.95]  # but for what had left already
    assert len([seconds for seconds in later if seconds >= 0.95]) > 20


def test_a_retry_after_of_nothing_is_waited_for_all_the_same(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(2))
    voyage.retry_after = 0
    voyage.faults = [Fault.rate_limited] * 5
    started = time.monotonic()
    assert pipeline.embed(corpus, MADE_UP).status == "completed"
    assert time.monotonic() - started > 0.01 * (1 + 2 + 4 + 8 + 16)


def test_a_429_for_good_is_given_up_in_the_end(
    corpus: Corpus, voyage: VoyageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bootstrap_assets.embedding.send.LIMITED_FOR", -1)  # the first 429 is the last
    load(corpus, contracts(2))
    voyage.faults = Always(Fault.rate_limited_without_retry_after)
    with pytest.raises(RateLimitedError):
        pipeline.embed(corpus, MADE_UP)
    assert len(voyage.log) == 4


def test_two_processes_on_one_account_keep_to_its_limits_together(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger.reserve, "__kwdefaults__", {"window": 2.1})
    with VoyageServer(rpm=10, window=2.0) as server:
        limited = settings.model_copy(update={"voyage_base_url": server.url, "voyage_rpm": 10})
        one, two = (small_requests(open_for_test(limited, database), 4) for _ in range(2))
        load(one, contracts(30))
        errors = in_parallel(lambda: pipeline.embed(one, MADE_UP), lambda: pipeline.embed(two, MADE_UP))
        assert errors == []
        assert server.limited == 0
        assert server.texts_paid == 120
        times = [entry.arrived for entry in server.log]
        # 30 requests are three windows' worth: the third begins two windows after the first.
        assert times[-1] - times[0] > 4.0


def test_tokens_per_minute_are_limited_by_what_the_provider_counts(corpus: Corpus, database: Database) -> None:
    payer = replace(corpus.payer, limiter="test")
    ask: Callable[[int], ledger.Admission] = lambda tokens: database.transact(  # noqa: E731
        lambda connection: ledger.reserve(
            connection,
            corpus.space,
            payer,
            source="made_up",
            texts=1,
            tokens=tokens,
            dollars=0.12,
            requests_minute=100,
            tokens_minute=1_000,
        )
    )
    first = ask(400)
    assert first.request
    database.transact(
        lambda connection: ledger.settle(connection, first.request or 0, "ok", seconds=1, tokens=600)
    )
    assert column(corpus, "SELECT tokens FROM embedding_usage") == [600]
    refused = ask(300)  # 300 estimated tokens are 450 of the provider's
    assert refused.request is None
    assert refused.wait is not None
    assert 55 < refused.wait <= ledger.WINDOW
    assert ask(250).request


def test_limits_of_one_account_leave_another_alone(settings: Settings, database: Database) -> None:
    keys = [settings.model_copy(update={"voyage_api_key": SecretStr(key)}) for key in ("one", "two")]
    limiters = {open_for_test(key, database).payer.limiter for key in keys}
    assert len(limiters) == 2
    assert not any("one" in limiter or "two" in limiter for limiter in limiters)


@pytest.mark.parametrize("fault", [Fault.unauthorized, Fault.forbidden, Fault.quota])
def test_an_account_that_is_refused_opens_the_breaker_at_once(
    corpus: Corpus, voyage: VoyageServer, fault: Fault
) -> None:
    load(corpus, contracts(2))
    voyage.faults = Always(fault)
    with pytest.raises(AccessError):
        pipeline.embed(corpus, MADE_UP)
    assert len(voyage.log) == 1
    voyage.faults = None
    with pytest.raises(BreakerOpenError, match=r"voyage:\w{6} is open: Voyage AI .*bootstrap breaker reset"):
        pipeline.embed(corpus, MADE_UP)
    assert len(voyage.log) == 1
    with corpus.database.connection() as connection:
        [breaker] = breakers.listing(connection)
        assert breaker.state == "open"
        breakers.close(connection, [breaker.name])
    assert pipeline.embed(corpus, MADE_UP).status == "completed"


def test_after_the_cool_down_one_request_tries_and_closes_the_breaker(
    settings: Settings, database: Database, voyage: VoyageServer
) -> None:
    corpus = small_requests(corpus_with(settings, database, breaker_seconds=0.5), 4)
    load(corpus, contracts(8))
    voyage.faults = Always(Fault.unauthorized)
    with pytest.raises((AccessError, BreakerOpenError)):  # which of four workers speaks first is chance
        pipeline.embed(corpus, MADE_UP)
    asked = len(voyage.log)
    time.sleep(0.6)
    assert states(database) == ["half-open"]
    with pytest.raises(BootstrapError):  # still the wrong key
        pipeline.embed(corpus, MADE_UP)
    assert len(voyage.log) == asked + 1  # one of four workers tried
    time.sleep(0.6)
    voyage.faults = None
    assert pipeline.embed(corpus, MADE_UP).status == "completed"
    assert states(database) == ["closed"]
    assert voyage.texts_paid_twice == 0


def states(database: Database) -> list[str]:
    with database.connection() as connection:
        return [breaker.state for breaker in breakers.listing(connection)]


def test_of_all_processes_one_tries(settings: Settings, database: Database, voyage: VoyageServer) -> None:
    one, two = (corpus_with(settings, database, breaker_seconds=0.2) for _ in range(2))
    load(one, contracts(2))
    load_other(database)

    def deny(_texts: list[str]) -> None:
        time.sleep(0.5)
        raise_status(401)

    voyage.refuse = deny
    with pytest.raises(AccessError):
        pipeline.embed(one, MADE_UP)
    time.sleep(0.3)
    errors = in_parallel(lambda: pipeline.embed(one, MADE_UP), lambda: pipeline.embed(two, OTHER))
    assert {type(error) for error in errors} == {AccessError, BreakerOpenError}
    assert len(voyage.log) == 2


def load_other(database: Database) -> None:
    """The records of the made-up source once more, as another one's, with other texts."""
    with database.connection() as connection:
        connection.execute("INSERT INTO bootstrap_progress (source) VALUES ('other')")
        connection.execute(
            "INSERT INTO reference_texts (content_hash, content, tokens) "
            "SELECT sha256(content_hash), 'other ' || content, tokens FROM reference_texts"
        )
        connection.execute(
            "INSERT INTO reference_records (id, document_id, content_hash, source, source_id, granularity) "
            "SELECT gen_random_uuid(), document_id, sha256(content_hash), 'other', source_id, granularity "
            "FROM reference_records"
        )


@pytest.mark.parametrize("fault", [Fault.rate_limited, Fault.server_error, Fault.bad_request, Fault.nan], ids=str)
def test_a_probe_goes_on_through_what_may_pass(
    settings: Settings, database: Database, voyage: VoyageServer, fault: Fault
) -> None:
    corpus = small_requests(corpus_with(settings, database, breaker_seconds=0.2), 4)
    load(corpus, contracts(8))
    voyage.retry_after = 0
    with database.connection() as connection:
        breakers.trip(connection, corpus.embedder.account, "the key was wrong", cool_down=0.1)
    time.sleep(0.2)
    voyage.faults = [fault]
    assert pipeline.embed(corpus, MADE_UP).status == "completed"
    assert states(database) == ["closed"]
    assert voyage.texts_paid_twice == 0


def test_a_probe_that_brings_nothing_is_free_for_the_next(
    settings: Settings, database: Database, voyage: VoyageServer
) -> None:
    corpus = corpus_with(settings, database, breaker_seconds=0.2)
    load(corpus, contracts(2))
    voyage.faults = [Fault.unauthorized, *[Fault.server_error] * 4]
    with pytest.raises(AccessError):
        pipeline.embed(corpus, MADE_UP)
    time.sleep(0.3)
    with pytest.raises(ProviderError):
        pipeline.embed(corpus, MADE_UP)
    assert states(database) == ["half-open"]
    assert pipeline.embed(corpus, MADE_UP).status == "completed"


def test_too_many_bad_records_open_the_breaker_of_their_source_only(
    settings: Settings, database: Database, voyage: VoyageServer
) -> None:
    corpus = small_requests(corpus_with(settings, database), 10)
    documents = contracts(60)
    load(corpus, documents)
    clauses = [clause for document in documents.values() for clause in document.values()]
    voyage.poison = set(clauses[::4])
    with pytest.raises(BreakerOpenError, match=r"made_up.* \d+ of \d+ records failed"):
        pipeline.embed(corpus, MADE_UP)
    failed, stored = (
        column(corpus, "SELECT count(*) FROM bootstrap_failures")[0],
        column(corpus, "SELECT count(*) FROM VECTORS")[0],
    )
    assert isinstance(failed, int)
    assert isinstance(stored, int)
    assert failed + stored >= 100
    assert 0.10 < failed / (failed + stored) < 0.35
    asked = len(voyage.log)
    with pytest.raises(BreakerOpenError, match="circuit breaker of made_up is open"):
        pipeline.embed(corpus, MADE_UP)
    assert len(voyage.log) == asked
    with database.connection() as connection:
        connection.execute("INSERT INTO bootstrap_progress (source) VALUES ('other')")
    assert pipeline.embed(corpus, OTHER).status == "completed"


def test_fewer_than_a_hundred_records_open_no_breaker(corpus: Corpus, voyage: VoyageServer) -> None:
    documents = contracts(20)
    load(corpus, documents)
    voyage.poison = {clause for document in documents.values() for clause in document.values()}
    filled = pipeline.embed(corpus, MADE_UP)
    assert (filled.errors, filled.embedded_records) == (60, 20)
    assert filled.status == "completed_with_failures"


def test_a_run_stops_before_its_budget_is_passed_and_the_next_goes_on(
    settings: Settings, database: Database, voyage: VoyageServer
) -> None:
    corpus = small_requests(open_for_test(settings, database), 5)
    load(corpus, contracts(20))
    limited = replace(corpus, max_cost=0.00006)
    with pytest.raises(BudgetError, match=r"budget of \$0.0001"):
        pipeline.embed(limited, MADE_UP)
    spent = column(corpus, "SELECT sum(cost_usd)::float FROM embedding_usage")[0]
    assert isinstance(spent, float)
    assert 0 < spent <= 0.00006
    assert column(corpus, "SELECT count(*) FROM VECTORS") == [voyage.texts_paid]
    assert 0 < voyage.texts_paid < 80
    assert column(corpus, "SELECT status FROM bootstrap_progress") == ["pending"]
    assert set(column(corpus, "SELECT stage FROM bootstrap_batches")) <= {"planned", "complete"}
    assert pipeline.embed(corpus, MADE_UP).status == "completed"
    assert voyage.texts_paid == 80
    assert voyage.texts_paid_twice == 0


def test_a_budget_is_kept_though_the_provider_counts_more_than_we_think(
    settings: Settings, database: Database, voyage: VoyageServer
) -> None:
    corpus = small_requests(open_for_test(settings, database), 5)
    load(corpus, contracts(30))
    with database.connection() as connection:
        connection.execute("UPDATE reference_texts SET tokens = ceil(tokens * 0.7)")
        tokens = connection.execute("SELECT avg(tokens)::float FROM reference_texts").fetchone()
    assert tokens
    voyage.latency = 0.3  # four requests are in flight before anything is known
    budget = 3.2 * 5 * tokens[0] / 0.7 * 0.12e-6
    with pytest.raises(BudgetError):
        pipeline.embed(replace(corpus, max_cost=budget), MADE_UP)
    [spent] = column(corpus, "SELECT sum(cost_usd)::float FROM embedding_usage")
    assert isinstance(spent, float)
    assert 0 < spent <= budget


def test_the_budget_is_one_for_all_sources_of_a_run(
    settings: Settings, database: Database, voyage: VoyageServer
) -> None:
    corpus = replace(open_for_test(settings, database), max_cost=0.001)
    load(corpus, contracts(10))
    pipeline.embed(corpus, MADE_UP)
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO embedding_usage (space_id, source, run_id, texts, tokens, cost_usd, seconds, "
            "outcome) VALUES (%s, 'other', %s, 1, 1, 0.00099, 1, 'ok')",
            (corpus.space.id, corpus.run_id),
        )
    load(corpus, contracts(20))
    with pytest.raises(BudgetError):
        pipeline.embed(corpus, MADE_UP)
    assert pipeline.embed(replace(corpus, run_id="another"), MADE_UP).status == "completed"


def test_a_request_without_an_answer_stays_in_the_ledger_as_perhaps_charged(
    corpus: Corpus, voyage: VoyageServer
) -> None:
    load(corpus, contracts(2))
    voyage.faults = [Fault.truncated, Fault.server_error]
    pipeline.embed(corpus, MADE_UP)
    rows = column(corpus, "SELECT outcome || ' ' || (cost_usd > 0) FROM embedding_usage ORDER BY id")
    assert rows == ["no_answer true", "failed false", "ok true"]
    with corpus.database.connection() as connection:
        [row] = ledger.costs(connection)
    assert (row["requests"], row["failed"], row["texts"], row["source"]) == (3, 2, 8, "made_up")
    assert row["dollars"] > 0
    assert row["unsure_dollars"] > 0


def test_a_run_that_is_asked_to_stop_ends_its_waits(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(2))
    voyage.retry_after = 60
    voyage.faults = Always(Fault.rate_limited)
    errors: list[BaseException] = []
    thread = threading.Thread(target=lambda: errors.extend(in_parallel(lambda: pipeline.embed(corpus, MADE_UP))))
    thread.start()
    while not voyage.log:
        time.sleep(0.01)
    corpus.stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert [type(error).__name__ for error in errors] == ["StoppedError"]
    assert column(corpus, "SELECT status FROM bootstrap_progress") == ["pending"]


def test_a_lease_that_is_lost_is_noticed_before_its_texts_are_paid_for(
    settings: Settings, database: Database, voyage: VoyageServer
) -> None:
    one, two = (small_requests(corpus_with(settings, database, embed_workers=1), 4) for _ in range(2))
    load(one, contracts(30))
    voyage.latency = 0.5
    thread = threading.Thread(target=pipeline.embed, args=(one, MADE_UP))
    thread.start()
    while len(voyage.log) < 2:
        time.sleep(0.01)
    with connect(database.url, autocommit=True) as killer:  # now all leases are free for the other one
        killer.execute(
            "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE datname = current_database() "
            "AND EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = a.pid AND locktype = 'advisory')"
        )
    voyage.latency = 0.02
    pipeline.embed(two, MADE_UP)
    thread.join(60)
    assert not thread.is_alive()
    assert column(one, "SELECT count(*) FROM VECTORS") == [120]
    assert voyage.texts_paid_twice <= 4  # what was in flight


def test_a_stop_ends_every_wait(corpus: Corpus, voyage: VoyageServer) -> None:
    stop = Stop()
    voyage.retry_after = 60
    voyage.faults = Always(Fault.rate_limited)
    sender = Sender(
        corpus.database,
        corpus.embedder,
        corpus.space,
        "made_up",
        payer=corpus.payer,
        patience=Patience(),
        stop=stop,
    )
    errors: list[BaseException] = []
    thread = threading.Thread(target=lambda: errors.extend(in_parallel(lambda: sender.send(["one"], 2))))
    thread.start()
    while not voyage.log:
        time.sleep(0.01)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert [type(error).__name__ for error in errors] == ["StoppedError"]
