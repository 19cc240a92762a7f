-- Candidates of a search, best first. Filters that are NULL let everything through.

-- name: vector_candidates
SELECT r.id, 1 - (v.embedding <=> %(vector)s)
FROM {vectors} v JOIN reference_records r USING (content_hash)
WHERE (%(sources)s::text[] IS NULL OR r.source = ANY(%(sources)s))
  AND (%(categories)s::text[] IS NULL OR lower(r.category) = ANY(%(categories)s))
  AND (%(granularities)s::text[] IS NULL OR r.granularity = ANY(%(granularities)s))
  AND (%(labels)s::text[] IS NULL OR lower(r.nli_label) = ANY(%(labels)s))
ORDER BY {distance} LIMIT %(limit)s

-- name: text_candidates
-- Records with any word of the query in their text or their label (category, hypothesis). The score sums, over
-- the words, inverse document frequency times ts_rank of that word alone, which grows with the word's count and
-- levels off; a word in the label counts twice. Length is divided out in part, lest whole contracts come first.
-- That is the shape of BM25, not BM25 itself.
WITH words AS MATERIALIZED (
    SELECT ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery AS word
    FROM unnest(to_tsvector('pg_catalog.english', %(query)s))
), weighted AS MATERIALIZED (
    SELECT w.word, ln(1 + (n.texts - f.texts + 0.5) / (f.texts + 0.5)) AS weight
    FROM words w CROSS JOIN (SELECT count(*) AS texts FROM reference_texts) n
    CROSS JOIN LATERAL (SELECT count(*) AS texts FROM reference_texts t WHERE t.content_tsv @@ w.word) f
), found AS (
    SELECT r.id FROM words w JOIN reference_texts t ON t.content_tsv @@ w.word
    JOIN reference_records r USING (content_hash)
    UNION
    SELECT r.id FROM words w JOIN reference_records r ON r.label_tsv @@ w.word
)
SELECT r.id,
       (SELECT sum(w.weight * (ts_rank('{{1,1,1,1}}', t.content_tsv, w.word)
                               + 2 * ts_rank('{{1,1,1,1}}', r.label_tsv, w.word))) FROM weighted w)
       / (0.7 + 0.3 * t.tokens / 150.0) AS rank
FROM found f JOIN reference_records r USING (id) JOIN reference_texts t USING (content_hash)
WHERE (%(sources)s::text[] IS NULL OR r.source = ANY(%(sources)s))
  AND (%(categories)s::text[] IS NULL OR lower(r.category) = ANY(%(categories)s))
  AND (%(granularities)s::text[] IS NULL OR r.granularity = ANY(%(granularities)s))
  AND (%(labels)s::text[] IS NULL OR lower(r.nli_label) = ANY(%(labels)s))
ORDER BY rank DESC, r.id LIMIT %(limit)s

-- name: hits
SELECT r.id, r.source, r.source_id, d.title, r.granularity, r.section_path, r.category, r.hypothesis_id,
       r.nli_label, t.content
FROM reference_records r
JOIN reference_texts t USING (content_hash) JOIN reference_documents d ON d.id = r.document_id
WHERE r.id = ANY(%(ids)s)
