CREATE OR REPLACE FUNCTION reference_few_texts(filters reference_filters, most integer) RETURNS bytea[]
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    few bytea[];
BEGIN
    IF filters IS NULL AND (SELECT o.texts FROM reference_text_totals o) > most THEN
        RETURN NULL;  -- nothing is left out, and what everybody may find are more already
    ELSIF (filters).documents IS NOT NULL AND (filters).phrase IS NULL THEN  -- which an index knows
        SELECT array_agg(f.content_hash) INTO few FROM (
            SELECT r.content_hash FROM unnest((filters).documents) d (id) CROSS JOIN LATERAL (
                SELECT * FROM reference_records r WHERE r.document_id = d.id OFFSET 0) r
            WHERE reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters)
            LIMIT most + 1) f;
    ELSIF (filters).phrase IS NULL THEN  -- planned for these filters: an index may know them
        EXECUTE 'SELECT array_agg(f.content_hash) FROM (
            SELECT r.content_hash FROM reference_records r
            WHERE reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, $1)
            LIMIT $2) f' INTO few USING filters, most + 1;
    ELSE  -- by the index over words, which goes no further than so many either
        SELECT array_agg(f.content_hash) INTO few FROM (
            SELECT r.content_hash FROM reference_texts t JOIN reference_records r ON r.content_hash = t.content_hash
            WHERE t.content_tsv @@ (filters).phrase
              AND reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters)
            LIMIT most + 1) f;
    END IF;
    RETURN CASE WHEN coalesce(cardinality(few), 0) <= most THEN coalesce(few, '{}') END;
END $$;
COMMENT ON FUNCTION reference_few_texts IS 'The texts that pass the filters where their records are at most so many, NULL where they are more.';
