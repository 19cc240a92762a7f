"""What is told of work in progress: owner, stages with times, a sign of life, and nothing after the end."""

import threading
import time
from dataclasses import replace
from datetime import datetime

import pytest

from bootstrap_assets import pipeline
from bootstrap_assets.database.connection import connect
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.fill import BatchDone
from bootstrap_assets.embedding.leases import leasing
from bootstrap_assets.embedding.status import describe_corpus
from bootstrap_assets.errors import ProviderError
from bootstrap_assets.operations import progress
from tests.fakes.voyage_server import Always, Fault, VoyageServer
from tests.integration.test_fill import column, load
from tests.made_up_source import MADE_UP, contracts


def often(corpus: Corpus) -> Corpus:
    return replace(corpus, settings=corpus.settings.model_copy(update={"heartbeat_seconds": 0.05}))


@pytest.mark.parametrize(
    ("stage", "minutes", "stale"),
    [
        ("embedding", 29, False),
        ("embedding", 31, True),
        ("stored", 31, True),
        ("in_progress", 31, True),
        ("complete", 31, False),
        ("planned", 31, False),
        ("embedding", None, True),
    ],
)
def test_thirty_minutes_without_a_sign_are_stale(
    corpus: Corpus, stage: str, minutes: int | None, stale: bool
) -> None:
    with corpus.database.connection() as connection:
        row = connection.execute(
            "SELECT bootstrap_is_stale(%s, t - make_interval(mins => %s), t) FROM (SELECT now() AS t) now",
            (stage, minutes),
        ).fetchone()
    assert row == (stale,)


def test_stale_work_is_shown_in_the_status(corpus: Corpus, voyage: VoyageServer) -> None:
    load(corpus, contracts(20))
    pipeline.embed(corpus, MADE_UP)
    with corpus.database.connection() as connection:
        connection.execute(
            "UPDATE bootstrap_batches SET stage = 'embedding', heartbeat_at = now() - interval '31 minutes' "
            "WHERE batch < 3"
        )
        connection.execute("UPDATE bootstrap_progress SET heartbeat_at = now() - interval '31 minutes'")
        told = describe_corpus(connection)["sources"]["made_up"]
        assert told["batches"]["stale"] == 3
        assert not told["stale"]
        connection.execute("UPDATE bootstrap_progress SET status = 'in_progress'")
        assert describe_corpus(connection)["sources"]["made_up"]["stale"]


def test_stale_batches_are_found_by_an_index(corpus: Corpus) -> None:
    with corpus.database.connection() as connection:
        connection.execute("SET LOCAL enable_seqscan = off")
        plan = connection.execute(
            "EXPLAIN SELECT 1 FROM bootstrap_batches WHERE stage IN ('embedding', 'embedded', 'stored') "
            "AND heartbeat_at < now() - interval '30 minutes'"
        ).fetchall()
    assert "bootstrap_batches_at_work" in str(plan)


def test_the_heart_beats_through_a_long_wait_for_the_provider_and_stops_with_the_work(
    corpus: Corpus, voyage: VoyageServer
) -> None:
    corpus = often(corpus)
    load(corpus, contracts(20))
    voyage.latency = 1.0
    beats: set[object] = set()
    sources: set[object] = set()
    owners: set[object] = set()
    thread = threading.Thread(target=pipeline.embed, args=(corpus, MADE_UP))
    thread.start()
    while thread.is_alive():
        beats.update(column(corpus, "SELECT max(heartbeat_at) FROM bootstrap_batches WHERE stage = 'embedding'"))
        sources.update(column(corpus, "SELECT heartbeat_at FROM bootstrap_progress"))
        owners.update(column(corpus, "SELECT lease_owner FROM bootstrap_batches WHERE stage = 'embedding'"))
        time.sleep(0.02)
    thread.join()
    assert len(beats - {None}) >= 5
    assert len(sources) >= 5
    assert owners == {progress.owner()}
    after = column(corpus, "SELECT max(heartbeat_at) FROM bootstrap_batches")
    time.sleep(0.3)
    assert column(corpus, "SELECT max(heartbeat_at) FROM bootstrap_batches") == after
    assert not [one for one in threading.enumerate() if one.name.startswith("heartbeat")]


def test_the_heart_stops_with_work_that_failed_too(corpus: Corpus, voyage: VoyageServer) -> None:
    corpus = often(corpus)
    load(corpus, contracts(2))
    voyage.faults = Always(Fault.server_error)
    with pytest.raises(ProviderError):
        pipeline.embed(corpus, MADE_UP)
    assert not [one for one in threading.enumerate() if one.name.startswith("heartbeat")]
    assert column(corpus, "SELECT lease_owner FROM bootstrap_batches WHERE lease_owner IS NOT NULL") == []


def test_a_batch_goes_through_its_stages_in_order_and_bears_its_share_of_the_cost(
    corpus: Corpus, voyage: VoyageServer
) -> None:
    corpus.embedder._model = replace(corpus.embedder.model, request_texts=15)  # type: ignore[attr-defined]
    load(corpus, contracts(20))
    filled = pipeline.embed(corpus, MADE_UP)
    with corpus.database.connection() as connection:
        rows = connection.execute(
            "SELECT stage_timestamps, attempts, tokens, cost_usd::float FROM bootstrap_batches"
        ).fetchall()
    for stamps, attempts, tokens, _ in rows:
        assert set(stamps) == {"planned", "embedding", "embedded", "stored", "complete"}
        times = [datetime.fromisoformat(stamps[stage]) for stage in ("planned", "embedding", "stored", "complete")]
        assert times == sorted(times)
        assert times[1] <= datetime.fromisoformat(stamps["embedded"])
        assert attempts == 1
        assert tokens > 0
    assert abs(sum(row[2] for row in rows) - filled.tokens) <= len(rows)
    assert sum(row[3] for row in rows) == pytest.approx(filled.cost, rel=0.05, abs=1e-5)


def test_an_interrupt_keeps_what_is_in_flight_and_gives_everything_back(
    corpus: Corpus, voyage: VoyageServer
) -> None:
    corpus.embedder._model = replace(corpus.embedder.model, request_texts=5)  # type: ignore[attr-defined]
    load(corpus, contracts(40))
    voyage.latency = 0.1

    def interrupt(_done: BatchDone) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.embed(corpus, MADE_UP, on_batch=interrupt)
    assert 0 < voyage.texts_paid < 160
    assert column(corpus, "SELECT count(*) FROM VECTORS") == [voyage.texts_paid]
    assert column(corpus, "SELECT status || ': ' || message FROM bootstrap_progress") == ["pending: stopped"]
    assert set(column(corpus, "SELECT stage FROM bootstrap_batches")) <= {"planned", "complete"}
    with leasing(corpus.database, corpus.space.id) as leases:
        assert len(leases.acquire(range(256))) == 256
    pipeline.embed(corpus, MADE_UP)
    assert voyage.texts_paid == 160
    assert voyage.texts_paid_twice == 0


def test_leases_outlive_the_connection_they_were_taken_on(corpus: Corpus) -> None:
    with leasing(corpus.database, corpus.space.id) as leases:
        assert leases.acquire([1, 2, 3]) == [1, 2, 3]
        leases.release([3])
        with connect(corpus.database.url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (leases._connection.info.backend_pid,))
        assert leases.acquire([4]) == [4]
        with leasing(corpus.database, corpus.space.id) as rival:
            assert rival.acquire([1, 2, 3, 4]) == [3]
