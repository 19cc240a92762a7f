CREATE OR REPLACE FUNCTION reference_nearest(vectors regclass, asked vector, filters reference_filters, wanted integer)
RETURNS bytea[] LANGUAGE plpgsql STABLE AS $$
    -- Planned each time for this table and these filters. A column of the type halfvec is compared as such: the vector
    -- is cast to it, not the column to vector, which would be without the index.
DECLARE
    passes CONSTANT text := format($query$
        SELECT v.content_hash FROM %s v
        WHERE EXISTS (
            SELECT FROM reference_records r %s WHERE r.content_hash = v.content_hash
              AND reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, $2))
        $query$, vectors, CASE WHEN (filters).phrase IS NOT NULL THEN
            'JOIN reference_texts t ON t.content_hash = r.content_hash AND t.content_tsv @@ ($2).phrase' END);
    near bytea[];
BEGIN
    EXECUTE format('SELECT array_agg(n.content_hash) FROM (%s ORDER BY v.embedding <=> $1 LIMIT $3) n', passes)
    INTO near USING asked, filters, wanted;
    IF coalesce(cardinality(near), 0) < wanted THEN
        -- A filter that few records pass may have ended the scan of the graph early: no index is on this.
        EXECUTE format('SELECT array_agg(n.content_hash) FROM (%s ORDER BY (v.embedding <=> $1) + 0 LIMIT $3) n', passes)
        INTO near USING asked, filters, wanted;
    END IF;
    RETURN coalesce(near, '{}');
END $$;
COMMENT ON FUNCTION reference_nearest IS 'The texts nearest to a vector, of a space''s vectors, that pass the filters: so many are wanted.';
