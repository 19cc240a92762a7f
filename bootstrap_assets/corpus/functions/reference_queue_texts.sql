CREATE OR REPLACE FUNCTION reference_queue_texts() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    hashes bytea[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        hashes := ARRAY(SELECT DISTINCT content_hash FROM came);
    ELSIF TG_OP = 'DELETE' THEN
        hashes := ARRAY(SELECT DISTINCT content_hash FROM went);
    ELSE
        hashes := ARRAY(
            SELECT unnest(ARRAY[n.content_hash, o.content_hash]) FROM came n JOIN went o USING (id)
            WHERE (n.content_hash, n.granularity) IS DISTINCT FROM (o.content_hash, o.granularity) GROUP BY 1);
    END IF;
    EXECUTE format(
        'INSERT INTO %I.reference_unsettled_texts (content_hash) SELECT unnest($1)', TG_TABLE_SCHEMA) USING hashes;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION reference_queue_texts IS
    'Notes the texts that records came to have, or have no longer, in reference_unsettled_texts.';
