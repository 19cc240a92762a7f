CREATE OR REPLACE FUNCTION reference_corpus_version() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce((SELECT texts || ' ' || extract(epoch FROM changed_at) FROM reference_text_changes), '0');
COMMENT ON FUNCTION reference_corpus_version IS 'Another text as soon as texts came or went.';
