CREATE OR REPLACE FUNCTION reference_likelihoods(topic reference_label, hashes bytea[])
RETURNS TABLE (content_hash bytea, probability double precision) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT l.content_hash, max(l.probability)::double precision
    FROM label_likelihoods l WHERE l.content_hash = ANY (hashes) AND l.source = (topic).source AND l.label = (topic).label
      AND l.pile IN ('', nullif(current_setting('bootstrap.tenant', true), ''))
    GROUP BY 1;
END $$;
COMMENT ON FUNCTION reference_likelihoods IS 'How likely it is, by a scorer, that texts have a label; those that are unlikely to are left out.';
