-- Circuit breakers, shared by all processes.

-- name: open_breakers
SELECT name, reason, greatest(extract(epoch FROM retry_at - clock_timestamp()), 0)::double precision
FROM bootstrap_breakers WHERE open AND name = ANY(%(names)s) ORDER BY name

-- name: take_probe
-- Of all processes one at a time may try whether it works again, for so long that its attempts find room.
WITH taken AS (
    UPDATE bootstrap_breakers SET probe_until = clock_timestamp() + interval '5 minutes'
    WHERE name = %(name)s AND open AND retry_at <= clock_timestamp() AND probe_until < clock_timestamp()
    RETURNING name
)
SELECT reason, EXISTS (SELECT 1 FROM taken) FROM bootstrap_breakers WHERE name = %(name)s AND open

-- name: give_back_probes
UPDATE bootstrap_breakers SET probe_until = '-infinity' WHERE name = ANY(%(names)s)

-- name: open_breaker
INSERT INTO bootstrap_breakers AS b (name, open, reason, retry_at)
VALUES (%(name)s, true, %(reason)s, clock_timestamp() + make_interval(secs => %(cool_down)s))
ON CONFLICT (name) DO UPDATE SET
    open = true, reason = EXCLUDED.reason, retry_at = EXCLUDED.retry_at, probe_until = '-infinity',
    opened_at = CASE WHEN b.open THEN b.opened_at ELSE clock_timestamp() END

-- name: close_breakers
UPDATE bootstrap_breakers SET open = false, probe_until = '-infinity' WHERE open AND name = ANY(%(names)s)

-- name: list_breakers
SELECT name, CASE WHEN NOT open THEN 'closed' WHEN retry_at <= now() THEN 'half-open' ELSE 'open' END,
       reason, opened_at, retry_at
FROM bootstrap_breakers ORDER BY open DESC, name
