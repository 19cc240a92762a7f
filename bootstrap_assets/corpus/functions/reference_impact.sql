CREATE OR REPLACE FUNCTION reference_impact(occurrences integer, tokens integer, mean_tokens double precision)
RETURNS real LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- BM25 with k1 = 1.2 and b = 0.75 (Robertson and Zaragoza 2009); a length is the estimate of tokens.
RETURN (occurrences * 2.2::double precision / (occurrences + 1.2::double precision
           * (0.25::double precision + 0.75::double precision * tokens / mean_tokens)))::real;
COMMENT ON FUNCTION reference_impact IS 'What a word adds to the score of a text, but for the word''s rarity.';
