CREATE OR REPLACE FUNCTION reference_likely_texts(topic reference_label, filters reference_filters, candidates integer)
RETURNS bytea[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    -- What a record must be is asked text by text, the likeliest first, until enough are there; of a long list, where
    -- filters let few through, not of all.
    RETURN (SELECT coalesce(array_agg(c.content_hash), '{}') FROM (
        SELECT l.content_hash, max(l.probability) AS probability
        FROM unnest(ARRAY['', nullif(current_setting('bootstrap.tenant', true), '')]) o (pile)
        CROSS JOIN LATERAL (
            SELECT n.content_hash, n.probability FROM (
                SELECT i.content_hash, i.probability FROM label_likelihoods i
                WHERE i.source = (topic).source AND i.label = (topic).label AND i.pile = o.pile
                ORDER BY i.probability DESC LIMIT 20 * candidates) n
            WHERE (
                SELECT true FROM reference_records r WHERE r.content_hash = n.content_hash AND reference_passes(
                    r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters) LIMIT 1)
              AND ((filters).phrase IS NULL OR (
                SELECT t.content_tsv @@ (filters).phrase FROM reference_texts t WHERE t.content_hash = n.content_hash))
            LIMIT candidates) l
        GROUP BY l.content_hash ORDER BY 2 DESC, 1 LIMIT candidates) c);
END $$;
COMMENT ON FUNCTION reference_likely_texts IS 'The texts that most probably have a label, by its scorer, of those that pass the filters.';
