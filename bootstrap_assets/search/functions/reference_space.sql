CREATE OR REPLACE FUNCTION reference_space(space integer DEFAULT NULL) RETURNS reference_space LANGUAGE plpgsql STABLE AS $$
    -- The active space is read through its view, which others may read who may not read its table, and which keeps it
    -- active until the reader's transaction ends. Any other one is read from its own table.
DECLARE
    searched reference_space;
    stored   text;
BEGIN
    SELECT s.table_name, s.id, 'reference_vectors'::regclass, s.feedback, (s.quality ->> 'ef_search')::integer,
           s.vector_weight, s.text_weight, s.context
    INTO stored, searched.id, searched.vectors, searched.feedback, searched.ef_search,
         searched.vector_weight, searched.text_weight, searched.context
    FROM embedding_spaces s WHERE CASE WHEN space IS NULL THEN s.state = 'active' ELSE s.id = space AND s.state <> 'dropped' END;
    IF space IS NULL THEN  -- without an active one there are no vectors, and words are ranked all the same
        searched.vectors := coalesce(searched.vectors, 'reference_vectors'::regclass);
        searched.vector_weight := coalesce(searched.vector_weight, 1);
        searched.text_weight := coalesce(searched.text_weight, 3);
        searched.context := coalesce(searched.context, 0.5);
        RETURN searched;
    END IF;
    searched.vectors := to_regclass(quote_ident(stored));
    IF searched.vectors IS NULL THEN
        RAISE EXCEPTION 'there is no space % to search', space USING ERRCODE = 'invalid_parameter_value',
            HINT = '`bootstrap spaces list` names those that there are';
    ELSIF NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
        WHERE i.indrelid = searched.vectors AND i.indisvalid AND a.amname = 'hnsw') THEN
        RAISE EXCEPTION 'space % has no valid index, and cannot be searched', space
            USING ERRCODE = 'invalid_parameter_value', HINT = '`bootstrap spaces build` completes it';
    END IF;
    RETURN searched;
END $$;
COMMENT ON FUNCTION reference_space IS
    'The space that is searched: that of this id, NULL for the active one. It has to have a valid index.';
