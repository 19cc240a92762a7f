CREATE OR REPLACE FUNCTION reference_lower(texts text[]) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT coalesce(array_agg(lower(t)), '{}') FROM unnest(texts) t);
COMMENT ON FUNCTION reference_lower IS 'Texts in lower case; NULL stays NULL, an empty array stays empty.';
