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

-- name: resolve_vanished
UPDATE bootstrap_failures f SET resolved_at = clock_timestamp()
WHERE f.source = %(source)s AND f.stage <> 'parse' AND f.resolved_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM reference_texts t WHERE t.content_hash = f.content_hash
                  AND (f.source_id IS NULL OR EXISTS (
                      SELECT 1 FROM reference_records r WHERE r.source = f.source AND r.source_id = f.source_id
                      AND r.content_hash = f.content_hash)))

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
)
SELECT source, array_agg(content_hash) FROM wanted GROUP BY source ORDER BY source

-- name: failures_by_batch
SELECT reference_batch(content_hash, %(count)s), count(DISTINCT content_hash)::int FROM bootstrap_failures
WHERE space_id = %(space)s AND source = %(source)s AND resolved_at IS NULL AND source_id IS NOT NULL GROUP BY 1
