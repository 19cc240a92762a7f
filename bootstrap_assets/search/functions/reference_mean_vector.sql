CREATE OR REPLACE FUNCTION reference_mean_vector(vectors regclass, hashes bytea[]) RETURNS vector LANGUAGE plpgsql STABLE AS $$
DECLARE mean vector;
BEGIN
    EXECUTE format('SELECT l2_normalize(avg(v.embedding::vector)) FROM %s v WHERE v.content_hash = ANY ($1)', vectors)
    INTO mean USING hashes;
    RETURN mean;
END $$;
COMMENT ON FUNCTION reference_mean_vector IS 'The direction in which some texts'' vectors, of a space''s, lie together.';
