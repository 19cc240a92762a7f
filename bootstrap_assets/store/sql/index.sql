-- name: find_index
SELECT c.relname, i.indisvalid, c.reloptions
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
WHERE i.indrelid = %(table)s::regclass AND a.amname = 'hnsw' ORDER BY i.indisvalid DESC, c.oid DESC

-- name: create_index
CREATE INDEX {concurrently} {name} ON {vectors} USING hnsw (embedding vector_cosine_ops)
WITH (m = {m}, ef_construction = {ef_construction})

-- name: create_text_index
CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {table} USING gin ({column})

-- name: text_index
SELECT i.indisvalid FROM pg_index i WHERE i.indexrelid = to_regclass(%(name)s)

-- name: remember_index
UPDATE embedding_spaces SET index_parameters = %(parameters)s WHERE id = %(id)s

-- name: index_parameters
SELECT index_parameters FROM embedding_spaces WHERE id = %(id)s
