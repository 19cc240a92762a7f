CREATE OR REPLACE FUNCTION reference_label_scores(words text[], weights double precision[])
RETURNS TABLE (label_number bigint, score double precision) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- A word in a record's label (category, hypothesis) counts as much as two that are alone in a text of mean length,
    -- times the share of the query's weight that the label holds: one word in common is no answer to six. Labels are
    -- few and records many: from each label the index is asked for the next one.
    WITH RECURSIVE label AS (
        (SELECT r.label_number, r.label_tsv FROM reference_records r
         WHERE r.label_number IS NOT NULL AND reference_is_visible(r.tenant_id) ORDER BY r.label_number LIMIT 1)
        UNION ALL
        SELECT next.* FROM label l CROSS JOIN LATERAL (
            SELECT r.label_number, r.label_tsv FROM reference_records r
            WHERE r.label_number > l.label_number AND reference_is_visible(r.tenant_id) ORDER BY r.label_number LIMIT 1) next
    ), asked AS MATERIALIZED (
        SELECT reference_word(a.word) AS word, a.weight FROM unnest(words, weights) a (word, weight)
    ), any_of AS MATERIALIZED (
        SELECT string_agg(word::text, ' | ')::tsquery AS words, sum(weight) AS weight FROM asked
    )
    SELECT l.label_number, (SELECT 2 * sum(a.weight) ^ 2 / any_of.weight FROM asked a WHERE l.label_tsv @@ a.word)
    FROM any_of JOIN label l ON l.label_tsv @@ any_of.words
$$;
COMMENT ON FUNCTION reference_label_scores IS 'How well the labels of records (category, hypothesis) answer weighted words; those that have none of them are left out.';
