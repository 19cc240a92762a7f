-- name: lock_archives
-- What is locked stays, unless it is to be moved on.
INSERT INTO bootstrap_archives AS a (address, sha256, bytes)
SELECT * FROM unnest(%(addresses)s::text[], %(checksums)s::text[], %(sizes)s::bigint[]) new (address, sha256, bytes)
ORDER BY new.address
ON CONFLICT (address) DO UPDATE SET sha256 = EXCLUDED.sha256, bytes = EXCLUDED.bytes, first_seen_at = now()
WHERE %(accept)s AND a.sha256 <> EXCLUDED.sha256

-- name: locked_archives
SELECT address, sha256, bytes, first_seen_at FROM bootstrap_archives WHERE address = ANY (%(addresses)s)
