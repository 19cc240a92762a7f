-- Questions about the state of a corpus; nothing here changes anything. {vectors} is the space's table.

-- name: stored_manifest
-- What the last load parsed, against what is stored; and whether the former is known.
SELECT coalesce(p.parsed_records, p.total_records, 0), stored.records, coalesce(p.parsed_digest = stored.digest, true),
       p.fingerprint IS NOT NULL OR stored.records = 0
FROM bootstrap_stored(%(source)s) stored LEFT JOIN bootstrap_progress p ON p.source = %(source)s

-- name: loaded_from
SELECT fingerprint FROM bootstrap_progress WHERE source = %(source)s

-- name: stored_records
SELECT id, source_id FROM reference_records WHERE source = %(source)s

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
    SELECT v.content_hash, vector_norm(v.embedding) AS norm FROM {vectors} v
    WHERE EXISTS (SELECT 1 FROM reference_records o WHERE o.content_hash = v.content_hash AND o.source = %(source)s)
) n JOIN reference_records r USING (content_hash)
WHERE r.source = %(source)s AND abs(n.norm - 1) > %(tolerance)s ORDER BY r.source_id

-- name: open_failures
SELECT f.id, f.source_id, f.class, f.stage = 'parse' FROM bootstrap_failures f
WHERE f.source = %(source)s AND f.resolved_at IS NULL AND f.ignored_at IS NULL
  AND (f.stage = 'parse' OR f.space_id = %(space)s AND f.source_id IS NOT NULL)
ORDER BY f.id

-- name: present_labels
SELECT CASE WHEN hypothesis_id IS NOT NULL THEN hypothesis_id::text ELSE category END, count(*)
FROM reference_records
WHERE source = %(source)s AND coalesce(hypothesis_id::text, category) IS NOT NULL GROUP BY 1

-- name: offsets_by_document
SELECT d.raw_text, array_agg(r.source_id), array_agg(r.char_start), array_agg(r.char_end), array_agg(r.content_hash)
FROM reference_documents d JOIN reference_records r ON r.document_id = d.id
WHERE d.source = %(source)s AND r.char_start IS NOT NULL GROUP BY d.id

-- name: some_vectors
-- By content hash: as good as drawn by lot, and the same each time.
SELECT content_hash, embedding FROM {vectors} ORDER BY content_hash LIMIT %(queries)s

-- name: all_vectors
SELECT content_hash, embedding FROM {vectors}

-- name: neighbours
SELECT embedding <=> %(vector)s AS distance FROM {vectors} WHERE content_hash <> %(hash)s
ORDER BY embedding <=> %(vector)s LIMIT %(k)s

-- name: search_effort
SELECT (quality ->> 'ef_search')::integer FROM embedding_spaces WHERE id = %(id)s
