CREATE OR REPLACE FUNCTION reference_corpus_version() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN (SELECT coalesce(sum(texts), 0) || ' ' || coalesce(bit_xor(digest), 0) FROM reference_text_changes);
COMMENT ON FUNCTION reference_corpus_version IS
    'Number and digest of the texts: another text as soon as texts came or went, and the same for the same texts.';
