CREATE OR REPLACE FUNCTION reference_phrase(content text) RETURNS tsquery LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN phraseto_tsquery('pg_catalog.english'::regconfig, reference_plain(left(content, 200000)));
COMMENT ON FUNCTION reference_phrase IS 'A phrase as it is looked for in content_tsv.';
