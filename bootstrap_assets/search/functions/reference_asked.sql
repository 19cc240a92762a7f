CREATE OR REPLACE FUNCTION reference_asked(words text[], weights double precision[]) RETURNS sparsevec
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT ('{' || coalesce(string_agg(a.number || ':' || a.weight, ','), '') || '}/1000000000')::sparsevec
    FROM (SELECT reference_word_number(u.word) AS number, max(u.weight)::real AS weight
          FROM unnest(words, weights) u (word, weight) WHERE u.weight > 0 GROUP BY 1) a);
COMMENT ON FUNCTION reference_asked IS 'Weighted words as a vector: its product with reference_text_words.impacts is the score of a text.';
