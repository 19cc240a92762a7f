CREATE OR REPLACE FUNCTION reference_alike(asked vector, lowest double precision, most integer)
RETURNS TABLE (content_hash bytea, score double precision) LANGUAGE plpgsql STABLE
SET hnsw.iterative_scan = strict_order SET hnsw.ef_search = 100 SET enable_seqscan = off SET search_path FROM CURRENT AS $$
    -- The index holds the vectors of all tenants. It gives them one by one, the nearest first, for as long as they are
    -- alike: a filter in its query would have it go on to the end of the graph where little of the reference is.
DECLARE
    left_over integer := most;
BEGIN
    FOR content_hash, score IN
        SELECT v.content_hash, 1 - (v.embedding <=> asked) FROM reference_vectors v ORDER BY v.embedding <=> asked
    LOOP
        EXIT WHEN score < lowest OR left_over = 0;
        CONTINUE WHEN NOT EXISTS (
            SELECT FROM reference_records r WHERE r.content_hash = reference_alike.content_hash
              AND r.tenant_id IS NULL AND r.source <> 'repositories');  -- code is no reference for a contract
        left_over := left_over - 1;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION reference_alike IS 'The texts of the reference corpus that are nearest to a vector: those with a cosine of `lowest` and more, at most so many.';
