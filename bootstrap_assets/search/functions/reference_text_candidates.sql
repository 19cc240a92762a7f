CREATE OR REPLACE FUNCTION reference_text_candidates(
    words text[], weights double precision[], filters reference_filters, candidates integer
) RETURNS bytea[] LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_memoize = off AS $$
    -- Lists are read from their tops down to where a word adds less than `least` to a score. What a text has there is a
    -- lower bound of its score; with what the unread rest of each other list could add it is an upper bound (the NRA of
    -- Fagin, Lotem and Naor 2003, with blocks as in Ding and Suel 2011). Who could still be among the best is scored by
    -- its own vector of words. Where that is not settled the lists are read further down. So the best are the same as
    -- if every text was scored; but no more than `most` places of lists are read: in a corpus of a million texts a
    -- question of frequent words alone is answered by the tops of their lists. What a record must be is asked text by
    -- text, the best first, until enough are there: as a join it would be asked of all records.
DECLARE
    most    CONSTANT integer := 120000;
    few     CONSTANT integer := 12000;  -- so many are read at once: dividing them costs more
    close   CONSTANT integer := 20 * candidates;  -- so many are scored by their own vectors
    asked   CONSTANT sparsevec := reference_asked(words, weights);
    tenant  CONSTANT text := nullif(current_setting('bootstrap.tenant', true), '');
    kinds   CONSTANT text[] := CASE WHEN (filters).granularities = '{section}' THEN ARRAY['/section']
        WHEN (filters).granularities && '{document,template}' THEN ARRAY['', '/section', '/long'] ELSE ARRAY['', '/section'] END;
    piles   CONSTANT text[] := ARRAY(
        SELECT o.owner || k.kind FROM unnest(ARRAY['', tenant]) o (owner) CROSS JOIN unnest(kinds) k (kind) WHERE o.owner IS NOT NULL);
    through CONSTANT integer := (SELECT coalesce(max(s.through), 0) FROM reference_segments s);
    pool    integer := 4 * candidates;  -- so many of the first are asked whether they pass the filters
    least   double precision := 0;
    read    bigint;
    texts   bigint;
    unseen  double precision;  -- what a text could score that is in no block that was read
    bound   double precision;
    numbers integer[];
    best    bytea[];
BEGIN
    SELECT sum(coalesce(l.texts, 0)), 0.28 * avg(a.weight) INTO read, least
    FROM unnest(words, weights) a (word, weight) LEFT JOIN reference_lexemes l ON l.lexeme = a.word WHERE a.weight > 0;
    IF coalesce(read, 0) <= few THEN
        least := 0;
    END IF;
    LOOP
        WITH lists AS MATERIALIZED (
            SELECT a.word, a.weight, p.pile, (least / a.weight)::real AS lowest,
                   coalesce((SELECT b.ceiling FROM reference_postings b
                             WHERE b.pile = p.pile AND b.lexeme = a.word AND b.ceiling < (least / a.weight)::real
                             ORDER BY b.ceiling DESC LIMIT 1), 0) AS next,
                   (SELECT count(*) FROM reference_postings b
                    WHERE b.pile = p.pile AND b.lexeme = a.word AND b.ceiling >= (least / a.weight)::real) AS blocks
            FROM unnest(words, weights) a (word, weight) CROSS JOIN unnest(piles) p (pile) WHERE a.weight > 0
        ), rest AS MATERIALIZED (
            SELECT coalesce(sum(o.weight * o.next), 0) AS unseen FROM (
                SELECT l.word, l.weight, max(l.next) AS next FROM lists l GROUP BY 1, 2) o
        ), seen AS MATERIALIZED (
            -- The lower bound of each, and by how much its upper one is above what a text could have that is in no block.
            SELECT * FROM (
                SELECT e.number, sum(l.weight * e.impact) AS lower, sum(l.weight * (e.impact - l.next)) AS above
                FROM lists l CROSS JOIN LATERAL (
                    SELECT b.numbers, b.impacts FROM reference_postings b
                    WHERE b.pile = l.pile AND b.lexeme = l.word AND b.ceiling >= l.lowest OFFSET 0
                ) b CROSS JOIN LATERAL unnest(b.numbers, b.impacts) e (number, impact)
                GROUP BY e.number
                UNION ALL
                SELECT t.number, -(t.impacts <#> asked), -(t.impacts <#> asked) - rest.unseen
                FROM reference_text_words t CROSS JOIN rest
                WHERE t.number > through AND t.pile = ANY (piles) AND (t.impacts <#> asked) < 0
            ) e ORDER BY e.above DESC, e.number LIMIT greatest(close, pool) + 1
        ), best AS MATERIALIZED (
            SELECT t.content_hash, -(t.impacts <#> asked) AS score
            FROM (SELECT s.number FROM seen s ORDER BY s.lower DESC, s.number LIMIT pool) o
            JOIN LATERAL (SELECT * FROM reference_text_words w WHERE w.number = o.number OFFSET 0) t ON true
            WHERE (
                SELECT true FROM reference_records r WHERE r.content_hash = t.content_hash AND reference_passes(
                    r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters) LIMIT 1)
              AND ((filters).phrase IS NULL OR (
                SELECT x.content_tsv @@ (filters).phrase FROM reference_texts x WHERE x.content_hash = t.content_hash))
            LIMIT candidates
        ), limits AS MATERIALIZED (
            SELECT CASE WHEN count(*) >= candidates THEN min(b.score) * 0.99999 ELSE 0 END AS bound FROM best b
        )
        SELECT (SELECT sum(l.blocks) FROM lists l) * 200, (SELECT count(*) FROM seen), rest.unseen, limits.bound,
               CASE WHEN least > 0 THEN (SELECT array_agg(s.number) FROM seen s WHERE s.above + rest.unseen >= limits.bound) END,
               CASE WHEN least = 0 THEN (SELECT array_agg(b.content_hash) FROM best b) END
        INTO read, texts, unseen, bound, numbers, best
        FROM rest CROSS JOIN limits;
        IF bound = 0 AND pool < texts THEN
            pool := 10 * pool;
            CONTINUE;
        END IF;
        IF least = 0 THEN
            RETURN coalesce(best, '{}');  -- all of the lists was read, and their sums are the scores
        END IF;
        EXIT WHEN (unseen <= bound AND cardinality(numbers) <= close) OR read > most;
        least := CASE WHEN least < 0.01 THEN 0 ELSE least / 2 END;
    END LOOP;
    RETURN (SELECT coalesce(array_agg(c.content_hash), '{}') FROM (
        SELECT t.content_hash FROM (
            SELECT w.content_hash, -(w.impacts <#> asked) AS score FROM reference_text_words w WHERE w.number = ANY (numbers)
            ORDER BY 2 DESC, 1 OFFSET 0
        ) t
        WHERE (
            SELECT true FROM reference_records r WHERE r.content_hash = t.content_hash AND reference_passes(
                r.source, r.category, r.granularity, r.nli_label, r.document_id, r.tenant_id, filters) LIMIT 1)
          AND ((filters).phrase IS NULL OR (
            SELECT x.content_tsv @@ (filters).phrase FROM reference_texts x WHERE x.content_hash = t.content_hash))
        LIMIT candidates) c);
END $$;
COMMENT ON FUNCTION reference_text_candidates IS 'The best texts for weighted words, by BM25, that pass the filters: as many as are wanted.';
