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
-- The rows that are there, and the sums of those that were pruned.
WITH days AS (
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, space_id, source, count(*) AS requests,
           count(*) FILTER (WHERE outcome NOT IN ('ok', 'in_flight', 'rate_limited')) AS failed,
           count(*) FILTER (WHERE outcome = 'rate_limited') AS limited,
           count(*) FILTER (WHERE outcome = 'in_flight') AS unanswered,
           coalesce(sum(texts) FILTER (WHERE outcome = 'ok'), 0) AS texts,
           coalesce(sum(tokens) FILTER (WHERE outcome = 'ok'), 0) AS tokens,
           coalesce(sum(cost_usd) FILTER (WHERE outcome = 'ok'), 0) AS dollars,
           coalesce(sum(cost_usd) FILTER (WHERE outcome <> 'ok'), 0) AS unsure_dollars
    FROM embedding_usage GROUP BY 1, 2, 3
    UNION ALL
    SELECT day, space_id, source, requests, failed, limited, unanswered, texts, tokens, dollars, unsure_dollars
    FROM embedding_usage_daily
)
SELECT u.day, s.model, u.source, sum(u.requests)::bigint AS requests, sum(u.failed)::bigint AS failed,
       sum(u.limited)::bigint AS limited, sum(u.unanswered)::bigint AS unanswered, sum(u.texts)::bigint AS texts,
       sum(u.tokens)::bigint AS tokens, sum(u.dollars) AS dollars, sum(u.unsure_dollars) AS unsure_dollars
FROM days u JOIN embedding_spaces s ON s.id = u.space_id
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3

-- name: lately
-- What the last requests of a space took: tokens and seconds, where nothing but the model sets the pace.
SELECT coalesce(sum(tokens), 0)::bigint, coalesce(sum(seconds), 0) FROM (
    SELECT tokens, seconds FROM embedding_usage WHERE space_id = %(space)s AND outcome = 'ok'
    ORDER BY id DESC LIMIT 50) u
