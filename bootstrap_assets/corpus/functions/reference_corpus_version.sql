CREATE OR REPLACE FUNCTION reference_corpus_version() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN (SELECT count(*) || ' ' || coalesce(extract(epoch FROM max(created_at))::text, '') FROM reference_texts);
COMMENT ON FUNCTION reference_corpus_version IS 'Another text as soon as texts came or went.';
