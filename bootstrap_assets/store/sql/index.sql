-- name: find_index
SELECT c.relname, i.indisvalid, c.reloptions
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
WHERE i.indrelid = %(table)s::regclass AND a.amname = 'hnsw' ORDER BY i.indisvalid DESC, c.oid DESC

-- name: create_index
CREATE INDEX {concurrently} {name} ON {vectors} USING hnsw (embedding vector_cosine_ops)
WITH (m = {m}, ef_construction = {ef_construction})

-- name: create_text_index
CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {table} USING gin ({column})

-- name: text_index
SELECT i.indisvalid FROM pg_index i WHERE i.indexrelid = to_regclass(quote_ident(current_schema()) || '.' || quote_ident(%(name)s))

-- name: is_counted
SELECT counted_of = reference_corpus_version()
FROM reference_text_totals

-- name: forget_words
DELETE FROM reference_lexemes

-- name: count_words
-- Without whole documents and templates, whose words their sections have too, and without stand-by passages.
INSERT INTO reference_lexemes (lexeme, texts)
SELECT word, ndoc FROM ts_stat($$
    SELECT content_tsv FROM reference_texts t WHERE EXISTS (
        SELECT FROM reference_records r WHERE r.content_hash = t.content_hash
          AND r.granularity NOT IN ('document', 'template'))
$$)

-- name: count_totals
INSERT INTO reference_text_totals (texts, mean_tokens, counted_of)
SELECT count(*), coalesce(avg(t.tokens), 100),
       reference_corpus_version()
FROM reference_texts t WHERE EXISTS (
    SELECT FROM reference_records r WHERE r.content_hash = t.content_hash
      AND r.granularity NOT IN ('document', 'template'))
ON CONFLICT (one) DO UPDATE SET
    texts = EXCLUDED.texts, mean_tokens = EXCLUDED.mean_tokens, counted_of = EXCLUDED.counted_of

-- name: remember_index
UPDATE embedding_spaces SET index_parameters = %(parameters)s WHERE id = %(id)s

-- name: index_parameters
SELECT index_parameters FROM embedding_spaces WHERE id = %(id)s
