CREATE OR REPLACE FUNCTION reference_count_texts() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    more bigint := (SELECT count(*) FROM changed) * CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
    IF more <> 0 THEN  -- another time than the one before, even where the clock stands still
        EXECUTE format(
            'INSERT INTO %1$I.reference_text_changes AS c (texts, changed_at) VALUES ($1, clock_timestamp())
             ON CONFLICT (one) DO UPDATE SET texts = c.texts + EXCLUDED.texts,
                 changed_at = greatest(EXCLUDED.changed_at, c.changed_at + interval ''1 microsecond'')', TG_TABLE_SCHEMA)
        USING more;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION reference_count_texts IS 'Keeps reference_text_changes, a statement at a time.';
