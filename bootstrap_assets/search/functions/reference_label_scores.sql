CREATE OR REPLACE FUNCTION reference_label_scores(words text[], weights double precision[], filters reference_filters)
RETURNS TABLE (content_hash bytea, score double precision) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- A word in a record's label (category, hypothesis) counts as much as two that are alone in a text of mean length,
    -- times the share of the query's weight that the label holds: one word in common is no answer to six. Labels are
    -- few and records many, so each label is scored once.
    WITH asked AS MATERIALIZED (
        SELECT reference_word(a.word) AS word, a.weight FROM unnest(words, weights) a (word, weight)
    ), any_of AS MATERIALIZED (
        SELECT string_agg(word::text, ' | ')::tsquery AS words, sum(weight) AS weight FROM asked
    ), labelled AS MATERIALIZED (
        SELECT DISTINCT r.content_hash, r.label_tsv FROM any_of JOIN reference_records r ON r.label_tsv @@ any_of.words
        WHERE reference_passes(r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters)
          AND ((filters).phrase IS NULL OR EXISTS (
              SELECT FROM reference_texts t WHERE t.content_hash = r.content_hash AND t.content_tsv @@ (filters).phrase))
    ), label AS MATERIALIZED (
        SELECT d.label_tsv,
               (SELECT 2 * sum(a.weight) ^ 2 / any_of.weight FROM asked a WHERE d.label_tsv @@ a.word) AS score
        FROM any_of CROSS JOIN (SELECT DISTINCT label_tsv FROM labelled) d
    )
    SELECT labelled.content_hash, max(label.score) FROM labelled JOIN label USING (label_tsv)
    GROUP BY labelled.content_hash
$$;
COMMENT ON FUNCTION reference_label_scores IS 'How well the labels of records (category, hypothesis) answer weighted words: texts with a score, as reference_text_scores gives it.';
