-- Two documents at work with the same lock would only wait for each other.
CREATE OR REPLACE FUNCTION document_lock(document_id uuid) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashtext(document_id::text);
COMMENT ON FUNCTION document_lock IS 'Second key of the advisory lock that says that a document is worked on; the first is 0x646f6373.';
