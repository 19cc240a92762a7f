-- The ledger of requests to providers, which is rate limiter and budget too.

-- name: reserve
SELECT * FROM embedding_reserve(%(limiter)s, %(space)s, %(source)s, %(run)s, %(texts)s, %(tokens)s, %(dollars)s,
                                %(requests_minute)s, %(tokens_minute)s, %(window)s, %(max_cost)s)

-- name: settle
UPDATE embedding_usage SET
    outcome = %(outcome)s, tokens = coalesce(%(tokens)s, tokens), cost_usd = coalesce(%(cost)s, cost_usd),
    seconds = %(seconds)s, answered_at = clock_timestamp()
WHERE id = %(request)s

-- name: pause_limiter
UPDATE embedding_limiters
SET paused_until = greatest(paused_until, clock_timestamp() + make_interval(secs => %(seconds)s))
WHERE name = %(limiter)s

-- name: paused
SELECT extract(epoch FROM paused_until - now())::double precision FROM embedding_limiters
WHERE name = %(limiter)s AND paused_until > now()

-- name: costs
SELECT (u.created_at AT TIME ZONE 'UTC')::date AS day, s.model, u.source,
       count(*) AS requests,
       count(*) FILTER (WHERE u.outcome NOT IN ('ok', 'in_flight', 'rate_limited')) AS failed,
       count(*) FILTER (WHERE u.outcome = 'rate_limited') AS limited,
       count(*) FILTER (WHERE u.outcome = 'in_flight') AS unanswered,
       coalesce(sum(u.texts) FILTER (WHERE u.outcome = 'ok'), 0) AS texts,
       coalesce(sum(u.tokens) FILTER (WHERE u.outcome = 'ok'), 0)::bigint AS tokens,
       coalesce(sum(u.cost_usd) FILTER (WHERE u.outcome = 'ok'), 0) AS dollars,
       coalesce(sum(u.cost_usd) FILTER (WHERE u.outcome <> 'ok'), 0) AS unsure_dollars
FROM embedding_usage u JOIN embedding_spaces s ON s.id = u.space_id
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3

-- name: lately
-- What the last requests of a space took: tokens and seconds, where nothing but the model sets the pace.
SELECT coalesce(sum(tokens), 0)::bigint, coalesce(sum(seconds), 0) FROM (
    SELECT tokens, seconds FROM embedding_usage WHERE space_id = %(space)s AND outcome = 'ok'
    ORDER BY id DESC LIMIT 50) u
