DROP FUNCTION search_reference, reference_question, reference_rank, reference_text_candidates,
    reference_text_scores, reference_label_scores, reference_passes, reference_word,
    reference_lower, reference_corpus_version;
DROP TYPE reference_question;
DROP TYPE reference_filters;
DROP VIEW reference_vectors;
DROP TABLE reference_lexemes;
DROP TABLE reference_text_totals;
ALTER TABLE embedding_spaces DROP COLUMN fitted;
ALTER TABLE reference_records DROP COLUMN section_hash;
