-- Which texts have no vector yet, and the vectors that fill the answer. {vectors} is the space's table.
-- A text above the model's context (%(limit)s tokens) is never sent: its parts are, and it is pooled from them.

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
-- Hashes of what must be sent for the wanted batches, by what is leased: own texts that fit, parts of those that
-- do not.
WITH own AS (
    SELECT DISTINCT content_hash FROM reference_records
    WHERE source = %(source)s AND (%(only)s::bytea[] IS NULL OR content_hash = ANY(%(only)s))
      AND (%(requested)s::int[] IS NULL OR reference_batch(content_hash, %(count)s) = ANY(%(requested)s))
), wanted AS (
    SELECT t.content_hash FROM own JOIN reference_texts t USING (content_hash) WHERE t.tokens <= %(limit)s
    UNION
    SELECT p.part_hash FROM own JOIN reference_texts t USING (content_hash)
    JOIN reference_text_parts p USING (content_hash)
    LEFT JOIN {vectors} v USING (content_hash)
    WHERE t.tokens > %(limit)s AND v.content_hash IS NULL
    UNION
    SELECT part_hash FROM reference_text_parts WHERE part_hash = ANY(%(only)s)
)
SELECT reference_batch(w.content_hash, %(buckets)s), array_agg(w.content_hash ORDER BY w.content_hash)
FROM wanted w
WHERE NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = w.content_hash)
  AND NOT EXISTS (SELECT 1 FROM bootstrap_failures f WHERE f.content_hash = w.content_hash
                  AND f.space_id = %(space)s AND f.source = %(source)s AND f.resolved_at IS NULL
                  AND (%(only)s::bytea[] IS NULL OR NOT f.content_hash = ANY(%(only)s)))
GROUP BY 1 ORDER BY 1

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
INSERT INTO {vectors} (content_hash, embedding, tokens, pooled)
SELECT s.content_hash, s.embedding, s.tokens, s.pooled
FROM pg_temp.stage_vectors s JOIN reference_texts t USING (content_hash)
FOR KEY SHARE OF t  -- a load that deletes the text waits
ON CONFLICT (content_hash) DO NOTHING

-- name: oversized
SELECT t.content_hash, t.tokens FROM reference_texts t
WHERE t.tokens > %(limit)s AND (%(only)s::bytea[] IS NULL OR t.content_hash = ANY(%(only)s))
  AND EXISTS (SELECT 1 FROM reference_records r WHERE r.content_hash = t.content_hash AND r.source = %(source)s)
  AND (%(requested)s::int[] IS NULL OR reference_batch(t.content_hash, %(count)s) = ANY(%(requested)s))
  AND NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = t.content_hash)
  AND NOT EXISTS (SELECT 1 FROM bootstrap_failures f WHERE f.content_hash = t.content_hash
                  AND f.space_id = %(space)s AND f.source = %(source)s AND f.resolved_at IS NULL
                  AND (%(only)s::bytea[] IS NULL OR NOT f.content_hash = ANY(%(only)s)))
ORDER BY t.content_hash

-- name: has_parts
SELECT count(*) FROM reference_text_parts WHERE content_hash = %(hash)s

-- name: raise_tokens
-- The provider counts more tokens than we thought: from now on this text counts as too long for the model.
UPDATE reference_texts SET tokens = greatest(tokens, %(tokens)s) WHERE content_hash = %(hash)s

-- name: part_vectors
SELECT v.embedding, t.tokens FROM reference_text_parts p
JOIN reference_texts t ON t.content_hash = p.part_hash
LEFT JOIN {vectors} v ON v.content_hash = p.part_hash
WHERE p.content_hash = %(hash)s ORDER BY p.ordinal
