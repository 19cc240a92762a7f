-- Dead letters by space, the ledger as rate limiter and budget, circuit breakers, stale batches.

ALTER TABLE bootstrap_progress DROP CONSTRAINT bootstrap_progress_status_check;
ALTER TABLE bootstrap_progress ADD CONSTRAINT bootstrap_progress_status_check
    CHECK (status IN ('pending', 'in_progress', 'completed', 'completed_with_failures', 'failed'));

ALTER TABLE bootstrap_batches ADD COLUMN failed integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN bootstrap_batches.failed IS 'Texts that are dead letters in the space that is filled.';

-- A sign of life comes every half minute; thirty minutes without one, and nobody works there any more.
CREATE FUNCTION bootstrap_is_stale(stage text, heartbeat_at timestamptz, at timestamptz DEFAULT now())
    RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(stage IN ('in_progress', 'embedding', 'embedded', 'stored')
                    AND coalesce(heartbeat_at, '-infinity') < at - interval '30 minutes', false);
COMMENT ON FUNCTION bootstrap_is_stale IS 'Whether work that a batch or source is said to be in has stopped without a word.';
CREATE INDEX bootstrap_batches_at_work ON bootstrap_batches (heartbeat_at)
    WHERE stage IN ('embedding', 'embedded', 'stored');

-- A text that one model refuses may be fine for another, so dead letters of vectors belong to a space.
ALTER TABLE bootstrap_failures
    ADD COLUMN space_id integer REFERENCES embedding_spaces ON DELETE CASCADE,
    ADD COLUMN ignored_at timestamptz,
    ADD CHECK ((stage = 'parse') = (space_id IS NULL));
DROP INDEX bootstrap_failures_once;
CREATE UNIQUE INDEX bootstrap_failures_parse_once
    ON bootstrap_failures (source, class, place, source_id) NULLS NOT DISTINCT WHERE stage = 'parse';
CREATE UNIQUE INDEX bootstrap_failures_text_once
    ON bootstrap_failures (space_id, source, content_hash, source_id) NULLS NOT DISTINCT WHERE stage <> 'parse';
CREATE INDEX bootstrap_failures_text ON bootstrap_failures (content_hash) WHERE resolved_at IS NULL;
COMMENT ON COLUMN bootstrap_failures.ignored_at IS 'When somebody said that this one is to be left as it is.';

-- A row is written before a request is sent, with the tokens it is expected to take, and corrected by the answer.
-- So the ledger also says what is in flight, for limits and budgets over all processes.
ALTER TABLE embedding_usage
    ADD COLUMN run_id text,
    ADD COLUMN limiter text NOT NULL DEFAULT '',
    ADD COLUMN estimated bigint NOT NULL DEFAULT 0,
    ADD COLUMN answered_at timestamptz,
    ADD CONSTRAINT embedding_usage_outcome_check CHECK (outcome IN (
        'in_flight', 'ok', 'rate_limited', 'failed', 'refused', 'denied', 'no_answer', 'bad_answer'));
CREATE INDEX embedding_usage_limiter ON embedding_usage (limiter, created_at);
CREATE INDEX embedding_usage_run ON embedding_usage (run_id);
COMMENT ON COLUMN embedding_usage.tokens IS 'Charged tokens; where no answer came back, the estimate, for it may have been charged.';

CREATE TABLE embedding_limiters (
    name         text PRIMARY KEY,
    paused_until timestamptz NOT NULL DEFAULT '-infinity',
    full_until   timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON TABLE embedding_limiters IS 'One row per account and model: locked while a request is admitted, and what a Retry-After says.';

CREATE FUNCTION embedding_reserve(
    the_limiter text, the_space integer, the_source text, the_run text, the_texts integer, the_tokens bigint,
    dollars double precision, requests_minute integer, tokens_minute bigint, window_seconds double precision,
    max_cost double precision
) RETURNS TABLE (request bigint, wait double precision, spent double precision)
LANGUAGE plpgsql AS $$
DECLARE
    pause timestamptz;
    expected bigint;
    reserved double precision;
    ratio double precision;
    leaving timestamptz;
BEGIN
    INSERT INTO embedding_limiters (name) VALUES (the_limiter) ON CONFLICT DO NOTHING;
    SELECT paused_until INTO pause FROM embedding_limiters WHERE name = the_limiter FOR UPDATE;
    IF pause > clock_timestamp() THEN
        RETURN QUERY SELECT NULL::bigint, extract(epoch FROM pause - clock_timestamp())::double precision, NULL::double precision;
        RETURN;
    END IF;
    -- What we estimate, corrected by what the provider lately counted for its answers.
    SELECT sum(u.tokens) / nullif(sum(u.estimated), 0) INTO ratio
    FROM (SELECT tokens, estimated FROM embedding_usage
          WHERE limiter = the_limiter AND outcome = 'ok' AND estimated > 0 ORDER BY created_at DESC LIMIT 50) u;
    expected := ceil(the_tokens * greatest(0.5, least(2, coalesce(ratio, 1))));
    -- A budget must not be passed: reserve more, and half as much again while nothing is known of the estimates.
    reserved := expected * CASE WHEN ratio IS NULL THEN 1.5 ELSE 1.1 END * dollars / 1e6;
    IF max_cost IS NOT NULL THEN
        SELECT coalesce(sum(cost_usd), 0) INTO spent FROM embedding_usage WHERE run_id = the_run;
        IF spent + reserved > max_cost THEN
            RETURN QUERY SELECT NULL::bigint, NULL::double precision, spent;
            RETURN;
        END IF;
    END IF;
    -- The newest request that has to leave the window before this one fits.
    IF requests_minute IS NOT NULL THEN
        SELECT max(w.created_at) INTO leaving FROM (
            SELECT created_at, count(*) OVER newer AS requests, sum(tokens) OVER newer AS tokens
            FROM embedding_usage
            WHERE limiter = the_limiter AND created_at > clock_timestamp() - make_interval(secs => window_seconds)
            WINDOW newer AS (ORDER BY created_at DESC, id DESC)
        ) w WHERE w.requests >= requests_minute OR w.tokens + expected > tokens_minute;
    END IF;
    IF leaving IS NOT NULL THEN
        UPDATE embedding_limiters SET full_until = leaving + make_interval(secs => window_seconds) WHERE name = the_limiter;
        RETURN QUERY SELECT NULL::bigint, greatest(0.001, extract(epoch FROM leaving - clock_timestamp()) + window_seconds)::double precision,
                            NULL::double precision;
        RETURN;
    END IF;
    RETURN QUERY INSERT INTO embedding_usage AS u
        (space_id, source, run_id, limiter, texts, estimated, tokens, cost_usd, seconds, outcome, created_at)
        VALUES (the_space, the_source, the_run, the_limiter, the_texts, the_tokens, expected, reserved, 0, 'in_flight',
                clock_timestamp())
        RETURNING u.id, 0::double precision, NULL::double precision;
END $$;
COMMENT ON FUNCTION embedding_reserve IS 'Admit a request: its ledger row; or the seconds to wait for the rate limit; or, beyond the budget, only what is spent.';

CREATE TABLE bootstrap_breakers (
    name        text PRIMARY KEY,
    open        boolean NOT NULL,
    reason      text NOT NULL,
    opened_at   timestamptz NOT NULL DEFAULT now(),
    retry_at    timestamptz NOT NULL,
    probe_until timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON TABLE bootstrap_breakers IS 'Circuit breakers of providers and sources. From retry_at on, one request may try whether it works again.';
