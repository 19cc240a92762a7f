-- bootstrap_progress and bootstrap_batches: what is told while the work goes on. What is left to do is never
-- read from here, but asked of the vectors themselves.

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

-- name: count_embedded
UPDATE bootstrap_progress p SET
    embedded_records = (SELECT count(*) FROM reference_records r JOIN {vectors} v USING (content_hash)
                        WHERE r.source = p.source),
    error_count = (SELECT count(*) FROM bootstrap_failures f
                   WHERE f.source = p.source AND f.resolved_at IS NULL AND f.ignored_at IS NULL
                     AND (f.stage = 'parse' OR f.space_id = %(space)s AND f.source_id IS NOT NULL)),
    heartbeat_at = now(), updated_at = now()
WHERE source = %(source)s
RETURNING total_records, embedded_records, error_count, (
    SELECT count(*) FROM reference_records r WHERE r.source = p.source
      AND NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = r.content_hash)
      AND NOT EXISTS (SELECT 1 FROM bootstrap_failures f WHERE f.content_hash = r.content_hash
                      AND f.space_id = %(space)s AND f.source = p.source AND f.resolved_at IS NULL))

-- name: advance_source
WITH stored AS (
    SELECT count(*) AS records FROM reference_records WHERE source = %(source)s AND content_hash = ANY(%(hashes)s)
)
UPDATE bootstrap_progress SET
    embedded_records = embedded_records + stored.records,
    last_processed_hash = %(last)s, last_batch_index = %(batch)s, heartbeat_at = now(), updated_at = now()
FROM stored WHERE source = %(source)s RETURNING stored.records, embedded_records, total_records

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

-- name: plan_batches
WITH planned AS (
    SELECT *, CASE WHEN missing = 0 THEN 'complete' ELSE 'planned' END AS stage
    FROM unnest(%(batches)s::int[], %(texts)s::int[], %(missing)s::int[], %(failed)s::int[])
        AS p (batch, texts, missing, failed)
), gone AS (
    DELETE FROM bootstrap_batches b WHERE b.source = %(source)s
        AND (b.batch >= %(count)s
             OR b.batch = ANY(%(requested)s) AND NOT EXISTS (SELECT 1 FROM planned p WHERE p.batch = b.batch))
)
INSERT INTO bootstrap_batches AS b (source, batch, stage, texts, embedded, failed, stage_timestamps)
SELECT %(source)s, batch, stage, texts, texts - missing - failed, failed, jsonb_build_object(stage, now())
FROM planned ORDER BY batch
ON CONFLICT (source, batch) DO UPDATE SET
    -- Another process is at work on it: the stage is for that one to tell.
    stage = CASE WHEN EXCLUDED.stage = 'planned' AND b.lease_owner <> %(owner)s
                      AND b.heartbeat_at > now() - interval '2 minutes' THEN b.stage ELSE EXCLUDED.stage END,
    texts = EXCLUDED.texts, embedded = EXCLUDED.embedded, failed = EXCLUDED.failed,
    stage_timestamps = b.stage_timestamps || EXCLUDED.stage_timestamps, last_error = NULL
WHERE (b.stage, b.texts, b.embedded, b.failed)
    IS DISTINCT FROM (EXCLUDED.stage, EXCLUDED.texts, EXCLUDED.embedded, EXCLUDED.failed)

-- name: enter_stage
UPDATE bootstrap_batches SET
    stage = %(stage)s, heartbeat_at = now(), lease_owner = %(owner)s, last_error = %(error)s,
    stage_timestamps = stage_timestamps || jsonb_build_object(%(stage)s::text, now()),
    attempts = attempts + (%(stage)s = 'embedding')::int
WHERE source = %(source)s AND batch IN (
    SELECT batch FROM bootstrap_batches WHERE source = %(source)s AND batch = ANY(%(batches)s)
      AND (%(last_owner)s::text IS NULL OR lease_owner = %(last_owner)s)
    ORDER BY batch FOR UPDATE)  -- in order, as plan_batches writes them: two processes must not deadlock

-- name: batches_stored
-- Every text of these has its vector, or is a dead letter. The last answer came at `embedded_at`.
WITH done AS (
    SELECT * FROM unnest(%(batches)s::int[], %(tokens)s::bigint[], %(costs)s::numeric[],
                         %(answered)s::timestamptz[]) AS d (batch, tokens, cost, embedded_at)
), locked AS (
    SELECT batch FROM bootstrap_batches JOIN done USING (batch) WHERE source = %(source)s
    ORDER BY batch FOR UPDATE OF bootstrap_batches
)
UPDATE bootstrap_batches b SET
    stage = 'stored', heartbeat_at = now(), embedded = b.texts - b.failed,
    tokens = b.tokens + d.tokens, cost_usd = b.cost_usd + d.cost,
    stage_timestamps = b.stage_timestamps
        || jsonb_build_object('embedded', coalesce(d.embedded_at, now()), 'stored', now())
FROM done d JOIN locked USING (batch) WHERE b.source = %(source)s AND b.batch = d.batch

-- name: source_status
SELECT p.source,
       CASE WHEN p.status IN ('completed', 'completed_with_failures')
            THEN CASE WHEN e.errors = 0 THEN 'completed' ELSE 'completed_with_failures' END ELSE p.status END,
       p.message,
       (SELECT count(*) FROM reference_documents d WHERE d.source = p.source),
       p.total_records, p.processed_records,
       (SELECT count(*) FROM reference_records r JOIN {vectors} v USING (content_hash) WHERE r.source = p.source),
       e.errors,
       (SELECT coalesce(jsonb_object_agg(g.granularity, g.records), '{{}}') FROM (
            SELECT granularity, count(*) AS records FROM reference_records r
            WHERE r.source = p.source GROUP BY granularity) g),
       (SELECT jsonb_build_object('total', count(*), 'complete', count(*) FILTER (WHERE stage = 'complete'),
                                  'failed', count(*) FILTER (WHERE stage = 'failed'),
                                  'stale', count(*) FILTER (WHERE bootstrap_is_stale(stage, b.heartbeat_at)))
        FROM bootstrap_batches b WHERE b.source = p.source),
       (SELECT coalesce(jsonb_object_agg(f.kind, f.findings), '{{}}') FROM (
            SELECT kind, count(*) AS findings FROM bootstrap_findings f
            WHERE f.source = p.source GROUP BY kind) f),
       extract(epoch FROM coalesce(p.completed_at, p.heartbeat_at) - p.started_at),
       bootstrap_is_stale(p.status, p.heartbeat_at), extract(epoch FROM now() - p.heartbeat_at)
FROM bootstrap_progress p CROSS JOIN LATERAL (
    SELECT count(*) AS errors FROM bootstrap_failures f
    WHERE f.source = p.source AND f.resolved_at IS NULL AND f.ignored_at IS NULL
      AND (f.stage = 'parse' OR f.space_id = %(space)s AND f.source_id IS NOT NULL)
) e ORDER BY p.source

-- name: count_texts
-- Without the passages that only stand by for a model too small for the whole text.
SELECT count(DISTINCT content_hash) FROM reference_records

-- name: unfinished_sources
-- Without those at work: their heartbeat is younger than some of its beats. And without those that were stopped on
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
      WHERE r.status = 'cancelled' AND (p.source = ANY(r.sources) OR r.sources = '{}')
        AND r.finished_at >= p.updated_at)
ORDER BY p.source

-- name: batching
SELECT batches FROM bootstrap_batching

-- name: keep_batching
INSERT INTO bootstrap_batching (batches) VALUES (%(batches)s) ON CONFLICT (one) DO NOTHING

-- name: divide_batching
INSERT INTO bootstrap_batching (batches) VALUES (%(batches)s)
ON CONFLICT (one) DO UPDATE SET batches = EXCLUDED.batches

-- name: forget_batches
DELETE FROM bootstrap_batches
