-- A sign of life comes every half minute; thirty minutes without one, and nobody works there any more.
CREATE OR REPLACE FUNCTION bootstrap_is_stale(stage text, heartbeat_at timestamptz, at timestamptz DEFAULT now())
    RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(stage IN ('in_progress', 'embedding', 'embedded', 'stored')
                    AND coalesce(heartbeat_at, '-infinity') < at - interval '30 minutes', false);
COMMENT ON FUNCTION bootstrap_is_stale IS 'Whether work that a batch or source is said to be in has stopped without a word.';
