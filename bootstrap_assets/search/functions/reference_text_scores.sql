CREATE OR REPLACE FUNCTION reference_text_scores(words text[], weights double precision[], hashes bytea[])
RETURNS TABLE (content_hash bytea, score double precision) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    asked  CONSTANT sparsevec := reference_asked(words, weights);
    tenant CONSTANT text := nullif(current_setting('bootstrap.tenant', true), '');
BEGIN
    RETURN QUERY
    SELECT t.content_hash, max(-(t.impacts <#> asked)) FROM reference_text_words t
    WHERE t.content_hash = ANY (hashes)
      AND t.pile = ANY (ARRAY['', '/section', '/long', tenant, tenant || '/section', tenant || '/long']) AND (t.impacts <#> asked) < 0
    GROUP BY t.content_hash;
END $$;
COMMENT ON FUNCTION reference_text_scores IS 'BM25 of some texts for weighted words; texts that have none of them are left out, and those that the asker may not see.';
