CREATE OR REPLACE FUNCTION reference_lower(texts text[]) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT coalesce(array_agg(lower(t)), '{}') FROM unnest(texts) t);
