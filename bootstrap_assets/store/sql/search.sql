-- Search. The work is done by the SQL function `search_reference`: migrations/versions/0006_search.up.sql.

-- name: search
SELECT rank, score, vector_rank, vector_score, text_rank, text_score, content, before, after, records, weak, others
FROM search_reference(
    query_text => %(query)s, query_embedding => %(vector)s::vector, k => %(k)s, sources => %(sources)s::text[],
    categories => %(categories)s::text[], granularities => %(granularities)s::text[], labels => %(labels)s::text[],
    tenants => %(tenants)s::text[], documents => %(documents)s::uuid[], vector_weight => %(vector_weight)s,
    text_weight => %(text_weight)s, fusion_constant => %(fusion_constant)s, context => %(context)s,
    search_labels => %(search_labels)s, feedback_texts => %(feedback_texts)s, ef_search => %(ef_search)s,
    min_score => %(min_score)s, fold => %(fold)s)

-- name: find_documents
SELECT id FROM reference_documents WHERE title = ANY (%(named)s) OR source_id = ANY (%(named)s) OR id::text = ANY (%(named)s)

-- name: asked_words
-- The words of a query as they are looked for, each with how much it tells.
SELECT word, weight FROM reference_question(%(query)s, NULL, 0) q CROSS JOIN unnest(q.words, q.weights) w (word, weight)

-- name: words_looked_for
-- Words as they stand in a text, each with the forms in which it is looked for.
SELECT word, tsvector_to_array(reference_tsvector(word)) FROM unnest(%(words)s::text[]) word

-- name: categories
SELECT DISTINCT category FROM reference_records WHERE category IS NOT NULL

-- name: tenants
SELECT DISTINCT tenant_id FROM reference_documents WHERE tenant_id IS NOT NULL

-- name: phrases
-- Phrases with whether any text holds them; without those of stop words alone, which ask for nothing.
SELECT phrase, EXISTS (SELECT FROM reference_texts WHERE content_tsv @@ query)
FROM unnest(%(phrases)s::text[]) phrase CROSS JOIN reference_phrase(phrase) query
WHERE numnode(query) > 0
