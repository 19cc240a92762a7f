-- ----------------------------------------------------------------------------------------------------
-- Events and requests.

-- name: add_event
INSERT INTO bootstrap_events (name, payload) VALUES (%(name)s, %(payload)s) RETURNING id

-- name: list_events
SELECT id, name, payload, created_at FROM (
    SELECT * FROM bootstrap_events
    WHERE id > %(after)s AND (%(names)s::text[] IS NULL OR name = ANY(%(names)s))
    ORDER BY id DESC LIMIT %(limit)s) newest
ORDER BY id

-- name: record_completion
INSERT INTO bootstrap_completions (name, version, run_id) VALUES (%(name)s, %(version)s, %(run_id)s)
ON CONFLICT (name) DO UPDATE SET version = excluded.version, run_id = excluded.run_id, completed_at = now()

-- name: completions
SELECT name, version FROM bootstrap_completions WHERE run_id IN (SELECT run_id FROM {runs})

-- name: is_table
SELECT to_regclass(%(name)s) IS NOT NULL

-- name: add_request
INSERT INTO bootstrap_requests (key, sources, tenant, force_refresh, priority, requested_by)
VALUES (%(key)s, %(sources)s, %(tenant)s, %(force_refresh)s, %(priority)s, %(requested_by)s)
ON CONFLICT (key) WHERE status IN ('requested', 'running') DO NOTHING RETURNING id

-- name: under_way
SELECT id FROM bootstrap_requests WHERE key = %(key)s AND status IN ('requested', 'running')

-- name: hasten_request
UPDATE bootstrap_requests SET priority = greatest(priority, %(priority)s) WHERE id = %(id)s AND status = 'requested'

-- name: requests
SELECT id, key, sources, tenant, force_refresh, priority, requested_by, status, attempt, cancelled, run_id, message,
       requested_at, started_at, finished_at
FROM bootstrap_requests
WHERE (%(id)s::bigint IS NULL OR id = %(id)s) AND (%(statuses)s::text[] IS NULL OR status = ANY(%(statuses)s))
ORDER BY priority DESC, id

-- name: cancel_request
UPDATE bootstrap_requests SET
    cancelled = true, status = CASE WHEN status = 'requested' THEN 'cancelled' ELSE status END,
    finished_at = CASE WHEN status = 'requested' THEN now() END
WHERE id = %(id)s AND status IN ('requested', 'running') AND NOT cancelled RETURNING status

-- name: resume_request
UPDATE bootstrap_requests SET
    status = 'requested', cancelled = false, attempt = attempt + 1, run_id = NULL, message = NULL,
    started_at = NULL, finished_at = NULL
WHERE id = %(id)s AND status IN ('failed', 'cancelled') RETURNING id

-- name: start_request
UPDATE bootstrap_requests SET status = 'running', run_id = %(run)s, started_at = coalesce(started_at, now())
WHERE id = %(id)s AND status IN ('requested', 'running')

-- name: end_request
UPDATE bootstrap_requests SET status = %(status)s, message = %(message)s, finished_at = now()
WHERE id = %(id)s AND status IN ('requested', 'running')
RETURNING sources, (extract(epoch FROM now() - coalesce(started_at, requested_at)) * 1000)::bigint

-- name: is_cancelled
SELECT cancelled OR attempt <> coalesce(%(attempt)s::int, attempt) FROM bootstrap_requests WHERE id = %(id)s

-- name: source_totals
SELECT coalesce(sum(total_records), 0)::bigint, coalesce(sum(embedded_records), 0)::bigint,
       coalesce(sum(error_count), 0)::bigint, coalesce(bool_or(status = 'completed_with_failures'), false)
FROM bootstrap_progress WHERE source = ANY(%(sources)s) OR %(sources)s::text[] = '{}'

-- name: tenant_totals
-- What is there of a tenant's documents, and passages of documents that were embedded since.
SELECT coalesce(sum(passages), 0)::bigint,
       coalesce(sum(passages) FILTER (WHERE completed_stages ? 'embedded'), 0)::bigint,
       count(*) FILTER (WHERE stage = 'failed'), count(*) FILTER (WHERE stage = 'failed') > 0,
       coalesce(sum(passages) FILTER (
           WHERE (completed_stages -> 'embedded' ->> 'at')::timestamptz >= %(since)s), 0)::bigint
FROM document_states WHERE tenant_id = %(tenant)s

-- ----------------------------------------------------------------------------------------------------
-- bootstrap_progress and bootstrap_batches: how the work goes on. What is left to do is never read from here, but
-- from the vectors themselves.

-- name: begin_source
INSERT INTO bootstrap_progress (source, status, started_at, heartbeat_at)
VALUES (%(source)s, 'in_progress', now(), now())
ON CONFLICT (source) DO UPDATE SET
    status = 'in_progress', message = NULL,
    processed_records = CASE WHEN %(afresh)s THEN 0 ELSE bootstrap_progress.processed_records END,
    heartbeat_at = now(), completed_at = NULL, updated_at = now(),
    -- The stage before this one, of the same run, ended a moment ago: the time goes on.
    started_at = CASE WHEN NOT %(afresh)s AND bootstrap_progress.status NOT IN ('in_progress', 'failed')
                           AND bootstrap_progress.completed_at IS NULL
                           AND bootstrap_progress.heartbeat_at > now() - interval '1 minute'
                      THEN bootstrap_progress.started_at ELSE now() END

-- name: parsed_so_far
UPDATE bootstrap_progress SET processed_records = %(records)s, heartbeat_at = now(), updated_at = now()
WHERE source = %(source)s

-- name: loaded_source
UPDATE bootstrap_progress SET
    fingerprint = %(fingerprint)s, total_records = %(records)s, processed_records = %(records)s,
    parsed_records = %(parsed)s, parsed_digest = %(digest)s,
    embedded_records = 0, heartbeat_at = now(), updated_at = now()
WHERE source = %(source)s

-- name: documents_loaded
-- By the difference. A source that held nothing before was filled by documents, whatever archives may give later.
INSERT INTO bootstrap_progress AS p (source, fingerprint, total_records, processed_records, parsed_records, parsed_digest)
VALUES (%(source)s, 'documents', %(records)s, %(records)s, %(parsed)s, %(digest)s)
ON CONFLICT (source) DO UPDATE SET
    total_records = p.total_records + EXCLUDED.total_records,
    processed_records = p.total_records + EXCLUDED.total_records,
    parsed_records = coalesce(p.parsed_records, p.total_records) + EXCLUDED.parsed_records,
    parsed_digest = CASE WHEN p.fingerprint IS NULL AND p.total_records = 0 THEN coalesce(p.parsed_digest, 0)
                         ELSE p.parsed_digest END # EXCLUDED.parsed_digest,
    fingerprint = CASE WHEN p.total_records = 0 THEN coalesce(p.fingerprint, 'documents') ELSE p.fingerprint END,
    status = CASE WHEN %(changed)s AND p.status LIKE 'completed%%' THEN 'pending' ELSE p.status END,
    completed_at = CASE WHEN %(changed)s THEN NULL ELSE p.completed_at END,
    updated_at = now()

-- name: beat
WITH source AS (
    UPDATE bootstrap_progress SET heartbeat_at = now() WHERE source = %(source)s AND status = 'in_progress'
)
UPDATE bootstrap_batches SET heartbeat_at = now() WHERE source = %(source)s AND batch IN (
    SELECT batch FROM bootstrap_batches
    WHERE source = %(source)s AND lease_owner = %(owner)s AND stage IN ('embedding', 'embedded', 'stored')
    ORDER BY batch FOR UPDATE)

-- name: finish_source
UPDATE bootstrap_progress SET
    status = %(status)s, message = %(message)s, heartbeat_at = now(), updated_at = now(),
    completed_at = CASE WHEN %(ended)s AND %(status)s IN ('completed', 'completed_with_failures') THEN now() END
WHERE source = %(source)s RETURNING processed_records, embedded_records, error_count,
    EXISTS (SELECT 1 FROM reference_documents d WHERE d.source = %(source)s AND d.metadata @> '{"invented": true}')

-- name: unfinished_sources
-- Without those at work: their heartbeat is only a few beats old. And without those that were stopped on
-- purpose, by a budget, a signal or a cancelled request: a pending source with a message, or one that nothing was
-- done for since the request was cancelled.
SELECT p.source, p.fingerprint, incomplete.batches
FROM bootstrap_progress p CROSS JOIN LATERAL (
    SELECT count(*) AS batches FROM bootstrap_batches b WHERE b.source = p.source AND b.stage <> 'complete'
) incomplete
WHERE coalesce(p.heartbeat_at, '-infinity') < now() - interval '2 minutes'
  AND (p.status = 'failed' OR bootstrap_is_stale(p.status, p.heartbeat_at)
       OR p.status = 'pending' AND p.message IS NULL AND incomplete.batches > 0)
  AND NOT EXISTS (
      SELECT 1 FROM bootstrap_requests r
      WHERE r.status = 'cancelled' AND r.tenant IS NULL AND (p.source = ANY(r.sources) OR r.sources = '{}')
        AND r.finished_at >= p.updated_at)
ORDER BY p.source

-- ----------------------------------------------------------------------------------------------------
-- What is old is deleted, a batch at a time. Rows that are locked are left for another time.

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

-- name: embedded_since
SELECT coalesce(sum((payload->>'embedded_records')::bigint), 0)::bigint FROM bootstrap_events
WHERE name = 'bootstrap/source.completed' AND created_at >= %(since)s
    AND (payload->>'source' = ANY(%(sources)s) OR %(sources)s::text[] = '{}')
