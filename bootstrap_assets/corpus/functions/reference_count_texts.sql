CREATE OR REPLACE FUNCTION reference_count_texts() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    more   bigint := (SELECT count(*) FROM changed) * CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
    digest bigint := (SELECT bit_xor(('x' || left(encode(content_hash, 'hex'), 16))::bit(64)::bigint) FROM changed);
BEGIN
    IF more <> 0 THEN
        EXECUTE format('INSERT INTO %I.reference_text_changes (texts, digest) VALUES ($1, $2)', TG_TABLE_SCHEMA)
        USING more, digest;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION reference_count_texts IS 'Writes a row of reference_text_changes for a statement.';
