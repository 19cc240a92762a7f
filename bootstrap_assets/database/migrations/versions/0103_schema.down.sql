-- Everything of this package goes, and nothing else: tables of vectors first, then all that is ours by name.

DROP VIEW IF EXISTS reference_embeddings, reference_vectors;
DO $$
DECLARE space record;
BEGIN
    FOR space IN SELECT table_name FROM embedding_spaces LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', space.table_name);
    END LOOP;
END $$;
DROP FUNCTION IF EXISTS search_reference, reference_likely_texts, reference_likelihoods, reference_label_of, reference_fold, reference_question, reference_rank, reference_mean_vector,
    reference_vector_scores, reference_nearest, reference_space, reference_text_candidates,
    reference_label_scores, reference_labelled_texts, reference_few_texts, reference_text_scores, reference_asked, reference_phrase, reference_word, reference_passes, reference_lower,
    bootstrap_stored, bootstrap_record_digest, reference_corpus_version, embedding_reserve, bootstrap_is_stale;
DROP TYPE IF EXISTS reference_ranked, reference_space, reference_question, reference_label, reference_filters;
DROP FUNCTION IF EXISTS repository_swap;
DROP TABLE IF EXISTS index_jobs, repositories, repository_dependencies, repository_references, repository_symbols,
    repository_files, repository_snapshots, repository_blobs;
DROP TABLE IF EXISTS document_extractions, document_files, document_states, bootstrap_tenants;
DROP TABLE IF EXISTS document_labels, label_likelihoods, label_readings, label_wordings, label_scorers, label_features, label_baseline;
DROP TABLE IF EXISTS evaluation_vectors, evaluation_baseline, reference_lexemes, reference_text_totals, reference_connections,
    reference_text_words, reference_postings, reference_segments, reference_text_changes, reference_unsettled_texts, reference_counted_texts, reference_changes, embedding_usage, embedding_usage_daily, embedding_budgets,
    embedding_limiters, embedding_lanes, bootstrap_breakers, bootstrap_completions, bootstrap_events, bootstrap_requests, bootstrap_archives, bootstrap_findings, bootstrap_failures, bootstrap_batches, bootstrap_batching,
    bootstrap_progress, embedding_spaces, reference_records, reference_text_parts, reference_texts, reference_documents;
DROP FUNCTION IF EXISTS bootstrap_notify, reference_pile, reference_impacts, reference_impact, reference_word_number, reference_tsvector, reference_plain, reference_unaccented, reference_separated,
    reference_batch, reference_count_texts, reference_queue_texts, reference_queue_parts, document_is_stale,
    document_lock, reference_alike, reference_is_visible;
