-- Which texts have no vector yet, and the vectors that fill the answer. {vectors} is the space's table.
-- A text above the model's context (%(limit)s tokens) is never sent: its parts are, and it is pooled from them.

-- name: plan
WITH own AS (SELECT DISTINCT content_hash FROM reference_records WHERE source = %(source)s)
SELECT reference_batch(o.content_hash, %(count)s), count(*)::int,
       count(*) FILTER (WHERE v.content_hash IS NULL)::int
FROM own o LEFT JOIN {vectors} v USING (content_hash)
WHERE %(requested)s::int[] IS NULL OR reference_batch(o.content_hash, %(count)s) = ANY(%(requested)s)
GROUP BY 1 ORDER BY 1

-- name: missing
-- Hashes of what must be sent for the wanted batches, by what is leased: own texts that fit, parts of those that
-- do not.
WITH own AS (
    SELECT DISTINCT content_hash FROM reference_records
    WHERE source = %(source)s AND (%(requested)s::int[] IS NULL
          OR reference_batch(content_hash, %(count)s) = ANY(%(requested)s))
), wanted AS (
    SELECT t.content_hash FROM own JOIN reference_texts t USING (content_hash) WHERE t.tokens <= %(limit)s
    UNION
    SELECT p.part_hash FROM own JOIN reference_texts t USING (content_hash)
    JOIN reference_text_parts p USING (content_hash)
    LEFT JOIN {vectors} v USING (content_hash)
    WHERE t.tokens > %(limit)s AND v.content_hash IS NULL
)
SELECT reference_batch(w.content_hash, %(buckets)s), array_agg(w.content_hash ORDER BY w.content_hash)
FROM wanted w WHERE NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = w.content_hash)
GROUP BY 1 ORDER BY 1

-- name: still_missing
SELECT t.content_hash, t.content, t.tokens FROM reference_texts t
WHERE t.content_hash = ANY(%(hashes)s)
  AND NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = t.content_hash)
ORDER BY t.content_hash

-- name: create_vector_staging
CREATE TEMP TABLE IF NOT EXISTS stage_vectors (
    content_hash bytea, embedding vector, tokens integer, pooled boolean
) ON COMMIT DELETE ROWS

-- name: merge_vectors
INSERT INTO {vectors} (content_hash, embedding, tokens, pooled)
SELECT s.content_hash, s.embedding, s.tokens, s.pooled
FROM stage_vectors s JOIN reference_texts t USING (content_hash)
ON CONFLICT (content_hash) DO NOTHING

-- name: oversized
SELECT t.content_hash, t.tokens FROM reference_texts t
WHERE t.tokens > %(limit)s
  AND EXISTS (SELECT 1 FROM reference_records r WHERE r.content_hash = t.content_hash AND r.source = %(source)s)
  AND (%(requested)s::int[] IS NULL OR reference_batch(t.content_hash, %(count)s) = ANY(%(requested)s))
  AND NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = t.content_hash)
ORDER BY t.content_hash

-- name: part_vectors
SELECT v.embedding, t.tokens FROM reference_text_parts p
JOIN reference_texts t ON t.content_hash = p.part_hash
LEFT JOIN {vectors} v ON v.content_hash = p.part_hash
WHERE p.content_hash = %(hash)s ORDER BY p.ordinal

-- name: record_usage
INSERT INTO embedding_usage (space_id, source, texts, tokens, cost_usd, seconds, outcome)
VALUES (%(space)s, %(source)s, %(texts)s, %(tokens)s, %(cost)s, %(seconds)s, %(outcome)s)
