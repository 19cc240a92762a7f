-- ----------------------------------------------------------------------------------------------------
-- What the report asks. Nothing here changes anything; {vectors} is the space's table.

-- name: report_records
-- The whole reference corpus, counted by all that a record may be told apart by.
SELECT r.source, r.granularity, r.category, r.hypothesis_id, r.nli_label, count(*) AS records,
       count(v.content_hash) AS embedded,
       count(*) FILTER (WHERE v.content_hash IS NULL AND EXISTS (
           SELECT 1 FROM bootstrap_failures f WHERE f.content_hash = r.content_hash AND f.source = r.source
           AND f.space_id = %(space)s AND f.resolved_at IS NULL)) AS dead
FROM reference_records r LEFT JOIN {vectors} v USING (content_hash)
WHERE r.tenant_id IS NULL
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5

-- name: report_documents
SELECT source, count(*) AS documents,
       string_agg(DISTINCT licence || '; ' || attribution, ' – and: ') AS origin
FROM reference_documents WHERE tenant_id IS NULL GROUP BY source ORDER BY source

-- name: report_findings
SELECT source, kind, count(*) AS findings, min(message) AS example, min(place) AS place
FROM bootstrap_findings WHERE source <> 'documents' GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2

-- name: report_failures
SELECT f.source, f.stage, f.class, count(*) AS letters, min(f.message) AS example,
       min(f.first_seen) AS first_seen, max(f.last_seen) AS last_seen
FROM bootstrap_failures f
WHERE f.resolved_at IS NULL AND f.ignored_at IS NULL AND f.source <> 'documents' -- a tenant's own
  AND (f.stage = 'parse' OR f.space_id = %(space)s AND f.source_id IS NOT NULL)
GROUP BY 1, 2, 3 ORDER BY 1, 4 DESC, 3

-- name: report_sources
-- What a load alone left complete has no end of its own.
SELECT source, status, message, total_records AS records, started_at, e.completed_at,
       extract(epoch FROM e.completed_at - started_at)::double precision AS seconds
FROM bootstrap_progress p CROSS JOIN LATERAL (
    SELECT coalesce(p.completed_at, CASE WHEN starts_with(p.status, 'completed') THEN p.heartbeat_at END) AS completed_at
) e ORDER BY source

-- name: report_runs
-- The last runs that sent anything. A request that was not answered has no end.
SELECT u.run_id, min(u.created_at) AS started_at, s.model,
       array_agg(DISTINCT u.source ORDER BY u.source) AS sources,
       count(*) AS requests,
       count(*) FILTER (WHERE u.outcome NOT IN ('ok', 'in_flight', 'rate_limited')) AS failed,
       coalesce(sum(u.texts) FILTER (WHERE u.outcome = 'ok'), 0)::bigint AS texts,
       coalesce(sum(u.tokens) FILTER (WHERE u.outcome = 'ok'), 0)::bigint AS tokens,
       sum(u.cost_usd)::double precision AS dollars,
       extract(epoch FROM max(coalesce(u.answered_at, u.created_at)) - min(u.created_at))::double precision
           AS seconds
FROM embedding_usage u JOIN embedding_spaces s ON s.id = u.space_id
WHERE u.run_id IS NOT NULL AND u.source IS DISTINCT FROM 'search'
GROUP BY u.run_id, s.model ORDER BY 2 DESC LIMIT %(limit)s

-- name: report_shared
-- Texts that several records hold word for word: over documents, over sources, under different labels.
SELECT count(*) FILTER (WHERE documents > 1), count(*) FILTER (WHERE sources > 1),
       count(*) FILTER (WHERE labels > 1)
FROM (
    SELECT count(DISTINCT document_id) AS documents, count(DISTINCT source) AS sources,
           count(DISTINCT category) AS labels
    FROM reference_records WHERE granularity IN ('clause', 'section', 'span')
    GROUP BY content_hash HAVING count(*) > 1) t

-- name: report_clauses
-- Each text of a part of a document once; whole documents have their parts in common, not their words.
SELECT t.content_hash, t.content FROM reference_texts t
WHERE EXISTS (SELECT 1 FROM reference_records r WHERE r.content_hash = t.content_hash
              AND r.granularity IN ('clause', 'section', 'span'))
ORDER BY t.content_hash LIMIT %(most)s

-- name: report_clauses_counted
SELECT count(DISTINCT content_hash) FROM reference_records WHERE granularity IN ('clause', 'section', 'span')

-- name: report_places
-- Of a text in very many places some of each source, and how many there are.
SELECT content_hash, source, document_id, title, section_path, category, char_start, char_end, places FROM (
    SELECT r.*, d.title, row_number() OVER (same ORDER BY r.source_id) AS number, count(*) OVER same AS places
    FROM reference_records r JOIN reference_documents d ON d.id = r.document_id
    WHERE r.content_hash = ANY(%(hashes)s) AND r.granularity IN ('clause', 'section', 'span')
    WINDOW same AS (PARTITION BY r.content_hash, r.source)) numbered
WHERE number <= %(most)s ORDER BY content_hash, source, source_id

-- name: report_mapped
-- Texts that have a vector, each told by its record with a label where there is one; and how many there are. Each
-- source, granularity and category has its share: a text by its quantile in its stratum, where the lowest hashes
-- are as good as drawn by lot.
WITH mapped AS (
    SELECT DISTINCT ON (r.content_hash) r.content_hash, r.source, r.granularity, r.category
    FROM reference_records r JOIN {vectors} v USING (content_hash)
    WHERE r.granularity IN ('clause', 'section', 'span')
    ORDER BY r.content_hash, r.category IS NULL, r.source, r.source_id
), ranked AS (
    SELECT *, (row_number() OVER (stratum ORDER BY content_hash) - 0.5::float8) / count(*) OVER stratum AS share,
           count(*) OVER () AS texts
    FROM mapped WINDOW stratum AS (PARTITION BY source, granularity, category)
)
SELECT content_hash, source, granularity, category, texts FROM (
    SELECT * FROM ranked ORDER BY share, content_hash LIMIT %(sample)s) chosen
ORDER BY content_hash

-- name: report_vectors
SELECT content_hash, embedding::vector FROM {vectors} WHERE content_hash = ANY(%(hashes)s) ORDER BY content_hash

-- name: report_changes
SELECT source, change, granularity, count(*) AS records, max(changed_at) AS changed_at
FROM reference_changes WHERE source <> 'documents' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3

-- name: report_changed_texts
-- Some of each kind and source; those with a label first, for these are what somebody looks for.
SELECT source, source_id, change, granularity, category, before, after FROM (
    SELECT c.*, row_number() OVER (PARTITION BY source, change
        ORDER BY before IS NOT DISTINCT FROM after, category IS NULL, granularity, source_id) AS rank
    FROM reference_changes c WHERE source <> 'documents' AND coalesce(before, after) IS NOT NULL) ranked
WHERE rank <= CASE WHEN change = 'changed' THEN %(changed)s ELSE %(others)s END
ORDER BY source, change, rank
