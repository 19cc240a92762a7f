DROP INDEX bootstrap_failures_resolved;
ALTER TABLE evaluation_vectors DROP COLUMN used_at;
DROP TABLE embedding_usage_daily;

CREATE OR REPLACE FUNCTION embedding_reserve(
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

DROP TABLE embedding_budgets;
DROP INDEX embedding_usage_run;
CREATE INDEX embedding_usage_run ON embedding_usage (run_id);
DROP INDEX embedding_usage_space_answered, embedding_usage_answered;
