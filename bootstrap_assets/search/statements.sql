-- ----------------------------------------------------------------------------------------------------
-- Questions about the state of a corpus; nothing here changes anything. {vectors} is the space's table.

-- name: some_vectors
-- By content hash: in effect a random sample, and the same each time.
SELECT content_hash, embedding::vector FROM {vectors} ORDER BY content_hash LIMIT %(queries)s

-- name: all_vectors
SELECT content_hash, embedding::vector FROM {vectors}

-- name: create_nearest
-- The index as the search uses it, timed by the server's own clock. Lives as long as the session.
CREATE OR REPLACE FUNCTION pg_temp.nearest(query vector, k integer, OUT hashes bytea[], OUT distances double precision[], OUT ms double precision)
LANGUAGE plpgsql AS $$
DECLARE started timestamptz := clock_timestamp();
BEGIN
    SELECT array_agg(content_hash), array_agg(distance) INTO hashes, distances FROM (
        SELECT content_hash, embedding <=> query AS distance FROM {vectors} ORDER BY embedding <=> query LIMIT k
    ) n;
    ms := extract(epoch FROM clock_timestamp() - started) * 1000;
END $$

-- name: nearest
SELECT n.hashes, n.distances, n.ms FROM unnest(%(hashes)s::bytea[]) WITH ORDINALITY q (content_hash, place)
JOIN {vectors} v USING (content_hash) CROSS JOIN LATERAL pg_temp.nearest(v.embedding::vector, %(k)s) n ORDER BY q.place

-- name: search_effort
SELECT (quality ->> 'ef_search')::integer FROM embedding_spaces WHERE id = %(id)s

-- ----------------------------------------------------------------------------------------------------
-- Index.

-- name: find_index
SELECT c.relname, i.indisvalid, c.reloptions
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
WHERE i.indrelid = %(table)s::regclass AND a.amname = 'hnsw' ORDER BY i.indisvalid DESC, c.oid DESC

-- name: create_index
CREATE INDEX {concurrently} {name} ON {vectors} USING hnsw (embedding {operators})
WITH (m = {m}, ef_construction = {ef_construction})

-- name: create_text_index
CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {table} USING gin ({column})

-- name: text_index
SELECT i.indisvalid FROM pg_index i WHERE i.indexrelid = to_regclass(quote_ident(current_schema()) || '.' || quote_ident(%(name)s))

-- name: remember_index
UPDATE embedding_spaces SET index_parameters = %(parameters)s WHERE id = %(id)s

-- name: index_parameters
SELECT index_parameters FROM embedding_spaces WHERE id = %(id)s

-- ----------------------------------------------------------------------------------------------------
-- Lists of words.

-- name: segments
SELECT segment, after, through, texts FROM reference_segments ORDER BY through

-- name: unlisted_texts
SELECT count(*), coalesce(max(number), %(through)s) FROM reference_text_words WHERE number > %(through)s

-- name: listed_texts
SELECT count(*) FROM reference_text_words WHERE number <= %(through)s

-- name: impact_means
SELECT impact_mean, mean_tokens FROM reference_text_totals WHERE texts > 0

-- name: renew_impact_mean
UPDATE reference_text_totals SET impact_mean = mean_tokens

-- name: renew_impacts
UPDATE reference_text_words w SET impacts = reference_impacts(t.content_tsv, t.tokens, m.impact_mean)
FROM reference_texts t, reference_text_totals m WHERE t.content_hash = w.content_hash

-- name: forget_segments
WITH old AS (DELETE FROM reference_segments WHERE segment = ANY (%(segments)s))
DELETE FROM reference_postings WHERE segment = ANY (%(segments)s)

-- name: add_segment
-- Blocks of 200 places are 1.7 kB: a row that is not packed and not put elsewhere.
WITH added AS (
    INSERT INTO reference_segments (after, through, texts)
    SELECT %(after)s, %(through)s, count(*) FROM reference_text_words WHERE number > %(after)s AND number <= %(through)s
    RETURNING segment
), place AS (
    SELECT w.pile, u.lexeme, w.number,
           reference_impact(cardinality(u.positions), t.tokens, coalesce(m.mean, 100)) AS impact
    FROM reference_text_words w JOIN reference_texts t USING (content_hash)
    CROSS JOIN (SELECT max(impact_mean) AS mean FROM reference_text_totals) m
    CROSS JOIN LATERAL unnest(t.content_tsv) u
    WHERE w.number > %(after)s AND w.number <= %(through)s
), ordered AS (
    SELECT p.*, (row_number() OVER (PARTITION BY p.pile, p.lexeme ORDER BY p.impact DESC, p.number) - 1) / 200 AS block
    FROM place p
)
INSERT INTO reference_postings (pile, lexeme, ceiling, segment, numbers, impacts)
SELECT o.pile, o.lexeme, max(o.impact), (SELECT segment FROM added),
       array_agg(o.number ORDER BY o.impact DESC, o.number), array_agg(o.impact ORDER BY o.impact DESC, o.number)
FROM ordered o GROUP BY o.pile, o.lexeme, o.block

-- name: analyze_lists
ANALYZE reference_postings, reference_segments, reference_text_words

-- ----------------------------------------------------------------------------------------------------
-- Search. The work is done by the SQL function `search_reference`: functions/search_reference.sql.

-- name: search
SELECT rank, score, vector_rank, vector_score, text_rank, text_score, content, before, after, records, weak, others,
       licence, attribution, url, scorer
FROM search_reference(
    query_text => %(query)s, query_embedding => %(vector)s::vector, k => %(k)s, sources => %(sources)s::text[],
    categories => %(categories)s::text[], granularities => %(granularities)s::text[], labels => %(labels)s::text[],
    documents => %(documents)s::uuid[], vector_weight => %(vector_weight)s,
    text_weight => %(text_weight)s, fusion_constant => %(fusion_constant)s, context => %(context)s,
    search_labels => %(search_labels)s, feedback_texts => %(feedback_texts)s, ef_search => %(ef_search)s,
    min_score => %(min_score)s, fold => %(fold)s, space => %(space)s)

-- name: find_documents
SELECT id FROM reference_documents WHERE reference_is_visible(tenant_id)
  AND (title = ANY (%(named)s) OR source_id = ANY (%(named)s) OR id::text = ANY (%(named)s))

-- name: asked_words
-- The words of a query as they are looked for, each with how much it tells.
SELECT word, weight FROM reference_question(%(query)s, NULL, 0) q CROSS JOIN unnest(q.words, q.weights) w (word, weight)

-- name: words_looked_for
-- Words as they stand in a text, each with the forms in which it is looked for.
SELECT word, tsvector_to_array(reference_tsvector(word)) FROM unnest(%(words)s::text[]) word

-- name: categories
SELECT DISTINCT category FROM reference_records WHERE category IS NOT NULL

-- name: has_documents
SELECT FROM reference_documents WHERE tenant_id = %(tenant)s LIMIT 1

-- name: phrases
-- Phrases with whether any text holds them; without those of stop words alone, which ask for nothing.
SELECT phrase, EXISTS (SELECT FROM reference_texts WHERE content_tsv @@ query)
FROM unnest(%(phrases)s::text[]) phrase CROSS JOIN reference_phrase(phrase) query
WHERE numnode(query) > 0
