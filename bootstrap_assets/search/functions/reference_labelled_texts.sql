CREATE OR REPLACE FUNCTION reference_labelled_texts(
    words text[], weights double precision[], texts bytea[], labels bigint[], label_scores double precision[],
    filters reference_filters, candidates integer
) RETURNS bytea[] LANGUAGE sql STABLE AS $$
    -- Of a label that many texts have, those whose own words answer are among the texts already.
    WITH labelled AS MATERIALIZED (
        SELECT r.content_hash
        FROM (SELECT * FROM unnest(labels, label_scores) l (number, score) ORDER BY score DESC, number OFFSET 0) l
        CROSS JOIN LATERAL (
            SELECT r.content_hash FROM reference_records r WHERE r.label_number = l.number
              AND reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters)
              AND ((filters).phrase IS NULL OR EXISTS (
                  SELECT FROM reference_texts t WHERE t.content_hash = r.content_hash AND t.content_tsv @@ (filters).phrase))
            ORDER BY r.content_hash OFFSET 0
        ) r LIMIT 5 * candidates
    ), together AS MATERIALIZED (
        SELECT array_agg(DISTINCT b.content_hash) AS hashes FROM (
            SELECT content_hash FROM labelled UNION ALL SELECT unnest(texts)) b (content_hash)
    ), label AS (
        SELECT r.content_hash, max(l.score) AS score
        FROM together CROSS JOIN unnest(together.hashes) h (content_hash) JOIN reference_records r USING (content_hash)
        JOIN unnest(labels, label_scores) l (number, score) ON l.number = r.label_number
        WHERE reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters)
        GROUP BY 1
    )
    SELECT coalesce(array_agg(o.content_hash), '{}') FROM (
        SELECT b.content_hash FROM (
            SELECT s.content_hash, s.score FROM together CROSS JOIN LATERAL reference_text_scores(words, weights, together.hashes) s
            UNION ALL
            SELECT content_hash, score FROM label
        ) b GROUP BY 1 ORDER BY sum(b.score) DESC, b.content_hash LIMIT candidates) o
$$;
COMMENT ON FUNCTION reference_labelled_texts IS 'The best of some texts and of those that have the labels, by their words and labels together.';
