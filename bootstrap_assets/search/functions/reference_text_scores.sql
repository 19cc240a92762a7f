CREATE OR REPLACE FUNCTION reference_text_scores(words text[], weights double precision[], hashes bytea[])
RETURNS TABLE (content_hash bytea, score double precision) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- BM25 with k1 = 1.2 and b = 0.75 (Robertson and Zaragoza 2009); a length is the estimate of tokens. The number
    -- of times that a word occurs is read off ts_rank, which for a single word of weight 1 is the sum of 1/j² for j
    -- up to that number, divided by its limit (calc_rank_or in PostgreSQL's tsrank.c): what is missing to 1 is about
    -- 1/(number + 1/2), so rounding gives the number. Unnesting the tsvector instead takes longer, and so does not
    -- decompressing it before (that is what the empty one is for): it would be done again for each word. The hashes
    -- stand in a query of their own: this function is inlined, and what computes them would be called for each row.
    WITH asked AS MATERIALIZED (
        SELECT reference_word(a.word) AS word, a.weight FROM unnest(words, weights) a (word, weight)
    ), mean AS MATERIALIZED (SELECT coalesce(max(mean_tokens), 100) AS tokens FROM reference_text_totals)
    SELECT t.content_hash, s.score
    FROM (
        SELECT content_hash, tokens, content_tsv || ''::tsvector AS content_tsv FROM reference_texts
        WHERE content_hash = ANY ((SELECT hashes)::bytea[]) OFFSET 0
    ) t CROSS JOIN mean CROSS JOIN LATERAL (
        SELECT sum(a.weight * n.times * 2.2 / (n.times + 1.2 * (0.25 + 0.75 * t.tokens / mean.tokens))) AS score
        FROM asked a CROSS JOIN LATERAL (
            SELECT round(1 / (1.6449340668 * greatest(1 - ts_rank('{1,1,1,1}', t.content_tsv, a.word), 1e-5)) - 0.5) AS times
        ) n
    ) s
    WHERE s.score > 0
$$;
COMMENT ON FUNCTION reference_text_scores IS 'BM25 of some texts for weighted words; texts that have none of them are left out.';
