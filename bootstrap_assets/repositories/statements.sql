-- Repositories: what was said of blobs, and the index of each repository.

-- name: add_blob
INSERT INTO repository_blobs (oid, language, version, content) VALUES (%(oid)s, %(language)s, %(version)s, %(content)s)
ON CONFLICT DO NOTHING;

-- name: blobs
SELECT oid, language FROM repository_blobs WHERE version = %(version)s AND oid = ANY (%(oids)s);

-- name: blob
SELECT content FROM repository_blobs WHERE version = %(version)s AND oid = %(oid)s AND language = %(language)s;

-- name: snapshot
SELECT commit_id FROM repository_snapshots WHERE repository = %(repository)s AND version = %(version)s;

-- name: snapshot_files
SELECT path, oid, language, reason, lines, findings, references_digest, reach FROM repository_files
WHERE repository = %(repository)s;

-- name: callables
SELECT name, path FROM repository_symbols WHERE repository = %(repository)s AND kind = ANY (%(kinds)s);

-- name: waiting_paths
SELECT DISTINCT path FROM repository_references
WHERE repository = %(repository)s AND kind = 'call' AND how IN ('', 'unique') AND name = ANY (%(names)s);

-- name: is_indexed
SELECT FROM repository_snapshots WHERE repository = %(repository)s AND commit_id = %(commit)s AND version = %(version)s;

-- name: lock_repository
-- What is stored of a repository stays as it is until the transaction ends: repository_swap takes the same lock.
SELECT pg_advisory_xact_lock(hashtextextended('bootstrap repository ' || %(repository)s, 0));

-- name: stage_repository
DROP TABLE IF EXISTS pg_temp.stage_repository_files, pg_temp.stage_repository_symbols,
    pg_temp.stage_repository_references, pg_temp.stage_repository_dependencies;
CREATE TEMP TABLE pg_temp.stage_repository_files (
    path text, oid text, size bigint, language text, reason text, lines integer, cycle integer, findings jsonb,
    references_digest bytea, reach text[], is_moved boolean, is_changed boolean DEFAULT true
) ON COMMIT DROP;
CREATE TEMP TABLE pg_temp.stage_repository_symbols (
    id uuid, path text, kind text, qualified_name text, ordinal integer, name text, signature text, docstring text,
    line integer, end_line integer, visibility text
) ON COMMIT DROP;
CREATE TEMP TABLE pg_temp.stage_repository_references (
    path text, line integer, col integer, name text, kind text, scope text, to_path text, to_name text, to_line integer,
    package text, how text, confidence real
) ON COMMIT DROP;
CREATE TEMP TABLE pg_temp.stage_repository_dependencies (from_path text, to_path text, package text) ON COMMIT DROP;

-- name: analyze_stage
ANALYZE pg_temp.stage_repository_files, pg_temp.stage_repository_symbols, pg_temp.stage_repository_references,
    pg_temp.stage_repository_dependencies;

-- name: swap
SELECT repository_swap(%(repository)s, %(address)s, %(ref)s, %(commit)s, %(version)s, %(tenant)s, %(base)s);

-- name: forget_repository
DELETE FROM repository_snapshots WHERE repository = %(repository)s;

-- name: forget_blobs
-- What was said of blobs that no index has (any more): it may be a tenant's own.
DELETE FROM repository_blobs b WHERE NOT EXISTS (SELECT FROM repository_files f WHERE f.oid = b.oid);

-- ----------------------------------------------------------------------------------------------------
-- The repositories that are kept indexed, and the jobs that index them.

-- name: has_owner
SELECT 1 FROM bootstrap_tenants WHERE name = %(tenant)s

-- name: add_repository
INSERT INTO repositories AS r (name, address, ref, tenant_id) VALUES (%(name)s, %(address)s, %(ref)s, %(tenant)s)
ON CONFLICT (name) DO UPDATE SET address = EXCLUDED.address, ref = EXCLUDED.ref
WHERE r.tenant_id IS NOT DISTINCT FROM EXCLUDED.tenant_id
RETURNING xmax = 0

-- name: repositories
SELECT name, address, ref, tenant_id FROM repositories
WHERE %(names)s::text[] IS NULL OR name = ANY (%(names)s) ORDER BY name

-- name: repositories_of_tenant
SELECT name FROM repositories WHERE tenant_id = %(tenant)s ORDER BY name

-- name: drop_repository
DELETE FROM repositories WHERE name = %(name)s

-- name: states
-- Each repository with its last job, and the counts of its index, which are those of the job that it came by.
SELECT r.name, r.address, r.ref, r.tenant_id, coalesce(s.commit_id, ''), coalesce(j.status, 'pending'), coalesce(j.stage, ''),
       coalesce(j.stage_seconds, '{}'), i.files, i.symbols, i."references", i.dependencies, i.findings,
       coalesce(j.attempts, 0), coalesce(j.correlation_id, ''), j.error_class, coalesce(j.reason, ''), s.indexed_at, j.id
FROM repositories r LEFT JOIN repository_snapshots s ON s.repository = r.name
LEFT JOIN LATERAL (SELECT * FROM index_jobs j WHERE j.repository = r.name ORDER BY j.id DESC LIMIT 1) j ON true
LEFT JOIN LATERAL (SELECT * FROM index_jobs i WHERE i.repository = r.name AND i.commit_id = s.commit_id
                     AND i.status IN ('completed', 'completed_with_findings') ORDER BY i.id DESC LIMIT 1) i ON true
WHERE %(names)s::text[] IS NULL OR r.name = ANY (%(names)s)
ORDER BY r.name

-- name: supersede_jobs
-- What was asked for before and did not begin is not wanted any more.
UPDATE index_jobs SET status = 'cancelled', reason = 'another commit was asked for', ended_at = clock_timestamp()
WHERE repository = %(repository)s AND status = 'pending' AND revision <> %(revision)s

-- name: put_job
INSERT INTO index_jobs (repository, address, ref, revision, tenant_id, correlation_id)
SELECT name, address, ref, %(revision)s, tenant_id, %(correlation)s FROM repositories WHERE name = %(repository)s
ON CONFLICT (repository, revision) WHERE status IN ('pending', 'processing') DO UPDATE SET not_before = '-infinity'
RETURNING id, correlation_id

-- name: is_new_commit
-- Neither indexed nor asked for before: a job that failed, or that somebody cancelled, is tried again by `retry` alone.
SELECT NOT EXISTS (SELECT FROM repository_snapshots s WHERE s.repository = %(repository)s AND s.commit_id = %(commit)s
                     AND s.version = %(version)s)
   AND NOT EXISTS (SELECT FROM index_jobs j WHERE j.repository = %(repository)s AND %(commit)s IN (j.revision, j.commit_id)
                     AND (j.status IN ('pending', 'processing', 'failed') OR (j.status = 'cancelled' AND j.reason = 'cancelled')))

-- name: is_cancelled
SELECT FROM index_jobs WHERE repository = %(repository)s AND correlation_id = %(correlation)s AND status = 'cancelled'

-- name: retry_jobs
-- The last job of a repository, where it failed or was cancelled.
UPDATE index_jobs SET status = 'pending', attempts = 0, not_before = '-infinity', ended_at = NULL, error_class = NULL,
    reason = NULL, stage = '', stage_seconds = '{}'
WHERE id IN (SELECT max(id) FROM index_jobs GROUP BY repository) AND status IN ('failed', 'cancelled')
  AND (%(names)s::text[] IS NULL OR repository = ANY (%(names)s))
RETURNING repository

-- name: retry_texts
UPDATE bootstrap_failures SET resolved_at = clock_timestamp()
WHERE source = %(source)s AND resolved_at IS NULL AND content_hash IN (
    SELECT content_hash FROM reference_records WHERE document_id = ANY (%(documents)s))

-- name: open_jobs
-- Those that wait or were begun, with the seconds until they may be tried: of these repositories, or of all.
SELECT id, repository, greatest(0, coalesce(extract(epoch FROM nullif(not_before, '-infinity') - clock_timestamp()), 0))::float8
FROM index_jobs
WHERE status IN ('pending', 'processing') AND (%(names)s::text[] IS NULL OR repository = ANY (%(names)s))
ORDER BY not_before, id

-- name: waiting_runs
-- What a run is to be made for: the first open job of each repository that may be tried now.
SELECT DISTINCT ON (j.repository) j.repository, j.id, j.attempts, j.revision, j.correlation_id FROM index_jobs j
WHERE j.status IN ('pending', 'processing') AND j.not_before <= clock_timestamp()
  AND (j.status = 'pending' OR j.heartbeat_at < clock_timestamp() - interval '2 minutes')
ORDER BY j.repository, j.id

-- name: begin_job
-- At the address and ref that the repository has now: it may have got other ones since the job was asked for.
UPDATE index_jobs j SET status = 'processing', owner = %(owner)s, heartbeat_at = clock_timestamp(), stage = '', stage_seconds = '{}',
    began_at = clock_timestamp(), attempts = attempts + 1, address = r.address, ref = r.ref
FROM repositories r
WHERE j.id = %(job)s AND j.status IN ('pending', 'processing') AND j.not_before <= clock_timestamp() AND r.name = j.repository
RETURNING j.id, j.repository, j.address, j.ref, j.revision, j.tenant_id, j.correlation_id, j.attempts

-- name: put_stage
UPDATE index_jobs SET stage = %(stage)s, stage_seconds = %(seconds)s, heartbeat_at = clock_timestamp()
WHERE id = %(job)s AND owner = %(owner)s

-- name: hold_job
-- In the transaction that swaps the index: nobody takes the job over until it ends, and who removes it waits.
SELECT 1 FROM index_jobs WHERE id = %(job)s AND owner = %(owner)s AND status = 'processing' FOR UPDATE

-- name: end_job
UPDATE index_jobs SET status = %(status)s, commit_id = %(commit)s, stage_seconds = %(seconds)s, owner = NULL, heartbeat_at = NULL,
    error_class = NULL, reason = %(reason)s, ended_at = clock_timestamp(), files = %(files)s, symbols = %(symbols)s,
    "references" = %(references)s, dependencies = %(dependencies)s, findings = %(findings)s
WHERE id = %(job)s AND owner = %(owner)s

-- name: put_job_back
UPDATE index_jobs SET status = 'pending', owner = NULL, heartbeat_at = NULL, attempts = attempts - %(free)s,
    not_before = clock_timestamp() + %(delay)s * interval '1 second', error_class = %(class)s, reason = %(reason)s
WHERE id = %(job)s AND owner = %(owner)s AND status = 'processing'

-- name: fail_job
UPDATE index_jobs SET status = 'failed', owner = NULL, heartbeat_at = NULL, ended_at = clock_timestamp(), error_class = %(class)s,
    reason = %(reason)s, stage_seconds = %(seconds)s
WHERE id = %(job)s AND owner = %(owner)s

-- name: cancel_jobs
UPDATE index_jobs SET status = 'cancelled', reason = 'cancelled', owner = NULL, heartbeat_at = NULL, ended_at = clock_timestamp()
WHERE repository = %(repository)s AND status IN ('pending', 'processing')

-- name: beat_job
UPDATE index_jobs SET heartbeat_at = clock_timestamp() WHERE id = %(job)s AND owner = %(owner)s AND status = 'processing'
RETURNING 1

-- name: queue
-- Jobs that wait or were begun; of those that ended in the last so many hours, how many there were and how many failed.
SELECT count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'processing'),
       count(*) FILTER (WHERE is_recent AND status IN ('completed', 'completed_with_findings', 'failed')),
       count(*) FILTER (WHERE is_recent AND status = 'failed')
FROM (SELECT status, ended_at > now() - %(hours)s * interval '1 hour' AS is_recent FROM index_jobs) j

-- name: counts
SELECT (SELECT count(*) FROM repository_files WHERE repository = %(repository)s AND reason = ''),
       (SELECT count(*) FROM repository_symbols WHERE repository = %(repository)s),
       (SELECT count(*) FROM repository_references WHERE repository = %(repository)s),
       (SELECT count(*) FROM repository_dependencies WHERE repository = %(repository)s),
       (SELECT coalesce(sum(jsonb_array_length(findings)), 0)::bigint FROM repository_files WHERE repository = %(repository)s)

-- ----------------------------------------------------------------------------------------------------
-- Files as documents of the corpus.

-- name: paths
SELECT path FROM repository_files WHERE repository = %(repository)s

-- name: versions_of_documents
SELECT source_id, metadata ->> 'version' FROM reference_documents WHERE id = ANY (%(documents)s)

-- name: refused_texts
SELECT count(DISTINCT r.content_hash) FROM reference_records r JOIN bootstrap_failures f
  ON f.content_hash = r.content_hash AND f.source = r.source AND f.space_id = %(space)s AND f.resolved_at IS NULL
WHERE r.document_id = ANY (%(documents)s)

-- ----------------------------------------------------------------------------------------------------
-- What is asked of an index.

-- name: list_symbols
SELECT name, qualified_name, kind, path, line, end_line, signature, docstring, visibility FROM repository_symbols
WHERE repository = %(repository)s AND (%(kind)s::text IS NULL OR kind = %(kind)s)
  AND (%(path)s::text IS NULL OR path = %(path)s OR starts_with(path, rtrim(%(path)s, '/') || '/'))
  AND (%(name)s::text IS NULL OR qualified_name = %(name)s)
ORDER BY path, line, qualified_name, ordinal

-- name: list_references
SELECT path, line, name, kind, CASE WHEN to_path = '' THEN package ELSE to_name END, how, confidence, to_path, scope
FROM repository_references
WHERE repository = %(repository)s AND (%(to)s::text IS NULL OR to_name = %(to)s)
  AND (%(kinds)s::text[] IS NULL OR kind = ANY (%(kinds)s)) AND (%(path)s::text IS NULL OR path = %(path)s)
ORDER BY path, line, col

-- name: list_dependencies
SELECT from_path, to_path, package FROM repository_dependencies
WHERE repository = %(repository)s ORDER BY from_path, to_path, package

-- name: list_cycles
SELECT array_agg(path ORDER BY path) FROM repository_files
WHERE repository = %(repository)s AND cycle IS NOT NULL GROUP BY cycle ORDER BY count(*) DESC, min(path)

-- name: list_findings
SELECT path, finding ->> 0, finding ->> 1, (finding ->> 2)::integer
FROM repository_files, jsonb_array_elements(findings) finding WHERE repository = %(repository)s ORDER BY path, 4 LIMIT %(most)s

-- name: languages
SELECT language, count(*), sum(lines)::bigint FROM repository_files
WHERE repository = %(repository)s AND reason = '' GROUP BY language ORDER BY count(*) DESC, language

-- name: reasons
SELECT reason, count(*) FROM repository_files
WHERE repository = %(repository)s AND reason <> '' GROUP BY reason ORDER BY count(*) DESC, reason
