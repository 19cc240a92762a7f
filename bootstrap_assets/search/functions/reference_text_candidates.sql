CREATE OR REPLACE FUNCTION reference_text_candidates(
    words text[], weights double precision[], filters reference_filters, candidates integer
) RETURNS bytea[] LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_memoize = off AS $$
    -- Of each pile the blocks of its lists that can add most to a score are read, at most `most` of them. Where that is all
    -- of the lists, which it is in a corpus of some ten thousand texts, the sums are the scores. Else what a text has there
    -- is a lower bound of its score, and the first by that are scored by their own words. So a search takes the same in a
    -- million texts, and finds what has the words that tell; what is among the best by many words that tell little may be
    -- missed.
DECLARE
    base    CONSTANT integer := greatest(100, 5 * cardinality(words));  -- of 200 places each, for a hundred candidates
    widest  CONSTANT integer := 5 * base;
    most    integer := least(widest, base * greatest(1, candidates / 100));
    asked   CONSTANT sparsevec := reference_asked(words, weights);
    tenant  CONSTANT text := nullif(current_setting('bootstrap.tenant', true), '');
    kinds   CONSTANT text[] := CASE WHEN (filters).granularities = '{section}' THEN ARRAY['/section']
        WHEN (filters).granularities && '{document,template}' THEN ARRAY['', '/section', '/long'] ELSE ARRAY['', '/section'] END;
    piles   CONSTANT text[] := ARRAY(
        SELECT o.owner || k.kind FROM unnest(ARRAY['', tenant]) o (owner) CROSS JOIN unnest(kinds) k (kind) WHERE o.owner IS NOT NULL);
    through CONSTANT integer := (SELECT coalesce(max(s.through), 0) FROM reference_segments s);
    -- Nearly all texts of the piles pass.
    is_open CONSTANT boolean := filters IS NULL OR (filters).granularities = '{section}'
        AND ROW ((filters).sources, (filters).categories, (filters).labels, (filters).documents, (filters).phrase) IS NULL;
    least   double precision[];  -- of each pile, what the first block adds that is one too many
    numbers integer[];
    found   bytea[];
BEGIN
    LOOP
        SELECT array_agg(coalesce(h.adds, 0) ORDER BY p.place) INTO least
        FROM unnest(piles) WITH ORDINALITY p (pile, place) LEFT JOIN LATERAL (
            SELECT a.weight * b.ceiling AS adds FROM unnest(words, weights) a (word, weight) CROSS JOIN LATERAL (
                SELECT b.ceiling FROM reference_postings b WHERE b.pile = p.pile AND b.lexeme = a.word
                ORDER BY b.ceiling DESC LIMIT most + 1) b
            WHERE a.weight > 0 ORDER BY 1 DESC OFFSET most LIMIT 1) h ON true;
        SELECT array_agg(n.number ORDER BY n.lower DESC, n.number) INTO numbers FROM (
            SELECT o.* FROM unnest(piles, least) p (pile, least) CROSS JOIN LATERAL (
                SELECT e.number, sum(a.weight * e.impact) AS lower
                FROM unnest(words, weights) a (word, weight) CROSS JOIN LATERAL (
                    SELECT b.numbers, b.impacts FROM reference_postings b
                    WHERE b.pile = p.pile AND b.lexeme = a.word AND b.ceiling >= (p.least / a.weight)::real
                    ORDER BY b.ceiling DESC LIMIT CASE WHEN p.least > 0 THEN most END) b
                CROSS JOIN LATERAL unnest(b.numbers, b.impacts) e (number, impact)
                WHERE a.weight > 0 GROUP BY e.number ORDER BY lower DESC, e.number
                LIMIT CASE WHEN is_open THEN CASE WHEN p.least > 0 THEN 8 ELSE 2 END * candidates END) o
            UNION ALL
            SELECT t.number, -(t.impacts <#> asked) FROM reference_text_words t
            WHERE t.number > through AND t.pile = ANY (piles) AND (t.impacts <#> asked) < 0) n;
        IF is_open THEN
            found := ARRAY(
                SELECT t.content_hash FROM (
                    SELECT w.content_hash, w.impacts <#> asked AS distance FROM reference_text_words w
                    WHERE w.number = ANY (numbers) ORDER BY 2, 1) t
                WHERE (
                    SELECT true FROM reference_records r WHERE r.content_hash = t.content_hash AND reference_passes(
                        r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters) LIMIT 1)
                LIMIT candidates);
        ELSE  -- asked text by text, the best first, until enough are there: as a join it would be asked of all records
            found := ARRAY(
                SELECT c.content_hash FROM (
                    SELECT t.content_hash, t.impacts
                    FROM unnest(numbers) WITH ORDINALITY o (number, place)
                    JOIN LATERAL (SELECT w.content_hash, w.impacts FROM reference_text_words w WHERE w.number = o.number OFFSET 0) t ON true
                    WHERE (
                        SELECT true FROM reference_records r WHERE r.content_hash = t.content_hash AND reference_passes(
                            r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters) LIMIT 1)
                      AND ((filters).phrase IS NULL OR (
                        SELECT x.content_tsv @@ (filters).phrase FROM reference_texts x WHERE x.content_hash = t.content_hash))
                    LIMIT candidates) c
                ORDER BY c.impacts <#> asked, c.content_hash LIMIT candidates);
        END IF;
        EXIT WHEN cardinality(found) >= candidates OR NOT 0 < ANY (least) OR most >= widest;
        most := widest;  -- too few pass
    END LOOP;
    RETURN found;
END $$;
COMMENT ON FUNCTION reference_text_candidates IS 'The best texts for weighted words, by BM25, that pass the filters: as many as are wanted.';
