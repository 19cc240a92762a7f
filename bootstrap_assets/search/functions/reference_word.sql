CREATE OR REPLACE FUNCTION reference_word(lexeme text) RETURNS tsquery LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery;
COMMENT ON FUNCTION reference_word IS 'A lexeme, whatever characters it is of, as a query for just that.';
