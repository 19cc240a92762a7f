-- ----------------------------------------------------------------------------------------------------
-- Circuit breakers, shared by all processes.

-- name: open_breakers
SELECT name, reason, greatest(extract(epoch FROM retry_at - clock_timestamp()), 0)::double precision
FROM bootstrap_breakers WHERE open AND name = ANY(%(names)s) ORDER BY name

-- name: take_probe
-- Of all processes one at a time may try whether it works again, for so long that its attempts find room.
WITH taken AS (
    UPDATE bootstrap_breakers SET probe_until = clock_timestamp() + interval '5 minutes'
    WHERE name = %(name)s AND open AND retry_at <= clock_timestamp() AND probe_until < clock_timestamp()
    RETURNING name
)
SELECT reason, EXISTS (SELECT 1 FROM taken) FROM bootstrap_breakers WHERE name = %(name)s AND open

-- name: give_back_probes
UPDATE bootstrap_breakers SET probe_until = '-infinity' WHERE name = ANY(%(names)s)

-- name: open_breaker
INSERT INTO bootstrap_breakers AS b (name, open, reason, retry_at)
VALUES (%(name)s, true, %(reason)s, clock_timestamp() + make_interval(secs => %(cool_down)s))
ON CONFLICT (name) DO UPDATE SET
    open = true, reason = EXCLUDED.reason, retry_at = EXCLUDED.retry_at, probe_until = '-infinity',
    opened_at = CASE WHEN b.open THEN b.opened_at ELSE clock_timestamp() END

-- name: close_breakers
UPDATE bootstrap_breakers SET open = false, probe_until = '-infinity' WHERE open AND name = ANY(%(names)s)

-- name: list_breakers
SELECT name, CASE WHEN NOT open THEN 'closed' WHEN retry_at <= now() THEN 'half-open' ELSE 'open' END,
       reason, opened_at, retry_at
FROM bootstrap_breakers ORDER BY open DESC, name

-- ----------------------------------------------------------------------------------------------------
-- Questions about the state of a corpus; nothing here changes anything. {vectors} is the space's table.

-- name: records_without_vector
-- Neither vector nor dead letter; with the batch, so that those of batches nobody asked for can be told apart.
SELECT r.source_id, reference_batch(r.content_hash, %(count)s) FROM reference_records r
WHERE r.source = %(source)s
  AND NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = r.content_hash)
  AND NOT EXISTS (SELECT 1 FROM bootstrap_failures f WHERE f.content_hash = r.content_hash
                  AND f.source = r.source AND f.space_id = %(space)s AND f.resolved_at IS NULL)
ORDER BY r.source_id

-- name: count_covered
SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = r.content_hash))
FROM reference_records r WHERE r.source = %(source)s

-- name: insane_vectors
-- The vector type takes neither NaN nor infinity; a norm can still overflow. NaN is above every tolerance.
SELECT r.source_id, n.norm FROM (
    SELECT v.content_hash, vector_norm(v.embedding::vector) AS norm FROM {vectors} v
    WHERE EXISTS (SELECT 1 FROM reference_records o WHERE o.content_hash = v.content_hash AND o.source = %(source)s)
) n JOIN reference_records r USING (content_hash)
WHERE r.source = %(source)s AND abs(n.norm - 1) > %(tolerance)s ORDER BY r.source_id

-- name: open_failures
SELECT f.id, f.source_id, f.class, f.stage = 'parse' FROM bootstrap_failures f
WHERE f.source = %(source)s AND f.resolved_at IS NULL AND f.ignored_at IS NULL
  AND (f.stage = 'parse' OR f.space_id = %(space)s AND f.source_id IS NOT NULL)
ORDER BY f.id

-- ----------------------------------------------------------------------------------------------------
-- Dead letters. Those of the parse belong to a source, those of vectors to a source and a space.

-- name: bury_text
-- One row for each record of the text; for a passage that no record covers, one without a source id.
WITH buried AS (
    INSERT INTO bootstrap_failures AS f (space_id, source, source_id, content_hash, stage, class, message)
    SELECT %(space)s, %(source)s, r.source_id, %(hash)s, %(stage)s, %(class)s, %(message)s
    FROM (SELECT 1) one LEFT JOIN reference_records r ON r.source = %(source)s AND r.content_hash = %(hash)s
    ON CONFLICT (space_id, source, content_hash, source_id) WHERE stage <> 'parse' DO UPDATE SET
        stage = EXCLUDED.stage, class = EXCLUDED.class, message = EXCLUDED.message,
        attempts = f.attempts + 1, last_seen = clock_timestamp(), resolved_at = NULL, ignored_at = NULL
    RETURNING f.source_id
)
SELECT count(source_id) FROM buried

-- name: spread_failures
-- A record that came later with a text that is a dead letter already is one too.
INSERT INTO bootstrap_failures (space_id, source, source_id, content_hash, stage, class, message, ignored_at)
SELECT DISTINCT ON (r.source_id) f.space_id, f.source, r.source_id, f.content_hash, f.stage, f.class, f.message, f.ignored_at
FROM bootstrap_failures f JOIN reference_records r ON r.source = f.source AND r.content_hash = f.content_hash
WHERE f.space_id = %(space)s AND f.source = %(source)s AND f.resolved_at IS NULL
ON CONFLICT (space_id, source, content_hash, source_id) WHERE stage <> 'parse' DO UPDATE SET
    resolved_at = NULL, ignored_at = EXCLUDED.ignored_at
WHERE bootstrap_failures.resolved_at IS NOT NULL

-- name: resolve_texts
UPDATE bootstrap_failures SET resolved_at = clock_timestamp()
WHERE content_hash = ANY(%(hashes)s) AND space_id = %(space)s AND resolved_at IS NULL

-- name: list_failures
SELECT f.id, f.source, f.source_id, f.stage, f.class, f.message, f.place, f.attempts, f.first_seen, f.last_seen,
       f.content_hash, s.model, f.ignored_at IS NOT NULL AS ignored, f.resolved_at
FROM bootstrap_failures f LEFT JOIN embedding_spaces s ON s.id = f.space_id
WHERE (%(source)s::text IS NULL OR f.source = %(source)s) AND (%(class)s::text IS NULL OR f.class = %(class)s)
  AND (%(id)s::bigint IS NULL OR f.id = %(id)s)
  AND (%(space)s::int IS NULL OR f.space_id IS NULL OR f.space_id = %(space)s)
  AND (%(closed)s OR f.resolved_at IS NULL AND f.ignored_at IS NULL)
ORDER BY f.source, f.stage, f.class, f.id

-- name: failed_text
SELECT t.content, d.title, r.section_path FROM reference_texts t
LEFT JOIN reference_records r ON r.content_hash = t.content_hash AND r.source = %(source)s
LEFT JOIN reference_documents d ON d.id = r.document_id
WHERE t.content_hash = %(hash)s ORDER BY r.source_id LIMIT 1

-- name: ignore_failures
UPDATE bootstrap_failures SET ignored_at = clock_timestamp()
WHERE resolved_at IS NULL AND ignored_at IS NULL
  AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s))
  AND (%(source)s::text IS NULL OR source = %(source)s) AND (%(class)s::text IS NULL OR class = %(class)s)

-- name: failed_hashes
-- With a passage goes the long text that is pooled from it.
WITH letters AS (
    SELECT source, content_hash, class FROM bootstrap_failures
    WHERE space_id = %(space)s AND resolved_at IS NULL AND ignored_at IS NULL
      AND (%(source)s::text IS NULL OR source = %(source)s)
), chosen AS (
    SELECT source, content_hash FROM letters WHERE %(class)s::text IS NULL OR class = %(class)s
), wanted AS (
    SELECT source, content_hash FROM chosen
    UNION
    SELECT l.source, l.content_hash FROM letters l JOIN reference_text_parts p USING (content_hash)
    JOIN chosen c ON c.source = l.source AND c.content_hash = p.part_hash
    WHERE p.space_id = %(space)s
)
SELECT source, array_agg(content_hash) FROM wanted GROUP BY source ORDER BY source

-- name: failures_by_batch
SELECT reference_batch(content_hash, %(count)s), count(DISTINCT content_hash)::int FROM bootstrap_failures
WHERE space_id = %(space)s AND source = %(source)s AND resolved_at IS NULL AND source_id IS NOT NULL GROUP BY 1

-- ----------------------------------------------------------------------------------------------------
-- The ledger of requests to providers, which is rate limiter and budget too.

-- name: reserve
SELECT * FROM embedding_reserve(%(limiter)s, %(space)s, %(source)s, %(run)s, %(texts)s, %(tokens)s, %(dollars)s,
                                %(requests_minute)s, %(tokens_minute)s, %(window)s, %(max_cost)s,
                                %(lane)s, %(priority)s, %(weight)s)

-- name: settle
UPDATE embedding_usage SET
    outcome = %(outcome)s, tokens = coalesce(%(tokens)s, tokens), cost_usd = coalesce(%(cost)s, cost_usd),
    seconds = %(seconds)s, answered_at = clock_timestamp()
WHERE id = %(request)s

-- name: pause_limiter
UPDATE embedding_limiters
SET paused_until = greatest(paused_until, clock_timestamp() + make_interval(secs => %(seconds)s))
WHERE name = %(limiter)s

-- name: limiter_waits
SELECT name, coalesce(greatest(0, extract(epoch FROM paused_until - now())), 0)::double precision FROM embedding_limiters ORDER BY name

-- name: costs
-- The rows that are there, and the sums of those that were pruned.
WITH days AS (
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, space_id, source, count(*) AS requests,
           count(*) FILTER (WHERE outcome NOT IN ('ok', 'in_flight', 'rate_limited')) AS failed,
           count(*) FILTER (WHERE outcome = 'rate_limited') AS limited,
           count(*) FILTER (WHERE outcome = 'in_flight') AS unanswered,
           coalesce(sum(texts) FILTER (WHERE outcome = 'ok'), 0) AS texts,
           coalesce(sum(tokens) FILTER (WHERE outcome = 'ok'), 0) AS tokens,
           coalesce(sum(cost_usd) FILTER (WHERE outcome = 'ok'), 0) AS dollars,
           coalesce(sum(cost_usd) FILTER (WHERE outcome <> 'ok'), 0) AS unsure_dollars
    FROM embedding_usage GROUP BY 1, 2, 3
    UNION ALL
    SELECT day, space_id, source, requests, failed, limited, unanswered, texts, tokens, dollars, unsure_dollars
    FROM embedding_usage_daily
)
SELECT u.day, s.model, u.source, sum(u.requests)::bigint AS requests, sum(u.failed)::bigint AS failed,
       sum(u.limited)::bigint AS limited, sum(u.unanswered)::bigint AS unanswered, sum(u.texts)::bigint AS texts,
       sum(u.tokens)::bigint AS tokens, sum(u.dollars) AS dollars, sum(u.unsure_dollars) AS unsure_dollars
FROM days u JOIN embedding_spaces s ON s.id = u.space_id
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3

-- name: lately
-- What the last requests of a space took: tokens and seconds, where nothing but the model sets the pace.
SELECT coalesce(sum(tokens), 0)::bigint, coalesce(sum(seconds), 0) FROM (
    SELECT tokens, seconds FROM embedding_usage WHERE space_id = %(space)s AND outcome = 'ok'
    ORDER BY id DESC LIMIT 50) u

-- ----------------------------------------------------------------------------------------------------
-- What a plan compares with: it changes nothing. {vectors} is the space's table.

-- name: outline_known
SELECT t.content_hash, t.tokens, EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = t.content_hash),
       EXISTS (SELECT 1 FROM bootstrap_failures f WHERE f.content_hash = t.content_hash
               AND f.space_id = %(space)s AND f.source = %(source)s AND f.resolved_at IS NULL)
FROM reference_texts t WHERE t.content_hash = ANY(%(hashes)s)

-- ----------------------------------------------------------------------------------------------------
-- What a source holds, for people, and versions of its content.

-- name: batch_versions
-- Number and exclusive or of the hashes, 128 bits of each: it takes the memory of one row, and no order.
SELECT reference_batch(content_hash, %(count)s),
       concat_ws(' ', count(*), bit_xor(('x' || substr(encode(content_hash, 'hex'), 1, 16))::bit(64)::bigint),
                 bit_xor(('x' || substr(encode(content_hash, 'hex'), 17, 16))::bit(64)::bigint))
FROM (SELECT DISTINCT content_hash FROM reference_records WHERE source = %(source)s) t GROUP BY 1

-- name: vectors_version
SELECT concat_ws(' ', count(*), bit_xor(('x' || substr(encode(content_hash, 'hex'), 1, 16))::bit(64)::bigint),
                 bit_xor(('x' || substr(encode(content_hash, 'hex'), 17, 16))::bit(64)::bigint))
FROM {vectors}

-- ----------------------------------------------------------------------------------------------------
-- bootstrap_progress and bootstrap_batches: what is told while the work goes on. What is left to do is never
-- read from here, but asked of the vectors themselves.

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

-- name: texts_of_documents
-- Those that have neither vector nor dead letter.
SELECT DISTINCT r.content_hash FROM reference_records r WHERE r.document_id = ANY(%(documents)s)
  AND NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = r.content_hash)
  AND NOT EXISTS (SELECT 1 FROM bootstrap_failures f WHERE f.content_hash = r.content_hash
                  AND f.source = r.source AND f.space_id = %(space)s AND f.resolved_at IS NULL)

-- name: texts_of_source
SELECT DISTINCT r.content_hash FROM reference_records r WHERE r.source = %(source)s
  AND NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = r.content_hash)
  AND NOT EXISTS (SELECT 1 FROM bootstrap_failures f WHERE f.content_hash = r.content_hash
                  AND f.source = r.source AND f.space_id = %(space)s AND f.resolved_at IS NULL)

-- name: embedded_of_documents
SELECT count(*) FROM reference_records r JOIN {vectors} v USING (content_hash) WHERE r.document_id = ANY(%(documents)s)

-- name: add_embedded
UPDATE bootstrap_progress SET embedded_records = embedded_records + %(records)s WHERE source = %(source)s

-- name: sum_up_embedded
-- By what was added and taken away so far: nothing of the source is counted but its dead letters.
WITH letters AS (
    SELECT count(*) FILTER (WHERE stage <> 'parse') AS dead, count(*) FILTER (WHERE ignored_at IS NULL) AS errors
    FROM bootstrap_failures WHERE source = %(source)s AND resolved_at IS NULL
      AND (stage = 'parse' OR space_id = %(space)s AND source_id IS NOT NULL)
)
UPDATE bootstrap_progress p SET error_count = l.errors, heartbeat_at = now(), updated_at = now()
FROM letters l WHERE p.source = %(source)s
RETURNING p.total_records, p.embedded_records, p.error_count, greatest(p.total_records - p.embedded_records - l.dead, 0)

-- name: advance_source
WITH stored AS (
    SELECT count(*) AS records FROM unnest(%(hashes)s::bytea[]) h (content_hash) CROSS JOIN LATERAL (
        SELECT FROM reference_records r WHERE r.content_hash = h.content_hash AND r.source = %(source)s OFFSET 0) r
)
UPDATE bootstrap_progress SET
    embedded_records = embedded_records + stored.records,
    last_processed_hash = %(last)s, last_batch_index = %(batch)s, heartbeat_at = now(), updated_at = now()
FROM stored WHERE source = %(source)s RETURNING stored.records, embedded_records, total_records

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

-- name: batching
SELECT batches FROM bootstrap_batching

-- name: keep_batching
INSERT INTO bootstrap_batching (batches) VALUES (%(batches)s) ON CONFLICT (one) DO NOTHING

-- name: divide_batching
INSERT INTO bootstrap_batching (batches) VALUES (%(batches)s)
ON CONFLICT (one) DO UPDATE SET batches = EXCLUDED.batches

-- name: forget_batches
DELETE FROM bootstrap_batches

-- name: server_time
SELECT now()

-- name: sources_since
SELECT source, status, total_records, processed_records, embedded_records,
       (SELECT ceil(extract(epoch FROM greatest(paused_until, full_until) - now())) FROM embedding_limiters
        WHERE name = %(limiter)s AND greatest(paused_until, full_until) > now())
FROM bootstrap_progress WHERE started_at >= %(since)s

-- ----------------------------------------------------------------------------------------------------
-- Spaces.

-- name: find_space
SELECT id, name, provider, model, dimensions, table_name, state, element_type FROM embedding_spaces
WHERE provider = %(provider)s AND model = %(model)s AND dimensions = %(dimensions)s AND state <> 'dropped'
  AND (%(element_type)s::text IS NULL OR element_type = %(element_type)s)
ORDER BY state = 'active' DESC, id DESC LIMIT 1

-- name: active_space
SELECT id, name, provider, model, dimensions, table_name, state, element_type FROM embedding_spaces WHERE state = 'active'

-- name: building_space
SELECT id, name, provider, model, dimensions, table_name, state, element_type FROM embedding_spaces
WHERE state IN ('building', 'ready') ORDER BY id DESC LIMIT 1

-- name: known_spaces
SELECT id, name, provider, model, dimensions, table_name, state, element_type FROM embedding_spaces
WHERE state <> 'dropped' ORDER BY state = 'active' DESC, state IN ('building', 'ready') DESC, id DESC

-- name: holds_vectors
SELECT EXISTS (SELECT FROM {vectors})

-- name: newest_space
SELECT id, name, provider, model, dimensions, table_name, state, element_type FROM embedding_spaces
WHERE state <> 'dropped' ORDER BY state = 'active' DESC, id DESC LIMIT 1

-- name: add_space
INSERT INTO embedding_spaces (name, provider, model, dimensions, element_type, table_name, feedback)
VALUES (%(name)s, %(provider)s, %(model)s, %(dimensions)s, %(element_type)s, %(table_name)s, %(feedback)s)
ON CONFLICT (name) DO UPDATE SET  -- it was dropped
    state = 'building', promoted_at = NULL, fitted = NULL, fitted_of = NULL, index_parameters = '{}', quality = '{}'

-- name: create_vectors
CREATE TABLE {vectors} (
    content_hash bytea PRIMARY KEY REFERENCES reference_texts ON DELETE CASCADE,
    embedding    {element_type}({dimensions}) NOT NULL,
    tokens       integer NOT NULL,
    pooled       boolean NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now()
);
-- parallel_workers: a long vector is TOASTed, so the heap is small and PostgreSQL would plan no parallel worker
-- for the index build; the build honours this setting. Not before: the primary key of the empty table would be built
-- by workers too, over temporary files, which a role's temp_file_limit may not allow.
ALTER TABLE {vectors} SET (parallel_workers = 2);
-- A vector is for whoever may see a record with its text; those who may read the records may read it.
ALTER TABLE {vectors} ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON {vectors} FOR SELECT USING (
    EXISTS (SELECT FROM reference_records r WHERE r.content_hash = {vectors}.content_hash));
DO $$
DECLARE reader name;
BEGIN
    FOR reader IN
        SELECT pg_get_userbyid(a.grantee) FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
        WHERE c.oid = 'reference_records'::regclass AND a.privilege_type = 'SELECT' AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('GRANT SELECT ON %I TO %I', {table}, reader);
    END LOOP;
END $$

-- name: column_dimensions
SELECT atttypmod FROM pg_attribute WHERE attrelid = to_regclass(quote_ident(current_schema()) || '.' || quote_ident(%(table)s))
  AND attname = 'embedding'

-- name: count_vectors
SELECT count(*) FROM {vectors}

-- name: count_uncovered
SELECT count(*) FROM reference_records r
WHERE NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = r.content_hash)
  AND NOT EXISTS (SELECT 1 FROM bootstrap_failures f WHERE f.content_hash = r.content_hash
                  AND f.source = r.source AND f.space_id = %(space)s AND f.resolved_at IS NULL)

-- name: coverage_version
-- Another text as soon as texts, records or dead letters came or went: a few rows, however large the corpus.
SELECT concat_ws(' ', reference_corpus_version(),
    (SELECT concat_ws(' ', sum(total_records), bit_xor(parsed_digest)) FROM bootstrap_progress),
    (SELECT concat_ws(' ', count(*), max(id)) FROM bootstrap_failures WHERE space_id = %(space)s AND resolved_at IS NULL))

-- name: retire_others
UPDATE embedding_spaces SET state = 'retired' WHERE state = 'active' AND id <> %(id)s

-- name: numbered_space
SELECT id, name, provider, model, dimensions, table_name, state, element_type FROM embedding_spaces
WHERE id = %(id)s AND state <> 'dropped'

-- name: previous_space
SELECT id, name, provider, model, dimensions, table_name, state, element_type FROM embedding_spaces
WHERE state NOT IN ('active', 'dropped') AND promoted_at IS NOT NULL ORDER BY promoted_at DESC LIMIT 1

-- name: every_space
SELECT id, name, provider, model, dimensions, table_name, state, element_type FROM embedding_spaces
WHERE state <> 'dropped' ORDER BY id

-- name: settle_space
UPDATE embedding_spaces SET state = CASE WHEN %(ready)s THEN 'ready' ELSE 'building' END
WHERE id = %(id)s AND state IN ('building', 'ready') AND (state = 'ready') <> %(ready)s

-- name: space_quality
SELECT quality FROM embedding_spaces WHERE id = %(id)s

-- name: drop_space
DROP TABLE {vectors};
DELETE FROM bootstrap_failures WHERE space_id = {id};
DELETE FROM reference_text_parts WHERE space_id = {id};
DELETE FROM reference_texts t
WHERE NOT EXISTS (SELECT 1 FROM reference_records r WHERE r.content_hash = t.content_hash)
  AND NOT EXISTS (SELECT 1 FROM reference_text_parts p WHERE p.part_hash = t.content_hash);
UPDATE embedding_spaces SET state = 'dropped' WHERE id = {id}

-- name: hold_vectors
LOCK TABLE {vectors} IN ACCESS SHARE MODE

-- name: refill_space
UPDATE embedding_spaces SET state = 'building' WHERE id = %(id)s AND state = 'retired'

-- name: activate_space
UPDATE embedding_spaces SET state = 'active', promoted_at = clock_timestamp() WHERE id = %(id)s AND state <> 'active'

-- name: views_element_type
SELECT format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = to_regclass(quote_ident(current_schema()) || '.reference_vectors') AND attname = 'embedding'

-- name: drop_views
-- A view's column cannot get another type. Owner, grants and comments are kept for those that follow.
CREATE TEMP TABLE pg_temp.views_kept AS
WITH view AS (
    SELECT c.oid, format('%I', c.relname) AS name, c.relowner, c.relacl FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relname IN ('reference_vectors', 'reference_embeddings')
), granted AS (
    SELECT v.name, g.*, '' AS columns FROM view v CROSS JOIN aclexplode(v.relacl) g
    UNION ALL
    SELECT v.name, g.*, format(' (%I)', a.attname) FROM view v JOIN pg_attribute a ON a.attrelid = v.oid CROSS JOIN aclexplode(a.attacl) g
)
SELECT format('ALTER VIEW %s OWNER TO %I', name, pg_get_userbyid(relowner)) AS command FROM view
UNION ALL
SELECT format('GRANT %s%s ON %s TO %s%s', privilege_type, columns, name,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
              CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM granted
UNION ALL
SELECT CASE WHEN a.attname IS NULL THEN format('COMMENT ON VIEW %s IS %L', v.name, d.description)
            ELSE format('COMMENT ON COLUMN %s.%I IS %L', v.name, a.attname, d.description) END
FROM view v JOIN pg_description d ON d.objoid = v.oid AND d.classoid = 'pg_class'::regclass
LEFT JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum = d.objsubid AND d.objsubid > 0;
DROP VIEW reference_embeddings, reference_vectors

-- name: dress_views
DO $$
DECLARE command text;
BEGIN
    FOR command IN SELECT k.command FROM pg_temp.views_kept k LOOP EXECUTE command; END LOOP;
END $$;
DROP TABLE pg_temp.views_kept

-- name: replace_vectors
CREATE OR REPLACE VIEW reference_vectors WITH (security_invoker = true) AS SELECT content_hash, embedding::{element_type} AS embedding FROM {vectors}

-- name: replace_view
CREATE OR REPLACE VIEW reference_embeddings WITH (security_invoker = true) AS
SELECT r.id, r.document_id, r.source, t.content, v.embedding::{element_type} AS embedding, r.granularity,
       r.section_path, r.category, r.hypothesis_id, r.nli_label, r.content_hash, r.metadata
FROM reference_records r JOIN reference_texts t USING (content_hash) JOIN {vectors} v USING (content_hash)
WHERE reference_is_visible(r.tenant_id)

-- name: fitted
SELECT fitted FROM embedding_spaces WHERE id = %(id)s

-- name: is_fitted
SELECT fitted IS NOT NULL AND fitted_of = reference_corpus_version() FROM embedding_spaces WHERE id = %(id)s

-- name: fit
UPDATE embedding_spaces SET fitted = %(fitted)s, fitted_of = %(of)s
WHERE id = %(id)s AND (fitted, fitted_of) IS DISTINCT FROM (%(fitted)s, %(of)s)

-- name: some_texts
-- One statement, so that the version is that of these texts.
SELECT reference_corpus_version(), ARRAY(
    SELECT t.content FROM reference_texts t WHERE EXISTS (
        SELECT FROM reference_records r WHERE r.content_hash = t.content_hash AND r.tenant_id IS NULL
          AND r.granularity NOT IN ('document', 'template'))
    ORDER BY t.content_hash LIMIT %(limit)s)

-- ----------------------------------------------------------------------------------------------------
-- Which texts have no vector yet, and the vectors that fill the answer. {vectors} is the space's table.
-- A text above the model's context (%(limit)s tokens) is never sent: it is cut, which gives it rows in
-- reference_text_parts; what has such rows is pooled from its parts, which are sent.

-- Dead letters are left alone, but for those that are asked for (%(only)s).

-- name: plan
WITH own AS (
    SELECT DISTINCT content_hash FROM reference_records WHERE source = %(source)s
), dead AS (
    SELECT DISTINCT content_hash FROM bootstrap_failures
    WHERE space_id = %(space)s AND source = %(source)s AND resolved_at IS NULL
)
SELECT reference_batch(o.content_hash, %(count)s), count(*)::int,
       count(*) FILTER (WHERE v.content_hash IS NULL AND d.content_hash IS NULL)::int,
       count(*) FILTER (WHERE v.content_hash IS NULL AND d.content_hash IS NOT NULL)::int
FROM own o LEFT JOIN {vectors} v USING (content_hash) LEFT JOIN dead d USING (content_hash)
WHERE %(requested)s::int[] IS NULL OR reference_batch(o.content_hash, %(count)s) = ANY(%(requested)s)
GROUP BY 1 ORDER BY 1

-- name: missing
-- Hashes of what must be sent for the wanted batches, from one hash on and before another one (NULL: all): own texts
-- that were not cut, parts of those that were.
-- Each branch goes by its own range of hashes: it is asked once for each lease bucket, and reads no other.
WITH wanted AS (
    SELECT r.content_hash FROM reference_records r
    WHERE r.source = %(source)s AND (%(only)s::bytea[] IS NULL OR r.content_hash = ANY(%(only)s))
      AND (%(requested)s::int[] IS NULL OR reference_batch(r.content_hash, %(count)s) = ANY(%(requested)s))
      AND (%(first)s::bytea IS NULL OR r.content_hash >= %(first)s)
      AND (%(end)s::bytea IS NULL OR r.content_hash < %(end)s)
      AND NOT EXISTS (
        SELECT 1 FROM reference_text_parts p WHERE p.content_hash = r.content_hash AND p.space_id = %(space)s)
    UNION
    SELECT p.part_hash FROM reference_text_parts p
    WHERE p.space_id = %(space)s
      AND (%(first)s::bytea IS NULL OR p.part_hash >= %(first)s)
      AND (%(end)s::bytea IS NULL OR p.part_hash < %(end)s)
      AND (%(only)s::bytea[] IS NULL OR p.content_hash = ANY(%(only)s))
      AND (%(requested)s::int[] IS NULL OR reference_batch(p.content_hash, %(count)s) = ANY(%(requested)s))
      AND EXISTS (SELECT 1 FROM reference_records r WHERE r.content_hash = p.content_hash AND r.source = %(source)s)
      AND NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = p.content_hash)
    UNION
    SELECT part_hash FROM reference_text_parts WHERE space_id = %(space)s AND part_hash = ANY(%(only)s)
      AND (%(first)s::bytea IS NULL OR part_hash >= %(first)s) AND (%(end)s::bytea IS NULL OR part_hash < %(end)s)
)
SELECT w.content_hash FROM wanted w
WHERE NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = w.content_hash)
  AND NOT EXISTS (SELECT 1 FROM bootstrap_failures f WHERE f.content_hash = w.content_hash
                  AND f.source = %(source)s AND f.space_id = %(space)s AND f.resolved_at IS NULL
                  AND (%(only)s::bytea[] IS NULL OR NOT f.content_hash = ANY(%(only)s)))
  AND NOT w.content_hash = ANY(%(dead)s)
ORDER BY w.content_hash

-- name: count_missing
-- By what is leased, and by batch.
SELECT reference_batch(m.content_hash, %(buckets)s), reference_batch(m.content_hash, %(count)s), count(*)
FROM ({missing}) m GROUP BY 1, 2 ORDER BY 1, 2

-- name: still_missing
SELECT t.content_hash, t.content, t.tokens FROM reference_texts t
WHERE t.content_hash = ANY(%(hashes)s)
  AND NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = t.content_hash)
ORDER BY t.content_hash

-- name: create_vector_staging
CREATE TEMP TABLE IF NOT EXISTS pg_temp.stage_vectors (
    content_hash bytea, embedding vector, tokens integer, pooled boolean
) ON COMMIT DELETE ROWS

-- name: merge_vectors
-- Text by text: the planner, which does not know how few they are, would read all texts for each request.
INSERT INTO {vectors} (content_hash, embedding, tokens, pooled)
SELECT s.content_hash, s.embedding, s.tokens, s.pooled
FROM pg_temp.stage_vectors s CROSS JOIN LATERAL (
    SELECT FROM reference_texts t WHERE t.content_hash = s.content_hash
    OFFSET 0 FOR KEY SHARE) t  -- a load that deletes the text waits
ON CONFLICT (content_hash) DO NOTHING

-- name: oversized
SELECT t.content_hash, t.tokens FROM reference_texts t
WHERE EXISTS (SELECT 1 FROM reference_text_parts p
              WHERE p.content_hash = t.content_hash AND p.space_id = %(space)s)
  AND (%(only)s::bytea[] IS NULL OR t.content_hash = ANY(%(only)s))
  AND EXISTS (SELECT 1 FROM reference_records r WHERE r.content_hash = t.content_hash AND r.source = %(source)s)
  AND (%(requested)s::int[] IS NULL OR reference_batch(t.content_hash, %(count)s) = ANY(%(requested)s))
  AND NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = t.content_hash)
  AND NOT EXISTS (SELECT 1 FROM bootstrap_failures f WHERE f.content_hash = t.content_hash
                  AND f.space_id = %(space)s AND f.source = %(source)s AND f.resolved_at IS NULL
                  AND (%(only)s::bytea[] IS NULL OR NOT f.content_hash = ANY(%(only)s)))
ORDER BY t.content_hash

-- name: uncut
-- Parts too: those of a space whose limit was a higher one.
WITH own AS (
    SELECT DISTINCT content_hash FROM reference_records
    WHERE source = %(source)s AND (%(only)s::bytea[] IS NULL OR content_hash = ANY(%(only)s))
      AND (%(requested)s::int[] IS NULL OR reference_batch(content_hash, %(count)s) = ANY(%(requested)s))
), wanted AS (
    SELECT content_hash FROM own
    UNION
    SELECT p.part_hash FROM own JOIN reference_text_parts p USING (content_hash) WHERE p.space_id = %(space)s
)
SELECT t.content_hash FROM wanted JOIN reference_texts t USING (content_hash)
WHERE t.tokens > %(limit)s
  AND NOT EXISTS (SELECT 1 FROM reference_text_parts p
                  WHERE p.content_hash = t.content_hash AND p.space_id = %(space)s)
  AND NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = t.content_hash)
  AND NOT EXISTS (SELECT 1 FROM bootstrap_failures f WHERE f.content_hash = t.content_hash
                  AND f.space_id = %(space)s AND f.source = %(source)s AND f.resolved_at IS NULL
                  AND (%(only)s::bytea[] IS NULL OR NOT f.content_hash = ANY(%(only)s)))
ORDER BY t.content_hash

-- name: text_to_cut
SELECT content FROM reference_texts WHERE content_hash = %(hash)s

-- name: contents
SELECT content_hash, content FROM reference_texts WHERE content_hash = ANY(%(hashes)s)

-- name: add_part_texts
INSERT INTO reference_texts (content_hash, content, tokens, created_at)
SELECT hash, content, tokens, statement_timestamp()
FROM unnest(%(parts)s::bytea[], %(contents)s::text[], %(tokens)s::int[]) AS part (hash, content, tokens) ORDER BY hash
ON CONFLICT (content_hash) DO NOTHING

-- name: hold_part_texts
-- In the order of their hashes. Those that nothing had were perhaps being deleted a moment ago.
SELECT content_hash FROM reference_texts WHERE content_hash = ANY (%(parts)s) ORDER BY content_hash FOR KEY SHARE

-- name: add_parts
-- Of a text that records have, and in its place of longer ones that it is a part of.
WITH replaced AS (
    DELETE FROM reference_text_parts WHERE space_id = %(space)s AND part_hash = %(hash)s RETURNING content_hash
), wholes AS (
    SELECT content_hash FROM replaced
    UNION
    SELECT %(hash)s WHERE EXISTS (SELECT 1 FROM reference_records WHERE content_hash = %(hash)s)
      AND NOT EXISTS (SELECT 1 FROM reference_text_parts WHERE content_hash = %(hash)s AND space_id = %(space)s)
), places AS (
    SELECT w.content_hash, coalesce(max(p.ordinal) + 1, 0) AS first FROM wholes w LEFT JOIN reference_text_parts p
        ON p.content_hash = w.content_hash AND p.space_id = %(space)s GROUP BY 1
)
INSERT INTO reference_text_parts (content_hash, space_id, ordinal, part_hash)
SELECT places.content_hash, %(space)s, places.first + part.ordinal - 1, part.hash
FROM places CROSS JOIN unnest(%(parts)s::bytea[]) WITH ORDINALITY AS part (hash, ordinal)

-- name: forget_part
DELETE FROM reference_texts t WHERE t.content_hash = %(hash)s
  AND NOT EXISTS (SELECT 1 FROM reference_records r WHERE r.content_hash = t.content_hash)
  AND NOT EXISTS (SELECT 1 FROM reference_text_parts p WHERE p.part_hash = t.content_hash)

-- name: part_vectors
SELECT v.embedding::vector, t.tokens FROM reference_text_parts p
JOIN reference_texts t ON t.content_hash = p.part_hash
LEFT JOIN {vectors} v ON v.content_hash = p.part_hash
WHERE p.content_hash = %(hash)s AND p.space_id = %(space)s ORDER BY p.ordinal

-- ----------------------------------------------------------------------------------------------------
-- Texts that no record has: embedding/loose_texts.py.

-- name: loose_texts_without_vector
-- Which of these texts have a vector neither in the space, where they are documents, nor from an evaluation before.
SELECT t.hash FROM unnest(%(hashes)s::bytea[]) t (hash)
WHERE NOT (%(input_type)s = 'document' AND EXISTS (SELECT FROM {vectors} v WHERE v.content_hash = t.hash))
  AND NOT EXISTS (
      SELECT FROM evaluation_vectors v
      WHERE v.space_id = %(space)s AND v.input_type = %(input_type)s AND v.content_hash = t.hash
  )

-- name: use_loose_vectors
UPDATE evaluation_vectors SET used_at = now()
WHERE space_id = %(space)s AND input_type = %(input_type)s AND content_hash = ANY(%(hashes)s)
  AND used_at < now() - interval '1 day'

-- name: keep_loose_vector
INSERT INTO evaluation_vectors (space_id, input_type, content_hash, embedding)
VALUES (%(space)s, %(input_type)s, %(hash)s, %(embedding)s) ON CONFLICT DO NOTHING

-- name: forget_loose_vectors
-- What no task of an evaluation of everything asked about.
DELETE FROM evaluation_vectors
WHERE space_id = %(space)s AND input_type = %(input_type)s AND content_hash NOT IN (SELECT unnest(%(hashes)s::bytea[]))

-- name: loose_vectors
SELECT content_hash, embedding FROM evaluation_vectors
WHERE space_id = %(space)s AND input_type = %(input_type)s AND content_hash = ANY(%(hashes)s)
