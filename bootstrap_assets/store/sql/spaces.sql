-- name: find_space
SELECT id, name, provider, model, dimensions, table_name, state FROM embedding_spaces
WHERE provider = %(provider)s AND model = %(model)s AND dimensions = %(dimensions)s AND element_type = 'vector'

-- name: active_space
SELECT id, name, provider, model, dimensions, table_name, state FROM embedding_spaces WHERE state = 'active'

-- name: building_space
SELECT id, name, provider, model, dimensions, table_name, state FROM embedding_spaces
WHERE state = 'building' ORDER BY id DESC LIMIT 1

-- name: known_spaces
SELECT id, name, provider, model, dimensions, table_name, state FROM embedding_spaces
ORDER BY state = 'active' DESC, state = 'building' DESC, id DESC

-- name: holds_vectors
SELECT EXISTS (SELECT FROM {vectors})

-- name: newest_space
SELECT id, name, provider, model, dimensions, table_name, state FROM embedding_spaces
ORDER BY state = 'active' DESC, id DESC LIMIT 1

-- name: add_space
INSERT INTO embedding_spaces (name, provider, model, dimensions, table_name)
VALUES (%(name)s, %(provider)s, %(model)s, %(dimensions)s, %(table_name)s)

-- name: create_vectors
CREATE TABLE {vectors} (
    content_hash bytea PRIMARY KEY REFERENCES reference_texts ON DELETE CASCADE,
    embedding    vector({dimensions}) NOT NULL,
    tokens       integer NOT NULL,
    pooled       boolean NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now()
);
-- parallel_workers: a long vector is TOASTed, so the heap is small and PostgreSQL would plan no parallel worker
-- for the index build; the build honours this setting. Not before: the primary key of the empty table would be built
-- by workers too, over temporary files, which a role's temp_file_limit may not allow.
ALTER TABLE {vectors} SET (parallel_workers = 2)

-- name: column_dimensions
SELECT atttypmod FROM pg_attribute WHERE attrelid = to_regclass(quote_ident(current_schema()) || '.' || quote_ident(%(table)s)) AND attname = 'embedding'

-- name: count_vectors
SELECT count(*) FROM {vectors}

-- name: count_uncovered
SELECT count(*) FROM reference_records r
WHERE NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.content_hash = r.content_hash)
  AND NOT EXISTS (SELECT 1 FROM bootstrap_failures f WHERE f.content_hash = r.content_hash
                  AND f.source = r.source AND f.space_id = %(space)s AND f.resolved_at IS NULL)

-- name: retire_others
UPDATE embedding_spaces SET state = 'retired' WHERE state = 'active' AND id <> %(id)s

-- name: refill_space
UPDATE embedding_spaces SET state = 'building' WHERE id = %(id)s AND state = 'retired'

-- name: activate_space
UPDATE embedding_spaces SET state = 'active', promoted_at = now() WHERE id = %(id)s AND state <> 'active'

-- name: replace_vectors
CREATE OR REPLACE VIEW reference_vectors AS SELECT content_hash, embedding::vector AS embedding FROM {vectors}

-- name: replace_view
CREATE OR REPLACE VIEW reference_embeddings AS
SELECT r.id, r.document_id, r.source, t.content, v.embedding::vector AS embedding, r.granularity,
       r.section_path, r.category, r.hypothesis_id, r.nli_label, r.content_hash, r.metadata
FROM reference_records r JOIN reference_texts t USING (content_hash) JOIN {vectors} v USING (content_hash)

-- name: fitted
SELECT fitted FROM embedding_spaces WHERE id = %(id)s

-- name: is_fitted
SELECT fitted IS NOT NULL AND fitted_of = reference_corpus_version() FROM embedding_spaces WHERE id = %(id)s

-- name: fit
UPDATE embedding_spaces SET fitted = %(fitted)s, fitted_of = %(of)s
WHERE id = %(id)s AND (fitted, fitted_of) IS DISTINCT FROM (%(fitted)s, %(of)s)

-- name: some_texts
-- One statement, so that the version is that of these texts.
SELECT reference_corpus_version(), ARRAY(
    SELECT t.content FROM reference_texts t WHERE EXISTS (
        SELECT FROM reference_records r WHERE r.content_hash = t.content_hash
          AND r.granularity NOT IN ('document', 'template'))
    ORDER BY t.content_hash LIMIT %(limit)s)
