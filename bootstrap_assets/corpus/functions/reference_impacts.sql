CREATE OR REPLACE FUNCTION reference_impacts(words tsvector, tokens integer, mean_tokens double precision)
RETURNS sparsevec LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
-- A vector holds at most 16,000 words: of a text that has more the most frequent ones.
RETURN (
    SELECT ('{' || coalesce(string_agg(w.number || ':' || w.impact, ','), '') || '}/1000000000')::sparsevec
    FROM (
        SELECT DISTINCT ON (o.number) o.number, o.impact FROM (
            SELECT reference_word_number(u.lexeme) AS number,
                   reference_impact(cardinality(u.positions), tokens, mean_tokens) AS impact
            FROM unnest(words) u ORDER BY cardinality(u.positions) DESC, u.lexeme LIMIT 16000
        ) o ORDER BY o.number, o.impact DESC
    ) w);
COMMENT ON FUNCTION reference_impacts IS 'What each word of a text adds to its score, but for the word''s rarity.';
