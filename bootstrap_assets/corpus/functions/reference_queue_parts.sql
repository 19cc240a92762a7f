CREATE OR REPLACE FUNCTION reference_queue_parts() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format(
        'INSERT INTO %I.reference_unsettled_texts (content_hash) SELECT unnest($1)', TG_TABLE_SCHEMA)
    USING ARRAY(SELECT DISTINCT part_hash FROM went);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION reference_queue_parts IS
    'Notes the passages that a long text has no longer in reference_unsettled_texts.';
