-- Events and requests.

-- name: add_event
INSERT INTO bootstrap_events (name, payload) VALUES (%(name)s, %(payload)s) RETURNING id

-- name: list_events
SELECT id, name, payload, created_at FROM (
    SELECT * FROM bootstrap_events
    WHERE id > %(after)s AND (%(names)s::text[] IS NULL OR name = ANY(%(names)s))
    ORDER BY id DESC LIMIT %(limit)s) newest
ORDER BY id

-- name: add_request
INSERT INTO bootstrap_requests (key, sources, force_refresh, priority, requested_by)
VALUES (%(key)s, %(sources)s, %(force_refresh)s, %(priority)s, %(requested_by)s)
ON CONFLICT (key) WHERE status IN ('requested', 'running') DO NOTHING RETURNING id

-- name: under_way
SELECT id FROM bootstrap_requests WHERE key = %(key)s AND status IN ('requested', 'running')

-- name: hasten_request
UPDATE bootstrap_requests SET priority = greatest(priority, %(priority)s) WHERE id = %(id)s AND status = 'requested'

-- name: requests
SELECT id, key, sources, force_refresh, priority, requested_by, status, attempt, cancelled, run_id, message,
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

-- name: embedded_since
SELECT coalesce(sum((payload->>'embedded_records')::bigint), 0)::bigint FROM bootstrap_events
WHERE name = 'bootstrap/source.completed' AND created_at >= %(since)s
    AND (payload->>'source' = ANY(%(sources)s) OR %(sources)s::text[] = '{}')
