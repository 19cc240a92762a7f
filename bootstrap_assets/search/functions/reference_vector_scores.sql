CREATE OR REPLACE FUNCTION reference_vector_scores(vectors regclass, asked vector, hashes bytea[])
RETURNS TABLE (content_hash bytea, score double precision) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT e.content_hash, 1 - (e.embedding <=> $1) FROM %s e WHERE e.content_hash = ANY ($2)', vectors)
    USING asked, hashes;
END $$;
COMMENT ON FUNCTION reference_vector_scores IS 'Cosine of some texts'' vectors, of a space''s, and a vector.';
