CREATE OR REPLACE FUNCTION reference_label_of(words text[], weights double precision[]) RETURNS reference_label
LANGUAGE plpgsql STABLE AS $$
DECLARE
    -- Below it questions that mean none are taken for one that they do not mean (docs/quality.md).
    enough CONSTANT double precision := 0.45;
    topic reference_label;
BEGIN
    SELECT w.source, w.label, w.category, w.hypothesis_id, w.likeness INTO topic FROM (
        SELECT n.source, n.label, n.category, n.hypothesis_id,
               least(1, sum(a.weight) / sqrt(n.weight * (SELECT sum(o) FROM unnest(weights) o))) AS likeness
        FROM label_wordings n CROSS JOIN unnest(words, weights) a (word, weight)
        WHERE a.weight > 0 AND a.word = ANY (n.lexemes)
        GROUP BY n.source, n.label, n.wording
    ) w WHERE w.likeness >= enough ORDER BY w.likeness DESC, w.source, w.label LIMIT 1;
    RETURN topic;
END $$;
COMMENT ON FUNCTION reference_label_of IS
    'The category or hypothesis with a scorer that these words, weighted by rarity, mean; NULL where they mean none. likeness: the weight of the words in common over the geometric mean of both weights, 1 for its very wording.';
