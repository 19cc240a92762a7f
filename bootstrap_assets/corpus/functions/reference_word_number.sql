CREATE OR REPLACE FUNCTION reference_word_number(lexeme text) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (hashtextextended(lexeme, 0) & 9223372036854775807) % 1000000000 + 1;
COMMENT ON FUNCTION reference_word_number IS 'The place of a word in the vectors of words: 1 to 1,000,000,000.';
