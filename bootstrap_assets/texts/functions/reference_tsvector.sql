-- A tsvector holds at most 1 MB. 200,000 characters always fit; the passages of a longer document cover the rest.
CREATE OR REPLACE FUNCTION reference_tsvector(content text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN to_tsvector('pg_catalog.english'::regconfig, left(reference_plain(left(content, 200000)), 200000));
COMMENT ON FUNCTION reference_tsvector IS 'The words of a text as they are looked up: English stems, without accents and ligatures. Of its first 200,000 characters.';
