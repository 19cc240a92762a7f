DROP VIEW reference_embeddings;
DO $$
DECLARE space record;
BEGIN
    FOR space IN SELECT table_name FROM embedding_spaces LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', space.table_name);
    END LOOP;
END $$;
DROP TABLE reference_connections, embedding_usage, bootstrap_events, bootstrap_findings, bootstrap_failures, bootstrap_batches,
    bootstrap_progress, embedding_spaces, reference_records, reference_text_parts, reference_texts,
    reference_documents;
DROP FUNCTION reference_tsvector(text);
DROP FUNCTION reference_batch(bytea, integer);
