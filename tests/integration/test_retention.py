"""The ledger answers in work that does not grow with its history, and what is old goes without being missed."""

from collections.abc import Mapping
from typing import Any

import pytest

from bootstrap_assets import pipeline
from bootstrap_assets.database.connection import connect
from bootstrap_assets.embedding import ledger
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.loose_texts import LooseTexts
from bootstrap_assets.embedding.providers.protocol import InputType
from bootstrap_assets.operations import retention
from bootstrap_assets.operations.events import RunFailed
from bootstrap_assets.operations.outbox import emit
from tests.integration.test_fill import column, load
from tests.made_up_source import MADE_UP, contracts

LIMITER = "voyage:test/model"

HISTORY = """
INSERT INTO embedding_usage (space_id, source, run_id, limiter, texts, estimated, tokens, cost_usd, seconds,
                             outcome, created_at)
SELECT %(space)s, 'made_up', 'run', %(limiter)s, 10, 1000, 1000, 0.0001, 0.5, %(outcome)s,
       now() - make_interval(days => %(days)s) - make_interval(secs => %(rows)s - n)
FROM generate_series(1, %(rows)s) n
"""

RESERVE = """
SELECT * FROM embedding_reserve(
    %(limiter)s, %(space)s, 'made_up', 'run', 1, 100, 0.12, 2000, 3000000, 61, %(budget)s)
"""


def remember(corpus: Corpus, rows: int, *, outcome: str = "ok", days: int = 1) -> None:
    """A ledger of so many requests, one a second, the last so many days ago."""
    named = {"space": corpus.space.id, "limiter": LIMITER, "rows": rows, "outcome": outcome, "days": days}
    execute(corpus, HISTORY, named)


def execute(corpus: Corpus, query: str, named: Mapping[str, object] | None = None) -> None:
    with corpus.database.connection() as connection:
        connection.execute(query, named)  # type: ignore[call-overload]


def pages_read(corpus: Corpus, query: str, named: Mapping[str, object]) -> int:
    """Pages that a statement looks at, with all that its functions do and what planning that takes."""
    explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}"
    with connect(corpus.database.url) as connection:
        row = connection.execute(explained, named).fetchone()  # type: ignore[call-overload]
    assert row
    plan: dict[str, Any] = row[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


@pytest.mark.parametrize("outcome", ["ok", "rate_limited"])
def test_the_rate_limiter_reads_as_little_of_a_long_history_as_of_a_short_one(
    corpus: Corpus, outcome: str
) -> None:
    named = {"limiter": LIMITER, "space": corpus.space.id, "budget": None}
    remember(corpus, 100)
    few = pages_read(corpus, RESERVE, named)
    remember(corpus, 50_000, outcome=outcome)
    assert pages_read(corpus, RESERVE, named) < few + 150


def test_a_run_s_budget_is_counted_on_from_where_it_was(corpus: Corpus) -> None:
    named = {"limiter": LIMITER, "space": corpus.space.id, "budget": 1e6}
    remember(corpus, 100)
    few = pages_read(corpus, RESERVE, named)
    remember(corpus, 50_000)
    assert pages_read(corpus, RESERVE, named) > few + 500  # once all has to be added up
    assert pages_read(corpus, RESERVE, named) < few + 150


def test_a_budget_that_is_counted_on_is_the_sum_of_the_ledger(corpus: Corpus) -> None:
    payer = ledger.Payer(LIMITER, "run", 1e6)
    remember(corpus, 500)
    for _ in range(3):
        corpus.database.transact(
            lambda connection: ledger.reserve(
                connection,
                corpus.space,
                payer,
                source="made_up",
                texts=1,
                tokens=100,
                dollars=0.12,
                requests_minute=None,
                tokens_minute=None,
            )
        )
    named = {"limiter": LIMITER, "space": corpus.space.id, "budget": 0}
    [whole] = column(corpus, "SELECT sum(cost_usd)::float FROM embedding_usage WHERE run_id = 'run'")
    with corpus.database.connection() as connection:
        row = connection.execute(RESERVE, named).fetchone()
    assert row
    assert row[2] == pytest.approx(whole)
    # What is in flight may still be settled: it is not in the sum that is carried on.
    remember(corpus, 250)
    named |= {"budget": 1e6}
    for _ in range(2):
        execute(corpus, RESERVE, named)
        execute(corpus, "UPDATE embedding_usage SET outcome = 'ok', cost_usd = 0.5 WHERE outcome = 'in_flight'")
    [whole] = column(corpus, "SELECT sum(cost_usd)::float FROM embedding_usage WHERE run_id = 'run'")
    with corpus.database.connection() as connection:
        row = connection.execute(RESERVE, named | {"budget": 0}).fetchone()
    assert row
    assert row[2] == pytest.approx(whole)


def test_costs_are_the_same_after_the_ledger_is_pruned(corpus: Corpus) -> None:
    for outcome in ("ok", "rate_limited", "failed", "in_flight", "no_answer"):
        remember(corpus, 7, outcome=outcome, days=retention.KEEP_DAYS + 1)
        remember(corpus, 3, outcome=outcome, days=1)
    execute(corpus, "UPDATE embedding_usage SET source = NULL WHERE id % 3 = 0")
    before = corpus.database.transact(ledger.costs)
    assert retention.prune(corpus.database) == 35
    assert column(corpus, "SELECT count(*) FROM embedding_usage") == [15]
    assert corpus.database.transact(ledger.costs) == before
    remember(corpus, 2, days=retention.KEEP_DAYS + 1)  # of a day that has sums already
    before = corpus.database.transact(ledger.costs)
    assert retention.prune(corpus.database) == 2
    assert corpus.database.transact(ledger.costs) == before


def test_what_is_old_is_pruned_once_per_run_and_nothing_else(corpus: Corpus) -> None:
    load(corpus, contracts(2))
    pipeline.embed(corpus, MADE_UP)
    old = f"now() - interval '{retention.KEEP_DAYS + 1} days'"
    with corpus.database.connection() as connection:
        emit(connection, RunFailed(run_id="old", job="bootstrap", message=""))
        connection.execute(f"UPDATE bootstrap_events SET created_at = {old} WHERE payload ->> 'run_id' = 'old'")
        for status, finished in (("completed", old), ("failed", "now()"), ("requested", "NULL")):
            connection.execute(
                "INSERT INTO bootstrap_requests (key, sources, status, finished_at, requested_at) "
                f"VALUES (%s, '{{}}', %s, {finished}, {old})",
                (status, status),
            )
        for place, resolved in (("old", old), ("new", "now()"), ("open", "NULL")):
            connection.execute(
                "INSERT INTO bootstrap_failures (source, stage, class, message, place, resolved_at, first_seen) "
                f"VALUES ('made_up', 'parse', 'X', '', %s, {resolved}, {old})",
                (place,),
            )
    events = column(
        corpus, "SELECT count(*) FROM bootstrap_events WHERE payload ->> 'run_id' IS DISTINCT FROM 'old'"
    )
    pipeline.build_index(corpus)
    assert column(corpus, "SELECT place FROM bootstrap_failures ORDER BY 1") == ["new", "open"]
    assert column(corpus, "SELECT status FROM bootstrap_requests ORDER BY 1") == ["failed", "requested"]
    kept = column(
        corpus, "SELECT count(*) FROM bootstrap_events WHERE payload ->> 'run_id' IS DISTINCT FROM 'old'"
    )
    assert kept[0] >= events[0]
    assert column(corpus, "SELECT count(*) FROM bootstrap_events WHERE payload ->> 'run_id' = 'old'") == [0]


def test_vectors_that_evaluations_still_use_are_kept(corpus: Corpus) -> None:
    row = "SELECT %(space)s, 'query', sha256(%(text)s::bytea), '[1,2]', now() - interval '1 year'"
    for text in ("used", "unused"):
        named = {"space": corpus.space.id, "text": text}
        execute(
            corpus,
            f"INSERT INTO evaluation_vectors (space_id, input_type, content_hash, embedding, used_at) {row}",
            named,
        )
    assert LooseTexts(corpus, "evaluate", InputType.QUERY).embed(["used"]) == 0
    retention.prune(corpus.database)
    assert column(corpus, "SELECT content_hash = sha256('used') FROM evaluation_vectors") == [True]


def test_pruning_waits_for_nobody(corpus: Corpus) -> None:
    remember(corpus, 10, days=retention.KEEP_DAYS + 1)
    with connect(corpus.database.url) as other:
        other.execute("SELECT id FROM embedding_usage ORDER BY id LIMIT 4 FOR UPDATE")
        assert retention.prune(corpus.database) == 6
        other.rollback()
        other.execute("SELECT pg_advisory_xact_lock(%s)", (retention._LOCK,))  # another process prunes
        assert retention.prune(corpus.database) == 0
        other.rollback()
    assert retention.prune(corpus.database) == 4


def test_pruning_goes_on_where_its_time_was_up(corpus: Corpus) -> None:
    remember(corpus, retention.BATCH + 10, days=retention.KEEP_DAYS + 1)
    assert retention.prune(corpus.database, patience=0) == 0
    assert retention.prune(corpus.database) == retention.BATCH + 10
