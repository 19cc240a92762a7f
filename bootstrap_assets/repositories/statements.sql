-- Repositories: what was said of blobs, and the index of each repository.

-- name: add_blob
INSERT INTO repository_blobs (oid, language, version, content) VALUES (%(oid)s, %(language)s, %(version)s, %(content)s)
ON CONFLICT DO NOTHING;

-- name: blobs
SELECT oid, language, content FROM repository_blobs WHERE version = %(version)s AND oid = ANY (%(oids)s);

-- name: is_indexed
SELECT FROM repository_snapshots WHERE repository = %(repository)s AND commit_id = %(commit)s AND version = %(version)s;

-- name: stage_repository
DROP TABLE IF EXISTS pg_temp.stage_repository_files, pg_temp.stage_repository_symbols,
    pg_temp.stage_repository_references, pg_temp.stage_repository_dependencies;
CREATE TEMP TABLE pg_temp.stage_repository_files (
    path text, oid text, size bigint, language text, reason text, lines integer, cycle integer, findings jsonb,
    references_digest bytea, is_changed boolean DEFAULT true
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
SELECT repository_swap(%(repository)s, %(address)s, %(ref)s, %(commit)s, %(version)s, %(tenant)s);

-- name: forget_repository
DELETE FROM repository_snapshots WHERE repository = %(repository)s;
