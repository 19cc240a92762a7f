-- ----------------------------------------------------------------------------------------------------
-- Tenants.

-- name: add_tenant
INSERT INTO bootstrap_tenants AS t (name, priority, at_work) VALUES (%(name)s, %(priority)s, %(at_work)s)
ON CONFLICT (name) DO UPDATE SET priority = EXCLUDED.priority, at_work = EXCLUDED.at_work
RETURNING xmax = 0

-- name: list_tenants
SELECT t.name, t.priority, t.at_work, count(d.document_id), count(*) FILTER (WHERE d.stage = 'failed'),
       coalesce(sum(d.passages), 0)::bigint
FROM bootstrap_tenants t LEFT JOIN document_states d ON d.tenant_id = t.name
GROUP BY t.name ORDER BY t.priority DESC, t.name

-- name: has_tenant
SELECT 1 FROM bootstrap_tenants WHERE name = %(name)s

-- name: role
-- Why row security would hold nothing back from a role.
SELECT r.rolsuper, r.rolbypassrls, pg_has_role(r.oid, c.relowner, 'MEMBER')
FROM pg_roles r CROSS JOIN pg_class c WHERE r.rolname = %(role)s AND c.oid = 'reference_records'::regclass

-- name: tables_of_spaces
SELECT table_name FROM embedding_spaces WHERE state <> 'dropped' AND to_regclass(quote_ident(table_name)) IS NOT NULL

-- name: hold_tenant
SELECT 1 FROM bootstrap_tenants WHERE name = %(name)s FOR UPDATE

-- name: forget_letters
-- Dead letters of what only this document has: the provider's words may quote the text.
DELETE FROM bootstrap_failures f USING reference_records r
WHERE r.document_id = %(document)s AND f.source = %(source)s AND f.content_hash = r.content_hash
  AND NOT EXISTS (SELECT FROM reference_records o WHERE o.content_hash = r.content_hash AND o.source = r.source
                  AND o.document_id <> r.document_id)

-- name: forget_tenant
DELETE FROM bootstrap_tenants WHERE name = %(name)s

-- ----------------------------------------------------------------------------------------------------
-- States of documents.

-- name: put_documents
INSERT INTO document_states AS d (document_id, tenant_id, name, version, bytes, origin, signature)
SELECT a.document, %(tenant)s, a.name, a.version, a.size, %(origin)s, a.signature
FROM unnest(%(documents)s::uuid[], %(names)s::text[], %(versions)s::bytea[], %(sizes)s::bigint[], %(signatures)s::text[])
    a (document, name, version, size, signature)
ORDER BY a.document
ON CONFLICT (document_id) DO UPDATE SET
    version = EXCLUDED.version, bytes = EXCLUDED.bytes, origin = EXCLUDED.origin, signature = EXCLUDED.signature,
    stage = 'pending', completed_stages = '{}', stage_began_at = NULL, attempts = 0, error_class = NULL,
    reason = NULL, failed_stage = NULL, owner = NULL, heartbeat_at = NULL, is_cancelled = false, updated_at = now()
WHERE d.version <> EXCLUDED.version
RETURNING d.document_id

-- name: sign_documents
-- The same bytes, touched or copied anew: the next look need not read them.
UPDATE document_states d SET signature = a.signature, origin = %(origin)s
FROM unnest(%(documents)s::uuid[], %(signatures)s::text[]) a (document, signature)
WHERE d.document_id = a.document AND (d.signature, d.origin) IS DISTINCT FROM (a.signature, %(origin)s)

-- name: put_files
INSERT INTO document_files (document_id, content)
SELECT * FROM unnest(%(documents)s::uuid[], %(contents)s::bytea[])
ON CONFLICT (document_id) DO UPDATE SET content = EXCLUDED.content

-- name: list_documents
SELECT d.document_id, d.tenant_id, d.name, d.stage, d.completed_stages, d.bytes, d.pages, d.passages,
       (SELECT count(*) FROM reference_records r
        WHERE r.document_id = d.document_id AND EXISTS (
            SELECT FROM reference_vectors v WHERE v.content_hash = r.content_hash)),
       d.connections, d.attempts, d.error_class, d.reason, document_is_stale(d.stage, d.heartbeat_at), d.origin,
       d.version, d.heartbeat_at, d.created_at, d.is_cancelled
FROM document_states d
WHERE (%(tenant)s::text IS NULL OR d.tenant_id = %(tenant)s)
  AND (%(documents)s::uuid[] IS NULL OR d.document_id = ANY (%(documents)s))
ORDER BY d.tenant_id, d.name

-- name: resolve_document
SELECT document_id FROM document_states
WHERE (document_id::text = %(reference)s OR name = %(reference)s) AND (%(tenant)s::text IS NULL OR tenant_id = %(tenant)s)
LIMIT 2

-- name: retry_documents
-- From the stage on that is not done yet.
UPDATE document_states SET
    stage = CASE WHEN completed_stages ? 'embedded' THEN 'embedded' WHEN completed_stages ? 'chunked' THEN 'chunked'
                 WHEN completed_stages ? 'extracted' THEN 'extracted' ELSE 'pending' END,
    error_class = NULL, reason = NULL, failed_stage = NULL, owner = NULL, heartbeat_at = NULL, is_cancelled = false, updated_at = now()
WHERE tenant_id = %(tenant)s AND (stage = 'failed' OR is_cancelled)
  AND (%(documents)s::uuid[] IS NULL OR document_id = ANY (%(documents)s))

-- name: retry_passages
UPDATE bootstrap_failures SET resolved_at = clock_timestamp()
WHERE source = %(source)s AND resolved_at IS NULL AND content_hash IN (
    SELECT r.content_hash FROM document_states d JOIN reference_records r USING (document_id)
    WHERE d.tenant_id = %(tenant)s AND d.stage = 'failed' AND (%(documents)s::uuid[] IS NULL OR document_id = ANY (%(documents)s)))

-- name: extract_again
UPDATE document_states SET stage = 'pending', completed_stages = '{}', owner = NULL, error_class = NULL, reason = NULL,
    is_cancelled = false, updated_at = now()
WHERE document_id = %(document)s

-- name: cancel_document
UPDATE document_states SET is_cancelled = true, updated_at = now() WHERE document_id = %(document)s

-- name: forget_document
DELETE FROM document_states WHERE document_id = %(document)s

-- name: connect_again
UPDATE document_states SET stage = 'embedded', completed_stages = completed_stages - 'complete', updated_at = now()
WHERE tenant_id = %(tenant)s AND stage = 'complete'

-- name: count_by_stage
SELECT stage, count(*) FROM document_states WHERE tenant_id = %(tenant)s GROUP BY stage ORDER BY stage

-- name: failures_in
SELECT name, reason FROM document_states
WHERE tenant_id = %(tenant)s AND stage = 'failed' AND failed_stage = %(doing)s ORDER BY name

-- name: waiting_version
-- Work that stopped half way changes `updated_at` of no document: the same documents, no nearer to their end.
SELECT left(encode(sha256(convert_to(string_agg(document_id || stage || encode(version, 'hex') || updated_at, ' '
                                                ORDER BY document_id), 'UTF8')), 'hex'), 16)
FROM document_states WHERE tenant_id = %(tenant)s AND stage = ANY (%(stages)s) AND NOT is_cancelled

-- name: inbox_signatures
SELECT name, signature FROM document_states WHERE tenant_id = %(tenant)s AND origin = 'inbox'

-- ----------------------------------------------------------------------------------------------------
-- Work on documents. A session advisory lock says that a document is worked on: it is free when its process dies.

-- name: waiting_documents
-- Also those whose stage somebody began and did not end.
SELECT document_id FROM document_states
WHERE tenant_id = %(tenant)s AND stage = ANY (%(stages)s) AND NOT is_cancelled AND document_id <> ALL (%(held)s)
ORDER BY created_at, document_id LIMIT %(limit)s

-- name: at_work
-- Documents that are worked on, of all tenants and of this one, and how many of it there may be.
SELECT count(*), count(*) FILTER (WHERE d.tenant_id = %(tenant)s),
       (SELECT at_work FROM bootstrap_tenants WHERE name = %(tenant)s)
FROM document_states d JOIN pg_locks l ON l.objid::bigint = (document_lock(d.document_id)::bigint & 4294967295)
WHERE d.stage IN ('extracting', 'chunking', 'embedding', 'connecting')
  AND l.locktype = 'advisory' AND l.classid::bigint = %(class)s AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())

-- name: begin_stage
UPDATE document_states SET
    stage = %(stage)s, owner = %(owner)s, heartbeat_at = now(), stage_began_at = clock_timestamp(),
    attempts = attempts + (%(stage)s = 'extracting' OR owner IS NOT NULL)::integer
WHERE document_id = %(document)s AND stage = ANY (%(stages)s) AND NOT is_cancelled
RETURNING document_id, tenant_id, name, version, bytes

-- name: end_stage
-- Nothing, where its bytes changed meanwhile, or another process took it over.
UPDATE document_states SET
    stage = %(stage)s, owner = NULL, heartbeat_at = NULL, error_class = NULL, reason = NULL, updated_at = now(),
    completed_stages = completed_stages || jsonb_build_object(%(stage)s::text, jsonb_build_object(
        'at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'seconds',
        round(extract(epoch FROM clock_timestamp() - stage_began_at)::numeric, 3))),
    pages = coalesce(%(pages)s, pages), passages = coalesce(%(passages)s, passages),
    connections = coalesce(%(connections)s, connections)
WHERE document_id = %(document)s AND version = %(version)s AND owner = %(owner)s RETURNING 1

-- name: put_back
UPDATE document_states SET stage = %(stage)s, owner = NULL, heartbeat_at = NULL
WHERE document_id = ANY (%(documents)s) AND owner = %(owner)s

-- name: fail_document
UPDATE document_states SET
    stage = 'failed', failed_stage = stage, owner = NULL, heartbeat_at = NULL, error_class = %(class)s, reason = %(reason)s, updated_at = now()
WHERE document_id = %(document)s AND version = %(version)s AND owner = %(owner)s RETURNING 1

-- name: beat_documents
UPDATE document_states SET heartbeat_at = clock_timestamp() WHERE document_id = ANY (%(documents)s) AND owner = %(owner)s

-- name: is_unwanted
SELECT coalesce((SELECT is_cancelled OR version <> %(version)s OR owner IS DISTINCT FROM %(owner)s
                 FROM document_states WHERE document_id = %(document)s), true)

-- name: read_file
SELECT f.content FROM document_files f JOIN document_states d USING (document_id)
WHERE d.document_id = %(document)s AND d.version = %(version)s AND NOT d.is_cancelled

-- name: put_extraction
INSERT INTO document_extractions (document_id, version, extractor, document)
SELECT %(document)s, %(version)s, %(extractor)s, %(extracted)s
WHERE EXISTS (SELECT FROM document_states WHERE document_id = %(document)s AND version = %(version)s)
ON CONFLICT (document_id) DO UPDATE SET
    version = EXCLUDED.version, extractor = EXCLUDED.extractor, document = EXCLUDED.document, extracted_at = now()

-- name: read_extraction
SELECT document FROM document_extractions WHERE document_id = %(document)s

-- name: without_vector
-- Passages of each document that have no vector, and why, where it is known. {vectors} is the space's table.
SELECT r.document_id, count(*), min(f.message)
FROM reference_records r LEFT JOIN bootstrap_failures f
  ON f.content_hash = r.content_hash AND f.space_id = %(space)s AND f.resolved_at IS NULL
WHERE r.document_id = ANY (%(documents)s)
  AND NOT EXISTS (SELECT FROM {vectors} v WHERE v.content_hash = r.content_hash)
GROUP BY r.document_id

-- ----------------------------------------------------------------------------------------------------
-- Connections.

-- name: has_reference
-- Whether there is anything that passages can be like. Code and its documentation are not.
SELECT EXISTS (SELECT FROM reference_records r JOIN reference_vectors v USING (content_hash)
               WHERE r.tenant_id IS NULL AND r.source <> 'repositories')

-- name: forget_connections
DELETE FROM reference_connections c USING reference_records r
WHERE c.from_record = r.id AND r.document_id = ANY (%(documents)s) AND c.kind = %(kind)s

-- name: connect_documents
-- Of each passage its nearest texts of the reference corpus; of these the nearest records, one for each text, and the
-- best of each category and hypothesis. Rows that are being deleted are left out; the others stay until we are done.
WITH passages AS MATERIALIZED (
    SELECT r.id, r.document_id, v.embedding FROM reference_records r JOIN reference_vectors v USING (content_hash)
    WHERE r.document_id = ANY (%(documents)s) FOR KEY SHARE OF r
), near AS MATERIALIZED (
    SELECT p.id AS passage, n.content_hash, n.score
    FROM passages p CROSS JOIN LATERAL reference_alike(p.embedding, %(score)s, %(nearest)s) n
), candidates AS (
    SELECT n.passage, r.id AS record, n.score,
           row_number() OVER (PARTITION BY n.passage, n.content_hash ORDER BY r.granularity IN ('document', 'template'), r.id) AS copy,
           dense_rank() OVER (PARTITION BY n.passage ORDER BY n.score DESC, n.content_hash) AS place,
           CASE WHEN coalesce(r.category, r.hypothesis) IS NOT NULL THEN row_number() OVER (
               PARTITION BY n.passage, r.source, r.category, r.hypothesis_id, r.nli_label ORDER BY n.score DESC, r.id) END AS of_label
    FROM near n CROSS JOIN LATERAL (
        SELECT * FROM reference_records r WHERE r.content_hash = n.content_hash AND r.tenant_id IS NULL AND r.source <> 'repositories' OFFSET 0) r
), held AS MATERIALIZED (
    SELECT c.passage, c.record, c.score
    FROM candidates c JOIN reference_records r ON r.id = c.record
    WHERE (c.copy = 1 AND c.place <= %(most)s) OR c.of_label = 1
    FOR KEY SHARE OF r
), made AS (
    INSERT INTO reference_connections (from_record, to_record, kind, score)
    SELECT passage, record, %(kind)s, score FROM held
    ON CONFLICT (from_record, to_record, kind) DO UPDATE SET score = EXCLUDED.score
    RETURNING from_record
)
SELECT p.document_id, count(*) FROM made m JOIN passages p ON p.id = m.from_record GROUP BY p.document_id

-- name: list_connections
SELECT c.from_record, c.to_record, c.score, r.category, r.hypothesis_id, r.nli_label, t.content
FROM reference_records p JOIN reference_connections c ON c.from_record = p.id AND c.kind = %(kind)s
JOIN reference_records r ON r.id = c.to_record JOIN reference_texts t ON t.content_hash = r.content_hash
WHERE p.document_id = %(document)s
ORDER BY p.char_start, c.score DESC, c.to_record

-- name: list_passages
SELECT id::text, char_start, char_end, (metadata ->> 'page')::integer, (metadata ->> 'chapter')::integer, section_path
FROM reference_records WHERE document_id = %(document)s ORDER BY char_start, source_id

-- name: text_of_document
SELECT raw_text FROM reference_documents WHERE id = %(document)s

-- name: labels_of_document
SELECT label, count(DISTINCT passage), max(score) FROM (
    SELECT coalesce(r.category, 'nda-' || r.hypothesis_id || ' ' || r.nli_label) AS label, c.from_record AS passage, c.score
    FROM reference_records p JOIN reference_connections c ON c.from_record = p.id AND c.kind = %(kind)s
    JOIN reference_records r ON r.id = c.to_record
    WHERE p.document_id = %(document)s AND coalesce(r.category, r.hypothesis) IS NOT NULL) labelled
GROUP BY label ORDER BY max(score) DESC, label LIMIT %(most)s

-- name: labels_of_tenant
SELECT label, count(DISTINCT document), count(DISTINCT passage), max(score) FROM (
    SELECT coalesce(r.category, 'nda-' || r.hypothesis_id || ' ' || r.nli_label) AS label, p.document_id AS document,
           c.from_record AS passage, c.score
    FROM reference_records p JOIN reference_connections c ON c.from_record = p.id AND c.kind = %(kind)s
    JOIN reference_records r ON r.id = c.to_record
    WHERE p.tenant_id = %(tenant)s AND coalesce(r.category, r.hypothesis) IS NOT NULL) labelled
GROUP BY label ORDER BY count(DISTINCT passage) DESC, label LIMIT %(most)s
