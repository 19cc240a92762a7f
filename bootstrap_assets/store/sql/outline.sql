-- What a plan compares with: it changes nothing. {vectors} is the space's table.

-- name: outline_texts
SELECT DISTINCT t.content_hash, t.tokens FROM reference_records r JOIN reference_texts t USING (content_hash)
WHERE r.source = %(source)s

-- name: outline_parts
SELECT p.content_hash, p.part_hash, t.tokens
FROM reference_text_parts p JOIN reference_texts t ON t.content_hash = p.part_hash
WHERE EXISTS (SELECT 1 FROM reference_records r WHERE r.content_hash = p.content_hash AND r.source = %(source)s)
ORDER BY p.content_hash, p.ordinal

-- name: outline_known
SELECT t.content_hash, t.tokens, EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = t.content_hash),
       EXISTS (SELECT 1 FROM bootstrap_failures f WHERE f.content_hash = t.content_hash
               AND f.space_id = %(space)s AND f.source = %(source)s AND f.resolved_at IS NULL)
FROM reference_texts t WHERE t.content_hash = ANY(%(hashes)s)
