-- Search. The work is done by the SQL function `search_reference`: migrations/versions/0006_search.up.sql.

-- name: search
SELECT rank, score, vector_rank, vector_score, text_rank, text_score, content, before, after, records
FROM search_reference(
    query_text => %(query)s, query_embedding => %(vector)s::vector, k => %(k)s, sources => %(sources)s::text[],
    categories => %(categories)s::text[], granularities => %(granularities)s::text[], labels => %(labels)s::text[],
    tenants => %(tenants)s::text[], documents => %(documents)s::uuid[], vector_weight => %(vector_weight)s,
    text_weight => %(text_weight)s, fusion_constant => %(fusion_constant)s, context => %(context)s,
    search_labels => %(search_labels)s, feedback_texts => %(feedback_texts)s, ef_search => %(ef_search)s)

-- name: find_documents
SELECT id FROM reference_documents WHERE title = ANY (%(named)s) OR source_id = ANY (%(named)s) OR id::text = ANY (%(named)s)

-- name: headlines
-- The parts of texts that hold words of the query, which stand between \x02 and \x03.
SELECT ts_headline('pg_catalog.english', left(t.content, 20000), w.words,
                   E'StartSel=\x02, StopSel=\x03, MaxWords=60, MinWords=30, MaxFragments=1')
FROM unnest(%(texts)s::text[]) WITH ORDINALITY t (content, place) CROSS JOIN (
    SELECT string_agg(reference_word(lexeme)::text, ' | ')::tsquery AS words
    FROM unnest(to_tsvector('pg_catalog.english', %(query)s))
) w ORDER BY t.place

-- name: categories
SELECT DISTINCT category FROM reference_records WHERE category IS NOT NULL

-- name: phrases
-- Phrases with whether any text holds them; without those of stop words alone, which ask for nothing.
SELECT phrase, EXISTS (SELECT FROM reference_texts WHERE content_tsv @@ query)
FROM unnest(%(phrases)s::text[]) phrase CROSS JOIN phraseto_tsquery('pg_catalog.english', phrase) query
WHERE numnode(query) > 0
