CREATE OR REPLACE FUNCTION reference_likely_texts(topic reference_label, filters reference_filters, candidates integer)
RETURNS bytea[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    -- Where filters let few through, not all of a long list is asked whether it passes.
    RETURN (SELECT coalesce(array_agg(c.content_hash), '{}') FROM (
        SELECT l.content_hash, max(l.probability) AS probability
        FROM unnest(ARRAY['', nullif(current_setting('bootstrap.tenant', true), '')]) o (pile)
        CROSS JOIN LATERAL (
            SELECT * FROM label_likelihoods n WHERE n.source = (topic).source AND n.label = (topic).label AND n.pile = o.pile
            ORDER BY n.probability DESC LIMIT 20 * candidates) l
        WHERE EXISTS (
            SELECT FROM reference_records r WHERE r.content_hash = l.content_hash AND reference_passes(
                r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters))
          AND ((filters).phrase IS NULL OR EXISTS (
            SELECT FROM reference_texts t WHERE t.content_hash = l.content_hash AND t.content_tsv @@ (filters).phrase))
        GROUP BY l.content_hash ORDER BY 2 DESC, 1 LIMIT candidates) c);
END $$;
COMMENT ON FUNCTION reference_likely_texts IS 'The texts that most probably have a label, by its scorer, of those that pass the filters.';
