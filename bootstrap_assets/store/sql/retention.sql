-- What is old goes, a batch at a time. Rows that somebody holds are left for another time.

-- name: try_pruning
SELECT pg_try_advisory_xact_lock(%(key)s)

-- name: prune_usage
-- Ids grow with time, so only the first are looked at. Their sums stay.
WITH gone AS (
    DELETE FROM embedding_usage WHERE id IN (
        SELECT first.id FROM (
            SELECT id, created_at FROM embedding_usage ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED) first
        WHERE first.created_at < now() - make_interval(days => %(days)s))
    RETURNING *
), summed AS (
    INSERT INTO embedding_usage_daily AS d
        (day, space_id, source, requests, failed, limited, unanswered, texts, tokens, dollars, unsure_dollars)
    SELECT (created_at AT TIME ZONE 'UTC')::date, space_id, source, count(*),
           count(*) FILTER (WHERE outcome NOT IN ('ok', 'in_flight', 'rate_limited')),
           count(*) FILTER (WHERE outcome = 'rate_limited'), count(*) FILTER (WHERE outcome = 'in_flight'),
           coalesce(sum(texts) FILTER (WHERE outcome = 'ok'), 0),
           coalesce(sum(tokens) FILTER (WHERE outcome = 'ok'), 0),
           coalesce(sum(cost_usd) FILTER (WHERE outcome = 'ok'), 0),
           coalesce(sum(cost_usd) FILTER (WHERE outcome <> 'ok'), 0)
    FROM gone GROUP BY 1, 2, 3
    ON CONFLICT (day, space_id, source) DO UPDATE SET
        requests = d.requests + EXCLUDED.requests, failed = d.failed + EXCLUDED.failed,
        limited = d.limited + EXCLUDED.limited, unanswered = d.unanswered + EXCLUDED.unanswered,
        texts = d.texts + EXCLUDED.texts, tokens = d.tokens + EXCLUDED.tokens,
        dollars = d.dollars + EXCLUDED.dollars, unsure_dollars = d.unsure_dollars + EXCLUDED.unsure_dollars
)
SELECT count(*) FROM gone

-- name: prune_budgets
WITH gone AS (
    DELETE FROM embedding_budgets WHERE run_id IN (
        SELECT run_id FROM embedding_budgets WHERE counted_at < now() - make_interval(days => %(days)s)
        LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: prune_events
WITH gone AS (
    DELETE FROM bootstrap_events WHERE id IN (
        SELECT first.id FROM (
            SELECT id, created_at FROM bootstrap_events ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED) first
        WHERE first.created_at < now() - make_interval(days => %(days)s))
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: prune_failures
WITH gone AS (
    DELETE FROM bootstrap_failures WHERE id IN (
        SELECT id FROM bootstrap_failures WHERE resolved_at < now() - make_interval(days => %(days)s)
        LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: prune_requests
WITH gone AS (
    DELETE FROM bootstrap_requests WHERE id IN (
        SELECT id FROM bootstrap_requests
        WHERE status NOT IN ('requested', 'running') AND finished_at < now() - make_interval(days => %(days)s)
        LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: prune_evaluation_vectors
WITH gone AS (
    DELETE FROM evaluation_vectors WHERE (space_id, input_type, content_hash) IN (
        SELECT space_id, input_type, content_hash FROM evaluation_vectors
        WHERE used_at < now() - make_interval(days => %(days)s)
        LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING 1
)
SELECT count(*) FROM gone
