CREATE OR REPLACE FUNCTION reference_text_candidates(
    words text[], weights double precision[], filters reference_filters, candidates integer
) RETURNS bytea[] LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_memoize = off AS $$
    -- The blocks of all lists that can add most to a score are read, at most `most` of them. Where that is all of the
    -- lists, which it is in a corpus of some ten thousand texts, the sums are the scores. Else what a text has there is a
    -- lower bound of its score, and the first by that are scored by their own words. So a search takes the same in a
    -- million texts, and finds what has the words that tell; what is among the best by many words that tell little may
    -- be missed. What a record must be is asked text by text, the best first, until enough are there: as a join it would
    -- be asked of all records. Where too few of the texts pass the filters, five times as much is read.
DECLARE
    most    integer := greatest(120, 8 * cardinality(words));  -- of 200 places each
    widest  CONSTANT integer := 5 * most;
    found   bytea[];
    asked   CONSTANT sparsevec := reference_asked(words, weights);
    tenant  CONSTANT text := nullif(current_setting('bootstrap.tenant', true), '');
    kinds   CONSTANT text[] := CASE WHEN (filters).granularities = '{section}' THEN ARRAY['/section']
        WHEN (filters).granularities && '{document,template}' THEN ARRAY['', '/section', '/long'] ELSE ARRAY['', '/section'] END;
    piles   CONSTANT text[] := ARRAY(
        SELECT o.owner || k.kind FROM unnest(ARRAY['', tenant]) o (owner) CROSS JOIN unnest(kinds) k (kind) WHERE o.owner IS NOT NULL);
    through CONSTANT integer := (SELECT coalesce(max(s.through), 0) FROM reference_segments s);
    least   double precision;  -- what the first block adds that is one too many
    close   integer;
BEGIN
    LOOP
        SELECT h.adds INTO least FROM (
            SELECT a.weight * b.ceiling AS adds FROM unnest(words, weights) a (word, weight) CROSS JOIN unnest(piles) p (pile)
            CROSS JOIN LATERAL (
                SELECT b.ceiling FROM reference_postings b WHERE b.pile = p.pile AND b.lexeme = a.word
                ORDER BY b.ceiling DESC LIMIT most + 1) b
            WHERE a.weight > 0 ORDER BY 1 DESC OFFSET most LIMIT 1) h;
        least := coalesce(least, 0);
        close := CASE WHEN least > 0 AND filters IS NULL THEN 10 ELSE 1 END * candidates;
        found := ARRAY(
            WITH lists AS MATERIALIZED (
                SELECT a.weight, b.numbers, b.impacts
                FROM unnest(words, weights) a (word, weight) CROSS JOIN unnest(piles) p (pile) CROSS JOIN LATERAL (
                    SELECT b.numbers, b.impacts FROM reference_postings b
                    WHERE b.pile = p.pile AND b.lexeme = a.word AND b.ceiling >= (least / a.weight)::real
                    ORDER BY b.ceiling DESC LIMIT CASE WHEN least > 0 THEN most END) b
                WHERE a.weight > 0
            ), seen AS (
                SELECT e.number, sum(l.weight * e.impact) AS lower
                FROM lists l CROSS JOIN LATERAL unnest(l.numbers, l.impacts) e (number, impact) GROUP BY e.number
                UNION ALL
                SELECT t.number, -(t.impacts <#> asked) FROM reference_text_words t
                WHERE t.number > through AND t.pile = ANY (piles) AND (t.impacts <#> asked) < 0
            )
            SELECT c.content_hash FROM (
                SELECT t.content_hash, t.impacts, o.lower
                FROM (SELECT * FROM seen s ORDER BY s.lower DESC, s.number LIMIT CASE WHEN filters IS NULL THEN 2 * close END) o
                JOIN LATERAL (SELECT w.content_hash, w.impacts FROM reference_text_words w WHERE w.number = o.number OFFSET 0) t ON true
                WHERE (
                    SELECT true FROM reference_records r WHERE r.content_hash = t.content_hash AND reference_passes(
                        r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters) LIMIT 1)
                  AND ((filters).phrase IS NULL OR (
                    SELECT x.content_tsv @@ (filters).phrase FROM reference_texts x WHERE x.content_hash = t.content_hash))
                LIMIT close) c
            ORDER BY CASE WHEN least > 0 THEN c.impacts <#> asked ELSE -c.lower END, c.content_hash LIMIT candidates);
        EXIT WHEN cardinality(found) >= candidates OR least = 0 OR most >= widest;
        most := widest;
    END LOOP;
    RETURN found;
END $$;
COMMENT ON FUNCTION reference_text_candidates IS 'The best texts for weighted words, by BM25, that pass the filters: as many as are wanted.';
