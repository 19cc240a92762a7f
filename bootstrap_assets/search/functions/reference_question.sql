CREATE OR REPLACE FUNCTION reference_question(
    query_text      text,
    query_embedding vector,
    feedback_texts  integer DEFAULT 10,
    feedback_words  integer DEFAULT 10,
    feedback_weight double precision DEFAULT 0.5,
    space           integer DEFAULT NULL,
    search_labels   boolean DEFAULT false
) RETURNS reference_question LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    total  double precision := coalesce((SELECT texts FROM reference_text_totals), 0);
    plain  reference_question;
    pool   reference_filters;
    most_words CONSTANT integer := 64;
    first  bytea[];
    lexemes text[];  -- of these, each with the share that has it
    shares double precision[];
    alone  double precision;  -- the share that a word has of one section
    above  double precision;
    telling text[];  -- those that tell most, and how much
    tells  double precision[];
    trust  double precision;
    widened reference_question;
    meaning reference_label;
    searched reference_space := reference_space(space);
BEGIN
    IF query_text IS NOT NULL THEN
        SELECT coalesce(array_agg(n.lexeme ORDER BY n.lexeme), '{}'), coalesce(array_agg(
                   ln(1 + (greatest(total, n.texts) - n.texts + 0.5) / (n.texts + 0.5)) ORDER BY n.lexeme), '{}')
        INTO plain.words, plain.weights
        FROM (  -- a page that was pasted is searched for by its rarest words
            SELECT lexeme, coalesce(l.texts, 0) AS texts FROM unnest(reference_tsvector(query_text))
            LEFT JOIN reference_lexemes l USING (lexeme) ORDER BY coalesce(l.texts, 0) = 0, l.texts, lexeme LIMIT most_words) n;
    END IF;
    plain.embedding := query_embedding;
    IF search_labels THEN
        meaning := reference_label_of(plain.words, plain.weights);
    END IF;
    IF feedback_texts = 0 OR coalesce(cardinality(plain.words), 0) = 0 THEN
        plain.label := meaning;
        RETURN plain;
    END IF;
    -- Feedback from the corpus itself: words that the best sections share, one section of each document, lest one
    -- document tells its own names. The filters do not hold here: what a thing is called is learnt everywhere.
    pool.granularities := ARRAY['section'];
    SELECT array_agg(content_hash) INTO first FROM (
        SELECT content_hash FROM (
            SELECT DISTINCT ON (document_id) content_hash, score FROM reference_rank(
                plain, pool, k => 10 * feedback_texts, context => 0, search_labels => false, space => space, around => true) ranked
            CROSS JOIN LATERAL (
                SELECT r.document_id FROM reference_records r WHERE r.content_hash = ranked.content_hash
                  AND r.granularity = 'section' AND reference_is_visible(r.tenant_id) OFFSET 0) r
            ORDER BY document_id, score DESC, content_hash
        ) one_of_each GROUP BY content_hash ORDER BY max(score) DESC, content_hash LIMIT feedback_texts) best;
    IF first IS NULL THEN
        plain.label := meaning;
        RETURN plain;
    END IF;
    SELECT array_agg(s.lexeme), array_agg(s.share) INTO lexemes, shares FROM (
        SELECT u.lexeme, count(*)::double precision / cardinality(first) AS share
        FROM reference_texts t CROSS JOIN LATERAL unnest(tsvector_to_array(t.content_tsv)) u (lexeme)
        WHERE t.content_hash = ANY (first) GROUP BY 1) s;
    -- The less of the query these sections hold, the less they are believed: what nothing is about learns nothing.
    SELECT least(1, 2 * coalesce(sum(p.weight * s.share), 0) / sum(p.weight)) INTO trust
    FROM unnest(plain.words, plain.weights) p (word, weight)
    LEFT JOIN unnest(lexemes, shares) s (lexeme, share) ON s.lexeme = p.word;
    feedback_weight := feedback_weight * trust;
    -- Those of one section alone, which are most, are looked up only where the rarest of them could tell enough.
    alone := 1.0 / cardinality(first);
    FOREACH above IN ARRAY ARRAY[1.5 * alone, 0] LOOP
        SELECT array_agg(t.lexeme), array_agg(t.weight) INTO telling, tells FROM (
            SELECT lexeme, s.share * ln(1 + (total - l.texts + 0.5) / (l.texts + 0.5)) AS weight
            FROM unnest(lexemes, shares) s (lexeme, share) JOIN reference_lexemes l USING (lexeme)
            WHERE s.share > above AND l.texts <= total ORDER BY weight DESC, lexeme LIMIT feedback_words) t;
        EXIT WHEN tells[feedback_words] > alone * ln(1 + (total - 0.5) / 1.5);
    END LOOP;
    WITH telling AS (
        SELECT * FROM unnest(telling, tells) t (lexeme, weight)
    ), own AS (
        SELECT * FROM unnest(plain.words, plain.weights) o (lexeme, weight)
    ), mixed AS (
        SELECT lexeme, (1 - feedback_weight) * coalesce(own.weight, 0) + feedback_weight * coalesce(
                   telling.weight * (SELECT sum(weight) FROM own) / (SELECT sum(weight) FROM telling), 0) AS weight
        FROM own FULL JOIN telling USING (lexeme)
    )
    SELECT array_agg(lexeme ORDER BY lexeme), array_agg(weight ORDER BY lexeme)
    INTO widened.words, widened.weights FROM mixed;
    widened.embedding := query_embedding;
    widened.label := meaning;
    IF query_embedding IS NOT NULL AND searched.feedback THEN
        -- A model that knows a text only by its words: its vectors gain by the same feedback.
        widened.embedding := l2_normalize(l2_normalize(query_embedding) + reference_mean_vector(searched.vectors, first)
                                          * array_fill(trust::real, ARRAY[vector_dims(query_embedding)])::vector);
    END IF;
    RETURN widened;
END $$;
COMMENT ON FUNCTION reference_question IS
    'A query as it is searched for: its words weighted by rarity, widened by feedback from the best sections (RM3-like, Lavrenko and Croft 2001; Rocchio 1971). With search_labels also what it means, of what scorers know (reference_label_of).';
