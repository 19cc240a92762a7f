CREATE OR REPLACE FUNCTION embedding_reserve(
    the_limiter text, the_space integer, the_source text, the_run text, the_texts integer, the_tokens bigint,
    dollars double precision, requests_minute integer, tokens_minute bigint, window_seconds double precision,
    max_cost double precision, the_lane text DEFAULT NULL, the_priority integer DEFAULT 0,
    the_weight double precision DEFAULT 1
) RETURNS TABLE (request bigint, wait double precision, spent double precision)
LANGUAGE plpgsql AS $$
DECLARE
    pause timestamptz;
    expected bigint;
    reserved double precision;
    ratio double precision;
    leaving timestamptz;
    since timestamptz;
    counted bigint;
    before numeric;
    rest numeric;
    recent bigint;
    held numeric;
    pending bigint[];
    lane_name text := coalesce(the_lane, the_source, '');
    most_requests numeric := requests_minute;
    most_tokens numeric := tokens_minute;
    ahead numeric;
    rivals double precision;
    is_courteous boolean;
    is_own_share boolean := false;
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
        -- What is settled up to `through` is summed up already: what has to be added does not grow with the run.
        SELECT b.through, b.dollars, b.open INTO counted, before, pending FROM embedding_budgets b WHERE b.run_id = the_run;
        SELECT coalesce(sum(u.cost_usd), 0), count(*) INTO rest, recent
        FROM embedding_usage u WHERE u.run_id = the_run AND u.id > coalesce(counted, 0);
        SELECT coalesce(sum(u.cost_usd), 0) INTO held FROM embedding_usage u WHERE u.id = ANY(pending);
        spent := coalesce(before, 0) + rest + held;
        IF recent >= 200 THEN
            -- After an hour nobody waits for an answer any more: the estimate stays.
            INSERT INTO embedding_budgets AS b (run_id, through, dollars, open)
            SELECT the_run, max(r.id), coalesce(before, 0) + coalesce(sum(r.cost_usd) FILTER (WHERE NOT r.waits), 0),
                   coalesce(array_agg(r.id) FILTER (WHERE r.waits), '{}')
            FROM (SELECT u.id, u.cost_usd,
                         u.outcome = 'in_flight' AND u.created_at > clock_timestamp() - interval '1 hour' AS waits
                  FROM embedding_usage u
                  WHERE u.id IN (SELECT n.id FROM embedding_usage n
                                 WHERE n.run_id = the_run AND n.id > coalesce(counted, 0)
                                 UNION ALL SELECT unnest(pending))) r
            ON CONFLICT (run_id) DO UPDATE SET
                through = EXCLUDED.through, dollars = EXCLUDED.dollars, open = EXCLUDED.open,
                counted_at = clock_timestamp()
            WHERE b.through < EXCLUDED.through;
        END IF;
        IF spent + reserved > max_cost THEN
            RETURN QUERY SELECT NULL::bigint, NULL::double precision, spent;
            RETURN;
        END IF;
    END IF;
    -- The newest request that has to leave the window before this one fits.
    IF requests_minute IS NOT NULL THEN
        DELETE FROM embedding_lanes l WHERE l.limiter = the_limiter AND l.asked_at < clock_timestamp() - interval '1 day';
        INSERT INTO embedding_lanes AS l (limiter, lane, priority, weight, asked_at)
        VALUES (the_limiter, lane_name, the_priority, the_weight, clock_timestamp())
        ON CONFLICT (limiter, lane) DO UPDATE SET priority = EXCLUDED.priority, weight = EXCLUDED.weight, asked_at = EXCLUDED.asked_at;
        SELECT sum(l.tokens) FILTER (WHERE l.priority > the_priority AND l.waits_until > clock_timestamp()),
               sum(l.weight) FILTER (WHERE l.priority = the_priority AND l.waits_until > clock_timestamp()),
               coalesce(bool_or(l.priority > the_priority AND l.asked_at > clock_timestamp() - interval '1 hour'), false)
        INTO ahead, rivals, is_courteous
        FROM embedding_lanes l WHERE l.limiter = the_limiter AND l.lane <> lane_name;
        -- A tenth is kept for those who go first, while there are such, and room for what of theirs waits.
        IF is_courteous THEN
            most_requests := greatest(1, floor(most_requests * 0.9) - (ahead IS NOT NULL)::int);
            most_tokens := greatest(expected, most_tokens * 0.9 - coalesce(ahead, 0));
        END IF;
        since := clock_timestamp() - make_interval(secs => window_seconds);  -- once: the index finds what is newer
        SELECT max(w.created_at) INTO leaving FROM (
            SELECT created_at, count(*) OVER newer AS others, sum(tokens) OVER newer AS tokens
            FROM embedding_usage
            WHERE limiter = the_limiter AND created_at > since
            WINDOW newer AS (ORDER BY created_at DESC, id DESC)
        ) w WHERE w.others >= most_requests OR w.tokens + expected > most_tokens;
        -- Others of the same priority wait: who has had the share of his weight waits too. What begins below it may pass
        -- it: large requests would else leave a part of each minute to nobody.
        IF leaving IS NULL AND rivals > 0 THEN
            SELECT max(w.created_at) INTO leaving FROM (
                SELECT created_at, count(*) OVER newer AS others, sum(tokens) OVER newer AS tokens
                FROM embedding_usage
                WHERE limiter = the_limiter AND created_at > since AND lane = lane_name
                WINDOW newer AS (ORDER BY created_at DESC, id DESC)
            ) w WHERE w.others >= greatest(1, most_requests * the_weight / (the_weight + rivals))
                   OR w.tokens >= most_tokens * the_weight / (the_weight + rivals);
            is_own_share := leaving IS NOT NULL;
        END IF;
    END IF;
    IF leaving IS NOT NULL THEN
        wait := greatest(0.001, extract(epoch FROM leaving - clock_timestamp()) + window_seconds);
        IF is_own_share THEN
            wait := least(wait, window_seconds / 20);  -- those that wait may go
        ELSE
            UPDATE embedding_limiters SET full_until = leaving + make_interval(secs => window_seconds) WHERE name = the_limiter;
        END IF;
        UPDATE embedding_lanes l SET tokens = expected, waits_until = clock_timestamp() + make_interval(secs => wait + window_seconds / 10)
        WHERE l.limiter = the_limiter AND l.lane = lane_name;
        RETURN QUERY SELECT NULL::bigint, wait, NULL::double precision;
        RETURN;
    END IF;
    RETURN QUERY INSERT INTO embedding_usage AS u
        (space_id, source, run_id, limiter, lane, texts, estimated, tokens, cost_usd, seconds, outcome, created_at)
        VALUES (the_space, the_source, the_run, the_limiter, lane_name, the_texts, the_tokens, expected, reserved, 0, 'in_flight',
                clock_timestamp())
        RETURNING u.id, 0::double precision, NULL::double precision;
END $$;
COMMENT ON FUNCTION embedding_reserve IS 'Admit a request: its ledger row; or the seconds to wait for the rate limit; or, beyond the budget, only what is spent.';

-- Whatever search path the caller has: the tables are ours.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION embedding_reserve SET search_path = pg_catalog, %I, pg_temp', current_schema());
END $$;
