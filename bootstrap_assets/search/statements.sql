-- ----------------------------------------------------------------------------------------------------
-- Questions about the state of a corpus; nothing here changes anything. {vectors} is the space's table.

-- name: some_vectors
-- By content hash: as good as drawn by lot, and the same each time.
SELECT content_hash, embedding::vector FROM {vectors} ORDER BY content_hash LIMIT %(queries)s

-- name: all_vectors
SELECT content_hash, embedding::vector FROM {vectors}

-- name: neighbours
SELECT embedding <=> %(vector)s AS distance FROM {vectors} WHERE content_hash <> %(hash)s
ORDER BY embedding <=> %(vector)s LIMIT %(k)s

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
-- Search. The work is done by the SQL function `search_reference`: functions/search_reference.sql.

-- name: search
SELECT rank, score, vector_rank, vector_score, text_rank, text_score, content, before, after, records, weak, others,
       licence, attribution, url
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
