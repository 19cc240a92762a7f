-- A sign of life comes every half minute; thirty minutes without one, and nobody works there any more.
CREATE OR REPLACE FUNCTION document_is_stale(stage text, heartbeat_at timestamptz, at timestamptz DEFAULT now())
    RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(stage IN ('extracting', 'chunking', 'embedding', 'connecting')
                    AND coalesce(heartbeat_at, '-infinity') < at - interval '30 minutes', false);
COMMENT ON FUNCTION document_is_stale IS 'Whether the work that a document is said to be in has stopped without a word.';
